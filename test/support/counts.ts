import type pg from "pg";
import { expect } from "vitest";
import { query } from "./factories.ts";

const COUNTED = `
  SELECT s.id AS sequence_id,
         (SELECT count(*) FROM enrollments e WHERE e.sequence_id = s.id) AS enrolled,
         (SELECT count(*) FROM enrollments e WHERE e.sequence_id = s.id AND e.status = 'ACTIVE') AS active,
         (SELECT count(*) FROM enrollments e WHERE e.sequence_id = s.id AND e.status = 'PAUSED') AS paused,
         (SELECT count(*) FROM enrollments e WHERE e.sequence_id = s.id AND e.status = 'COMPLETED') AS completed,
         (SELECT count(*) FROM enrollments e WHERE e.sequence_id = s.id AND e.status = 'STOPPED') AS stopped,
         (SELECT count(*) FROM flows f WHERE f.sequence_id = s.id AND f.status = 'SENT') AS sent,
         (SELECT count(*) FROM flows f WHERE f.sequence_id = s.id AND f.status = 'FAILED') AS failed
    FROM sequences s ORDER BY s.id`;

/** The totals that are kept by adding up are those that counting gives. */
export async function expectCountsTrue(pool: pg.Pool): Promise<void> {
  const kept = await query(pool, "SELECT sequence_id, enrolled, active, paused, completed, stopped, sent, failed FROM sequence_totals ORDER BY sequence_id");
  expect(kept).toEqual(await query(pool, COUNTED));
}

// Not in the order of their keys or transactions: who skips a flow may have begun, and made its key in the same millisecond, before who made the flow had committed.
const EVENTS = `
  SELECT f.id, f.status, array_agg(e.type ORDER BY e.type <> 'FLOW_ACTIVATED', e.id) AS types
    FROM flows f LEFT JOIN events e ON e.flow_id = f.id WHERE f.workspace_id = $1 GROUP BY f.id, f.status`;

const ENDINGS: Record<string, readonly string[]> = { ACTIVE: [], PROCESSING: [], SENT: ["FLOW_SENT"], FAILED: ["FLOW_FAILED"], SKIPPED: ["FLOW_SKIPPED"] };

/** One event for each change: it was made, and it ended as it did. For flows without receipts or corrections. */
export async function expectOneEventPerChange(pool: pg.Pool, workspaceId: string): Promise<void> {
  const rows = await query<{ id: string; status: string; types: string[] }>(pool, EVENTS, [workspaceId]);
  const expected = rows.map(({ id, status }) => ({ id, status, types: ["FLOW_ACTIVATED", ...(ENDINGS[status] ?? [])] }));
  expect(rows).toEqual(expected);
}
