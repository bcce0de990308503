import { asc, eq, inArray, sql, type SQL } from "drizzle-orm";
import { countRows, EXACT_TO, pageClauses, pagesByParent, slicePage, type Count, type Order, type Page, type Slice } from "../db/pages.ts";
import { textArray } from "../db/arrays.ts";
import { columnsOf, rowsOf } from "../db/rows.ts";
import { flows } from "../db/tables/flows.ts";
import { enrollments, lanes } from "../db/tables/sequences.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import type { FlowFailureCode, FlowStatus } from "./states.ts";

export { EXACT_TO };

/** `dueAt` is in lane time; this is when it will be if the lane goes on now. By its sequence: if the frequency cap has put it off, `waitingFor` says so. */
const WALL_DUE_AT = sql`wall_time(coalesce(${flows.deferredFrom}, ${flows.dueAt}), ${lanes.pausedAt}, ${lanes.pauseOffset})`;

const COLUMNS = sql`${columnsOf(flows)}, ${WALL_DUE_AT} AS "wallDueAt", ${lanes.isTest} AS "isTest"`;

export type Flow = typeof flows.$inferSelect & { readonly wallDueAt: Date; readonly isTest: boolean };

export const isWaiting = ({ attemptedAt, settledAt }: Flow): boolean => attemptedAt === null && settledAt === null;

export const FLOWS = sql`${flows} JOIN ${lanes} ON ${lanes.id} = ${flows.laneId}`;

// Join against unnest: `= ANY` would probe every partition.
const byIds = (ids: readonly string[]) => sql`${flows.id} IN (SELECT unnest(${textArray(ids)}::uuid[]))`;

export const flowsById = (db: WorkspaceDb, ids: readonly string[]): Promise<Flow[]> =>
  db.read((tx) => rowsOf(tx, sql`SELECT ${COLUMNS} FROM ${FLOWS} WHERE ${eq(flows.workspaceId, db.id)} AND ${byIds(ids)}`, "flows_by_id"));

/** The flows of each enrolment, the first step's first, in the order of `ids`. */
export async function flowsOfEnrollments(db: WorkspaceDb, ids: readonly string[]): Promise<Flow[][]> {
  const own = sql`${flows.id} IN (SELECT flows_of_enrollment(e.id) FROM unnest(${textArray(ids)}::uuid[]) AS e(id))`;
  const rows = await db.read((tx) => rowsOf<Flow>(tx, sql`SELECT ${COLUMNS} FROM ${FLOWS} WHERE ${own} ORDER BY ${flows.id}`));
  const byEnrollment = Map.groupBy(rows, ({ enrollmentId }) => enrollmentId ?? "");
  return ids.map((id) => byEnrollment.get(id) ?? []);
}

export type FlowFilter = {
  readonly status?: readonly FlowStatus[] | null | undefined;
  readonly failureCode?: readonly FlowFailureCode[] | null | undefined;
  readonly sequenceId?: string | null | undefined;
  readonly campaignId?: string | null | undefined;
  readonly deviceId?: string | null | undefined;
  readonly leadId?: string | null | undefined;
  readonly enrollmentId?: string | null | undefined;
  readonly stepId?: string | null | undefined;
  readonly dueAfter?: Date | null | undefined;
  readonly dueBefore?: Date | null | undefined;
  readonly sentAfter?: Date | null | undefined;
  readonly failedAfter?: Date | null | undefined;
  readonly attemptedBefore?: Date | null | undefined;
};

/** Of its enrolments and campaigns. */
function ofLead(leadId: SQL): SQL {
  return sql`${flows.id} IN (
    SELECT flows_of_enrollment(${enrollments.id}) FROM ${enrollments} WHERE ${enrollments.leadId} = ${leadId}
     UNION ALL
    SELECT own.id FROM flows own WHERE own.lead_id = ${leadId} AND own.campaign_id IS NOT NULL)`;
}

type Conditions = { readonly [Name in keyof Required<FlowFilter>]: (wanted: NonNullable<FlowFilter[Name]>) => SQL };

const CONDITIONS: Conditions = {
  status: (wanted) => inArray(flows.status, [...wanted]),
  failureCode: (wanted) => sql`${flows.failedAt} IS NOT NULL AND ${inArray(flows.failureCode, [...wanted])}`,
  sequenceId: (wanted) => eq(flows.sequenceId, wanted),
  campaignId: (wanted) => eq(flows.campaignId, wanted),
  deviceId: (wanted) => sql`coalesce(${flows.deviceId}, ${flows.boundDeviceId}) = ${wanted}`,
  // A list index of its own on a table that is written thousands of times a second would cost more than this way round.
  leadId: (wanted) => ofLead(sql`${wanted}`),
  enrollmentId: (wanted) => sql`${flows.id} IN (SELECT flows_of_enrollment(${wanted}))`,
  stepId: (wanted) => eq(flows.stepId, wanted),
  dueAfter: (wanted) => sql`${WALL_DUE_AT} > ${wanted.toISOString()}::timestamptz`,
  dueBefore: (wanted) => sql`${WALL_DUE_AT} < ${wanted.toISOString()}::timestamptz`,
  sentAfter: (wanted) => sql`${flows.sentAt} > ${wanted.toISOString()}::timestamptz`,
  failedAfter: (wanted) => sql`${flows.failedAt} > ${wanted.toISOString()}::timestamptz`,
  attemptedBefore: (wanted) => sql`${flows.attemptedAt} < ${wanted.toISOString()}::timestamptz`,
};

/** SQL: the flows that are meant, of the tables in `FLOWS`. */
export function matching(db: WorkspaceDb, filter: FlowFilter): SQL {
  const conditions = Object.entries(CONDITIONS).flatMap(([name, condition]) => {
    const wanted = filter[name as keyof FlowFilter];
    return wanted == null ? [] : [(condition as (value: unknown) => SQL)(wanted)];
  });
  return sql.join([eq(flows.workspaceId, db.id), ...conditions], sql` AND `);
}

export type FlowOrderField = "CREATED_AT" | "DUE_AT" | "SENT_AT" | "FAILED_AT";

/** Only such flows have failed: then their times need no stand-in, and an index has them in order. */
const hasFailed = ({ status, failureCode, failedAfter }: FlowFilter): boolean =>
  failureCode != null || failedAfter != null || (status != null && status.length > 0 && status.every((each) => each === "FAILED"));

/** The newest first where no other order is asked for; keys are ordered by the time they were made at. */
export function flowOrder(field: FlowOrderField | undefined, descending: boolean, filter: FlowFilter): Order & { name: string } {
  const id = sql`${flows.id}`;
  const name = `${field}:${descending}`;
  switch (field) {
    case undefined:
      return { name: "ID", id, descending: true };
    case "CREATED_AT":
      return { name, id, descending };
    case "DUE_AT":
      return { name, value: sql`${WALL_DUE_AT}`, type: "timestamptz", id, descending };
    case "SENT_AT":
      return { name, value: sql`coalesce(${flows.sentAt}, '-infinity')`, type: "timestamptz", id, descending };
    case "FAILED_AT":
      return {
        name,
        value: hasFailed(filter) ? sql`${flows.failedAt}` : sql`coalesce(${flows.failedAt}, '-infinity')`,
        type: "timestamptz",
        id,
        descending,
      };
  }
}

export async function listFlows(db: WorkspaceDb, filter: FlowFilter, order: Order, page: Page): Promise<Slice<Flow>> {
  const { where, orderBy, limit, value } = pageClauses(page, order);
  const query = sql`SELECT ${COLUMNS}, ${value} AS value FROM ${FLOWS} WHERE ${matching(db, filter)} AND ${where} ORDER BY ${orderBy} LIMIT ${limit}`;
  return slicePage(await db.read((tx) => rowsOf<Flow & { readonly value: string | null }>(tx, query, nameOfList(filter, order, page))), page);
}

/** The whole list in the order of its keys is read in the same way whatever the values are; others are planned for theirs. */
function nameOfList(filter: FlowFilter, order: Order, { after, before, backward }: Page): string | undefined {
  const isWhole = order.value === undefined && Object.values(filter).every((wanted) => wanted == null);
  return isWhole ? `flows_${order.descending !== backward ? "newest" : "oldest"}${after ? "_after" : ""}${before ? "_before" : ""}` : undefined;
}

export const countFlows = (db: WorkspaceDb, filter: FlowFilter): Promise<Count> =>
  db.read((tx) => countRows(tx, sql`SELECT FROM ${FLOWS} WHERE ${matching(db, filter)}`));

/** The failed flows that match and were not retried yet, in the order of their keys, at most `limit`. */
export async function retriableFlowIds(db: WorkspaceDb, filter: FlowFilter, limit: number): Promise<string[]> {
  const rows = await db.read((tx) =>
    tx
      .select({ id: flows.id })
      .from(flows)
      .innerJoin(lanes, eq(lanes.id, flows.laneId))
      .where(sql`${matching(db, filter)} AND ${flows.failedAt} IS NOT NULL AND ${flows.status} = 'FAILED' AND ${flows.retriedAs} IS NULL`)
      .orderBy(asc(flows.id))
      .limit(limit),
  );
  return rows.map(({ id }) => id);
}

const ofParent = ofLead(sql`parent.id`);

export const flowPagesOfLeads = (
  db: WorkspaceDb,
  leadIds: readonly string[],
  filter: FlowFilter,
  order: Order,
  page: Page,
): Promise<Map<string, Slice<string>>> =>
  db.read((tx) => pagesByParent(tx, leadIds, { from: FLOWS, where: sql`${ofParent} AND ${matching(db, filter)}` }, page, order));

export const flowPagesOfCampaigns = (
  db: WorkspaceDb,
  campaignIds: readonly string[],
  filter: FlowFilter,
  order: Order,
  page: Page,
): Promise<Map<string, Slice<string>>> =>
  db.read((tx) => pagesByParent(tx, campaignIds, { from: FLOWS, where: sql`${flows.campaignId} = parent.id AND ${matching(db, filter)}` }, page, order));

/** How many flows each campaign has, up to one more than are counted exactly. */
export async function countFlowsOfCampaigns(db: WorkspaceDb, campaignIds: readonly string[], filter: FlowFilter): Promise<Map<string, number>> {
  const { rows } = await db.read((tx) =>
    tx.execute<{ id: string; total: number }>(sql`
      SELECT parent.id, (SELECT count(*)::int FROM (SELECT FROM ${FLOWS} WHERE ${flows.campaignId} = parent.id AND ${matching(db, filter)} LIMIT ${EXACT_TO + 1}) AS rows) AS total
        FROM unnest(${textArray(campaignIds)}::uuid[]) AS parent(id)`),
  );
  return new Map(rows.map(({ id, total }) => [id, total]));
}

/** How many flows each lead has; a person has few. */
export async function countFlowsOfLeads(db: WorkspaceDb, leadIds: readonly string[], filter: FlowFilter): Promise<Map<string, number>> {
  const { rows } = await db.read((tx) =>
    tx.execute<{ id: string; total: number }>(sql`
      SELECT parent.id, (SELECT count(*)::int FROM ${FLOWS} WHERE ${ofParent} AND ${matching(db, filter)}) AS total
        FROM unnest(${textArray(leadIds)}::uuid[]) AS parent(id)`),
  );
  return new Map(rows.map(({ id, total }) => [id, total]));
}
