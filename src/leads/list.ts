import { and, eq, getTableColumns, inArray, sql } from "drizzle-orm";
import { isOneOf } from "../db/ids.ts";
import { pageClauses, slicePage, type Count, type Order, type Page, type Slice } from "../db/pages.ts";
import { leadImportRejects, leadImports, leads } from "../db/tables/leads.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { ok, type Result } from "../lib/errors.ts";
import { segmentOf, type LeadFilter } from "./filter.ts";
import type { LeadImport } from "./import-state.ts";
import { parsePhone } from "./phone.ts";
import { countSegment, findLeads } from "./search.ts";
import { defaultCountryOf, type Lead } from "./write.ts";

/** As the index leads_workspace_id_created_at has it. */
const BY_CREATION = { value: sql`${leads.createdAt}`, type: "timestamptz", id: sql`${leads.id}` } as const;
/** As the index leads_workspace_id_name has it. CASE and not coalesce, which Postgres does not trust to keep a secret: below row-level
 *  security it would read every name before the place of a page. */
const NAME = sql`(CASE WHEN ${leads.name} IS NULL THEN '' ELSE ${leads.name} END)`;
const BY_NAME = { value: NAME, type: "text", id: sql`${leads.id}` } as const;
/** As the index leads_workspace_id_last_replied_at has it. Who has never replied comes before all who have. */
const LAST_REPLIED_AT = sql`(CASE WHEN ${leads.lastRepliedAt} IS NULL THEN '-infinity' ELSE ${leads.lastRepliedAt} END)`;
const BY_REPLY = { value: LAST_REPLIED_AT, type: "timestamptz", id: sql`${leads.id}` } as const;

export const LEAD_ORDERS = ["CREATED_AT", "NAME", "LAST_REPLIED_AT"] as const;
export type LeadOrderField = (typeof LEAD_ORDERS)[number];

const BY = { CREATED_AT: BY_CREATION, NAME: BY_NAME, LAST_REPLIED_AT: BY_REPLY };

export const leadOrder = (field: LeadOrderField, descending: boolean): Order & { readonly name: string } => ({
  ...BY[field],
  descending,
  name: `${field}:${descending ? "DESC" : "ASC"}`,
});

export function listLeads(db: WorkspaceDb, filter: LeadFilter, page: Page, order: Order): Promise<Result<Slice<Lead>>> {
  return db.read(async (tx) => {
    const segment = await segmentOf(tx, db.id, filter);
    if (!segment.ok) return segment;
    const found = await findLeads(tx, segment.value, page, order, order.value === BY_CREATION.value);
    const read = await tx.select().from(leads).where(and(eq(leads.workspaceId, db.id), isOneOf(leads.id, found.map(({ id }) => id)))).prepare("leads_by_id").execute();
    const byId = new Map(read.map((lead) => [lead.id, lead]));
    const inOrder = found.flatMap(({ id, value }) => {
      const lead = byId.get(id);
      return lead ? [{ ...lead, value }] : [];
    });
    return ok(slicePage(inOrder, page));
  });
}

export function countLeads(db: WorkspaceDb, filter: LeadFilter): Promise<Result<Count>> {
  return db.read(async (tx) => {
    const segment = await segmentOf(tx, db.id, filter);
    return segment.ok ? ok(await countSegment(tx, segment.value)) : segment;
  });
}

/** The lead with this phone number, or why it is none; null where nobody has it. */
export function leadByPhone(db: WorkspaceDb, phone: string): Promise<{ readonly lead: Lead | null } | { readonly problem: string }> {
  return db.read(async (tx: Tx) => {
    const parsed = parsePhone(phone, await defaultCountryOf(tx, db.id));
    if (!parsed.ok) return { problem: parsed.reason };
    const [lead] = await tx.select().from(leads).where(and(eq(leads.workspaceId, db.id), eq(leads.phone, parsed.phone)));
    return { lead: lead ?? null };
  });
}

export type LeadImportReject = typeof leadImportRejects.$inferSelect;

export const IMPORT_ORDER: Order & { readonly name: string } = { name: "ID", id: sql`${leadImports.id}`, descending: true };

/** Newest first. */
export function listImports(db: WorkspaceDb, page: Page): Promise<Slice<LeadImport>> {
  return db.read(async (tx) => {
    const { where, orderBy, limit, value } = pageClauses(page, IMPORT_ORDER);
    const mine = eq(leadImports.workspaceId, db.id);
    const imports = tx.select({ ...getTableColumns(leadImports), value }).from(leadImports).where(and(mine, where));
    return slicePage(await imports.orderBy(orderBy).limit(limit), page);
  });
}

export const REJECT_ORDER: Order & { readonly name: string } = {
  name: "LINE",
  id: sql`${leadImportRejects.id}`,
  idType: "bigint",
  descending: false,
};

/** In the order of the file. One statement for all imports that ask. */
export function listRejects(db: WorkspaceDb, importIds: readonly string[], page: Page): Promise<Map<string, Slice<LeadImportReject>>> {
  return db.read(async (tx) => {
    const { where, orderBy, limit, value } = pageClauses(page, REJECT_ORDER);
    const rejects = tx
      .select({ ...getTableColumns(leadImportRejects), value: sql<null>`${value}`.as("value") })
      .from(leadImportRejects)
      .where(and(eq(leadImportRejects.workspaceId, db.id), eq(leadImportRejects.importId, leadImports.id), where))
      .orderBy(orderBy)
      .limit(limit)
      .as("rejects");
    const rows = await tx
      .select()
      .from(leadImports)
      .crossJoinLateral(rejects)
      .where(and(eq(leadImports.workspaceId, db.id), inArray(leadImports.id, [...importIds])))
      .orderBy(leadImports.id);
    const byImport = Map.groupBy(rows.map((row) => row.rejects), ({ importId }) => importId);
    return new Map([...byImport].map(([importId, read]) => [importId, slicePage(read, page)]));
  });
}
