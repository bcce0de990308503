// Flows by outcome over a span of time, from the event log: its keys are ordered by time, where an index of flows by when they were sent would be written
// with each of them.

import { sql, type SQL } from "drizzle-orm";
import type { WorkspaceDb } from "../db/workspace.ts";
import { SECOND_MS } from "../lib/clock.ts";
import { FLOWS, type FlowFilter, matching } from "./service.ts";

export const STATS_GROUPS = ["TIME", "SEQUENCE", "CAMPAIGN", "DEVICE", "FAILURE_CODE"] as const;
export type StatsGroup = (typeof STATS_GROUPS)[number];

export type FlowStats = {
  readonly key: string;
  /** The beginning of a bucket. */
  readonly at: Date | null;
  readonly sent: number;
  readonly delivered: number;
  readonly read: number;
  readonly failed: number;
  readonly skipped: number;
};

export type StatsSpan = { readonly from: Date; readonly to: Date; readonly groupBy: StatsGroup; readonly bucketSeconds: number };

const MOST_BUCKETS = 5000;

/** What is wrong with the question, and what would be right; undefined where nothing is. */
export function spanProblem({ from, to, groupBy, bucketSeconds }: StatsSpan): string | undefined {
  if (from >= to) return "from must be before to.";
  if (groupBy !== "TIME") return undefined;
  if (!Number.isInteger(bucketSeconds) || bucketSeconds < 1) return "bucketSeconds must be a whole number from 1 on, such as 3600 for hours.";
  const buckets = Math.ceil((to.getTime() - from.getTime()) / (bucketSeconds * SECOND_MS));
  return buckets > MOST_BUCKETS ? `That would be ${buckets} buckets; at most ${MOST_BUCKETS} are given. Choose larger ones, or a shorter span.` : undefined;
}

const COUNTED = ["SENT", "DELIVERED", "READ", "FAILED", "SKIPPED"] as const;

/** Each count of a batch of events at once, or of events one by one. */
const counts = (each: SQL) => sql.join(COUNTED.map((type) => sql`coalesce(sum(${each}) FILTER (WHERE type = ${`FLOW_${type}`}), 0)::int AS ${sql.identifier(type.toLowerCase())}`), sql`, `);

/** Each bucket from `from` on, though nothing happened in it; else the groups in which something did, the largest first. */
export async function flowStats(db: WorkspaceDb, span: StatsSpan, filter: FlowFilter): Promise<FlowStats[]> {
  return span.groupBy === "TIME" ? overTime(db, span, filter) : byGroup(db, span, filter);
}

const isGiven = (filter: FlowFilter) => Object.values(filter).some((value) => value != null);

/** The span's events, of the wanted types. A key may have been made a moment before its event's time: in a statement that took long. */
const within = (db: WorkspaceDb, { from, to }: StatsSpan) => sql`
  workspace_id = ${db.id} AND type = ANY (${sql.param(COUNTED.map((type) => `FLOW_${type}`))}::text[])
  AND id >= uuid_v7_floor(${from.toISOString()}::timestamptz - interval '10 minutes') AND id < uuid_v7_floor(${to.toISOString()}::timestamptz + interval '10 minutes')
  AND at >= ${from.toISOString()}::timestamptz AND at < ${to.toISOString()}::timestamptz`;

const meant = (db: WorkspaceDb, filter: FlowFilter) => (isGiven(filter) ? sql`AND flow_id IN (SELECT flows.id FROM ${FLOWS} WHERE flows.id = told.flow_id AND ${matching(db, filter)})` : sql``);

async function overTime(db: WorkspaceDb, span: StatsSpan, filter: FlowFilter): Promise<FlowStats[]> {
  const { from, bucketSeconds, to } = span;
  // Without a filter a batch is counted as a whole: it is of one moment.
  const told = isGiven(filter)
    ? sql`SELECT type, at, 1 AS flows FROM events AS told WHERE ${within(db, span)} ${meant(db, filter)}`
    : sql`SELECT type, at, cardinality(flow_ids) AS flows FROM event_batches WHERE ${within(db, span)}`;
  const { rows } = await db.read((tx) =>
    tx.execute<FlowStats & { readonly at: string }>(sql`
      WITH told AS (${told}),
      counted AS (
        SELECT floor(extract(epoch FROM at - ${from.toISOString()}::timestamptz) / ${bucketSeconds})::int AS bucket, ${counts(sql`flows`)} FROM told GROUP BY 1)
      SELECT b.at::timestamptz(3)::text AS at, ${sql.join(COUNTED.map((type) => sql`coalesce(c.${sql.identifier(type.toLowerCase())}, 0) AS ${sql.identifier(type.toLowerCase())}`), sql`, `)}
        FROM generate_series(0, ceil(extract(epoch FROM ${to.toISOString()}::timestamptz - ${from.toISOString()}::timestamptz) / ${bucketSeconds})::int - 1) AS n
       CROSS JOIN LATERAL (SELECT ${from.toISOString()}::timestamptz + make_interval(secs => n * ${bucketSeconds}::float8) AS at) AS b
        LEFT JOIN counted c ON c.bucket = n ORDER BY n`),
  );
  return rows.map(({ at, ...outcomes }) => ({ ...outcomes, at: new Date(at), key: new Date(at).toISOString() }));
}

const KEYS: Readonly<Record<Exclude<StatsGroup, "TIME">, SQL>> = {
  SEQUENCE: sql`'Sequence:' || sequence_id`,
  CAMPAIGN: sql`'Campaign:' || campaign_id`,
  DEVICE: sql`'Device:' || device_id`,
  // Of events that tell of a failure alone. What has arrived after all has no code any more.
  FAILURE_CODE: sql`CASE type WHEN 'FLOW_FAILED' THEN (SELECT f.failure_code FROM flows f WHERE f.id = told.flow_id) END`,
};

async function byGroup(db: WorkspaceDb, span: StatsSpan, filter: FlowFilter): Promise<FlowStats[]> {
  const key = KEYS[span.groupBy as keyof typeof KEYS];
  const { rows } = await db.read((tx) =>
    tx.execute<Omit<FlowStats, "at">>(sql`
      WITH told AS (SELECT type, ${key} AS key FROM events AS told WHERE ${within(db, span)} ${meant(db, filter)})
      SELECT key, ${counts(sql`1`)} FROM told WHERE key IS NOT NULL GROUP BY key ORDER BY count(*) DESC, key`),
  );
  return rows.map((row) => ({ ...row, at: null }));
}
