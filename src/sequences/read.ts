import { and, asc, eq, getTableColumns, inArray, sql } from "drizzle-orm";
import { isOneOf } from "../db/ids.ts";
import { textArray } from "../db/arrays.ts";
import { pageClauses, slicePage, type Count, type Order, type Page, type Slice } from "../db/pages.ts";
import { sequences, sequenceSteps } from "../db/tables/sequences.ts";
import type { WorkspaceDb } from "../db/workspace.ts";

export type Sequence = typeof sequences.$inferSelect;
export type SequenceStep = typeof sequenceSteps.$inferSelect;

export const SEQUENCE_STATUSES = ["DRAFT", "ACTIVE", "PAUSED", "ARCHIVED"] as const;
export type SequenceStatus = (typeof SEQUENCE_STATUSES)[number];

export const sequencesById = (db: WorkspaceDb, ids: readonly string[]): Promise<Sequence[]> =>
  db.read((tx) =>
    tx
      .select()
      .from(sequences)
      .where(and(eq(sequences.workspaceId, db.id), isOneOf(sequences.id, ids)))
      .prepare("sequences_by_id")
      .execute(),
  );

export const stepsById = (db: WorkspaceDb, ids: readonly string[]): Promise<SequenceStep[]> =>
  db.read((tx) =>
    tx
      .select()
      .from(sequenceSteps)
      .where(and(eq(sequenceSteps.workspaceId, db.id), isOneOf(sequenceSteps.id, ids)))
      .prepare("steps_by_id")
      .execute(),
  );

/** The steps of each sequence, in the order of `ids`. */
export async function stepsOfSequences(db: WorkspaceDb, ids: readonly string[]): Promise<SequenceStep[][]> {
  const rows = await db.read((tx) =>
    tx
      .select()
      .from(sequenceSteps)
      .where(inArray(sequenceSteps.sequenceId, [...ids]))
      .orderBy(asc(sequenceSteps.dayNumber), asc(sequenceSteps.id)),
  );
  const bySequence = Map.groupBy(rows, ({ sequenceId }) => sequenceId);
  return ids.map((id) => bySequence.get(id) ?? []);
}

const sequenceOrder: Order = { id: sql`${sequences.id}`, descending: false };

const matching = (db: WorkspaceDb, status: readonly SequenceStatus[] | null | undefined) =>
  and(eq(sequences.workspaceId, db.id), status ? inArray(sequences.status, [...status]) : undefined);

export async function listSequences(
  db: WorkspaceDb,
  status: readonly SequenceStatus[] | null | undefined,
  page: Page,
): Promise<Slice<Sequence>> {
  const { where, orderBy, limit, value } = pageClauses(page, sequenceOrder);
  const rows = await db.read((tx) =>
    tx
      .select({ ...getTableColumns(sequences), value })
      .from(sequences)
      .where(and(matching(db, status), where))
      .orderBy(orderBy)
      .limit(limit),
  );
  return slicePage(rows, page);
}

export async function countSequences(db: WorkspaceDb, status: readonly SequenceStatus[] | null | undefined): Promise<Count> {
  return { total: await db.read((tx) => tx.$count(sequences, matching(db, status))), isExact: true };
}

/** Counts of enrolments and of flows. */
export type SequenceTotals = {
  readonly enrolled: number;
  readonly active: number;
  readonly paused: number;
  readonly completed: number;
  readonly stopped: number;
  readonly flowsSent: number;
  readonly flowsFailed: number;
  /** Of open enrolments: the message that is to come, and not being attempted. */
  readonly flowsWaiting: number;
};

const NO_TOTALS: SequenceTotals = {
  enrolled: 0,
  active: 0,
  paused: 0,
  completed: 0,
  stopped: 0,
  flowsSent: 0,
  flowsFailed: 0,
  flowsWaiting: 0,
};

/** In the order of `ids`. */
export async function sequenceTotals(db: WorkspaceDb, ids: readonly string[]): Promise<SequenceTotals[]> {
  const { rows } = await db.read((tx) =>
    tx.execute<Record<keyof SequenceTotals | "id", string>>(sql`
      -- Read once: before there are statistics, all that is unsettled was read anew for each enrolment, and a query took 11.8 s.
      WITH unsettled AS MATERIALIZED (SELECT id, sequence_id, enrollment_id FROM processing_flows),
      processing AS (
        SELECT p.sequence_id, count(*) AS flows
          FROM unsettled p JOIN enrollments e ON e.id = p.enrollment_id AND e.current_flow_id = p.id AND e.status IN ('ACTIVE', 'PAUSED')
         GROUP BY p.sequence_id)
      SELECT t.sequence_id AS id, t.enrolled, t.active, t.paused, t.completed, t.stopped, t.sent AS "flowsSent", t.failed AS "flowsFailed",
             greatest(t.active + t.paused - coalesce(p.flows, 0), 0) AS "flowsWaiting"
        FROM unnest(${textArray(ids)}::uuid[]) AS wanted(id)
        JOIN sequence_totals t ON t.sequence_id = wanted.id LEFT JOIN processing p ON p.sequence_id = t.sequence_id`),
  );
  // Sums come as text, being bigints.
  const byId = new Map(
    rows.map(({ id, ...totals }) => [id, Object.fromEntries(Object.entries(totals).map(([name, count]) => [name, Number(count)]))]),
  );
  return ids.map((id) => ({ ...NO_TOTALS, ...byId.get(id) }));
}
