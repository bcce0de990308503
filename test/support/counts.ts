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

/** What waits; else, of a lead that was tried again, whether anything of it was sent, or how the last try ended. */
export const CAMPAIGNS_COUNTED = `
  WITH stands AS (
    SELECT t.campaign_id, t.lead_id,
           CASE WHEN count(f.id) = 0 THEN CASE c.status WHEN 'CANCELLED' THEN 'CANCELLED' ELSE 'WAITING' END
                WHEN bool_or(f.settled_at IS NULL) THEN 'WAITING'
                WHEN bool_or(f.status = 'SENT') THEN 'SENT'
                ELSE (array_agg(f.status ORDER BY f.id DESC))[1] END AS stands
      FROM campaign_leads t JOIN campaigns c ON c.id = t.campaign_id
      LEFT JOIN (flows f JOIN lanes a ON a.id = f.lane_id AND NOT a.is_test) ON f.campaign_id = t.campaign_id AND f.lead_id = t.lead_id
     GROUP BY t.campaign_id, t.lead_id, c.status)
  SELECT c.id AS campaign_id, count(s.lead_id) AS total, count(*) FILTER (WHERE stands = 'WAITING') AS waiting, count(*) FILTER (WHERE stands = 'SENT') AS sent,
         count(*) FILTER (WHERE stands = 'FAILED') AS failed, count(*) FILTER (WHERE stands = 'SKIPPED') AS skipped, count(*) FILTER (WHERE stands = 'CANCELLED') AS cancelled
    FROM campaigns c LEFT JOIN stands s ON s.campaign_id = c.id GROUP BY c.id ORDER BY c.id`;

/** The same of campaigns: each lead of the audience is in one count, and it is the right one. */
export async function expectCampaignCountsTrue(pool: pg.Pool): Promise<void> {
  const kept = await query(pool, "SELECT campaign_id, total, waiting, sent, failed, skipped, cancelled FROM campaign_totals ORDER BY campaign_id");
  expect(kept).toEqual(await query(pool, CAMPAIGNS_COUNTED));
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
