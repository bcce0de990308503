import { and, eq, getTableColumns, inArray, sql } from "drizzle-orm";
import { isOneOf } from "../db/ids.ts";
import { textArray } from "../db/arrays.ts";
import { pageClauses, slicePage, type Count, type Order, type Page, type Slice } from "../db/pages.ts";
import { campaigns } from "../db/tables/campaigns.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import type { UserError } from "../lib/errors.ts";
import type { CampaignStatus } from "./states.ts";

export type Campaign = typeof campaigns.$inferSelect;

export const campaignsById = (db: WorkspaceDb, ids: readonly string[]): Promise<Campaign[]> =>
  db.read((tx) =>
    tx
      .select()
      .from(campaigns)
      .where(and(eq(campaigns.workspaceId, db.id), isOneOf(campaigns.id, ids)))
      .prepare("campaigns_by_id")
      .execute(),
  );

/** Locks it against every other change, and against being fed. */
export async function lockCampaign(tx: Tx, db: WorkspaceDb, id: string): Promise<(Campaign & { readonly status: CampaignStatus }) | undefined> {
  const [campaign] = await tx
    .select()
    .from(campaigns)
    .where(and(eq(campaigns.workspaceId, db.id), eq(campaigns.id, id)))
    .for("update");
  return campaign as (Campaign & { readonly status: CampaignStatus }) | undefined;
}

export const noCampaign = (...field: string[]): UserError => ({ code: "NOT_FOUND", message: "There is no campaign with this id.", field });

/** Keys are ordered by time: the newest first. */
export const CAMPAIGN_ORDER: Order & { readonly name: string } = { name: "ID", id: sql`${campaigns.id}`, descending: true };

type Statuses = readonly CampaignStatus[] | null | undefined;

const matching = (db: WorkspaceDb, status: Statuses) =>
  and(eq(campaigns.workspaceId, db.id), status ? inArray(campaigns.status, [...status]) : undefined);

export async function listCampaigns(db: WorkspaceDb, status: Statuses, page: Page): Promise<Slice<Campaign>> {
  const { where, orderBy, limit, value } = pageClauses(page, CAMPAIGN_ORDER);
  const rows = await db.read((tx) =>
    tx
      .select({ ...getTableColumns(campaigns), value })
      .from(campaigns)
      .where(and(matching(db, status), where))
      .orderBy(orderBy)
      .limit(limit),
  );
  return slicePage(rows, page);
}

export async function countCampaigns(db: WorkspaceDb, status: Statuses): Promise<Count> {
  return { total: await db.read((tx) => tx.$count(campaigns, matching(db, status))), isExact: true };
}

/** Leads of the audience, each in one of the five. */
export type CampaignTotals = {
  readonly total: number;
  readonly waiting: number;
  readonly sent: number;
  readonly failed: number;
  readonly skipped: number;
  readonly cancelled: number;
};

const NO_TOTALS: CampaignTotals = { total: 0, waiting: 0, sent: 0, failed: 0, skipped: 0, cancelled: 0 };

/** In the order of `ids`. */
export async function campaignTotals(db: WorkspaceDb, ids: readonly string[]): Promise<CampaignTotals[]> {
  const { rows } = await db.read((tx) =>
    tx.execute<Record<keyof CampaignTotals | "id", string>>(sql`
      SELECT t.campaign_id AS id, t.total, t.waiting, t.sent, t.failed, t.skipped, t.cancelled
        FROM unnest(${textArray(ids)}::uuid[]) AS wanted(id) JOIN campaign_totals t ON t.campaign_id = wanted.id`),
  );
  // Sums come as text, being bigints.
  const byId = new Map(rows.map(({ id, ...totals }) => [id, Object.fromEntries(Object.entries(totals).map(([name, count]) => [name, Number(count)]))]));
  return ids.map((id) => ({ ...NO_TOTALS, ...byId.get(id) }));
}
