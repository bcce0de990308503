// What is heard of a message after its attempt has ended: an acknowledgement that came too late, that it was delivered, that it was read.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { appendEvents } from "../events/append.ts";
import type { Settlement } from "../flows/settle.ts";

export type FlowReceipt = { readonly flowId: string; readonly kind: "accepted" | "delivered" | "read"; readonly at: Date };

const correct = `
  WITH heard AS MATERIALIZED (
    SELECT flow_id, min(at) AS accepted_at, min(at) FILTER (WHERE kind <> 'accepted') AS delivered_at, min(at) FILTER (WHERE kind = 'read') AS read_at
      FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS r(flow_id, kind, at) GROUP BY flow_id),
  before AS MATERIALIZED (
    SELECT f.id, f.status, f.delivered_at, f.read_at, h.accepted_at AS heard_accepted, h.delivered_at AS heard_delivered, h.read_at AS heard_read
      FROM heard h JOIN flows f ON f.id = h.flow_id
     WHERE f.status = 'SENT' OR (f.status = 'FAILED' AND f.failure_code = 'OUTCOME_UNKNOWN')    -- what was surely not sent stays so
     ORDER BY f.id FOR UPDATE OF f),
  corrected AS (
    UPDATE flows f
       SET status = 'SENT', sent_at = coalesce(f.sent_at, b.heard_accepted), failed_at = NULL, failure_code = NULL, failure_message = NULL,
           delivered_at = coalesce(f.delivered_at, b.heard_delivered),          -- never backwards, never later
           read_at = coalesce(f.read_at, b.heard_read)
      FROM before b
     WHERE f.id = b.id
       AND (b.status = 'FAILED' OR (b.delivered_at IS NULL AND b.heard_delivered IS NOT NULL) OR (b.read_at IS NULL AND b.heard_read IS NOT NULL))
    RETURNING f.id, f.workspace_id, f.sequence_id, f.campaign_id, f.device_id, b.status = 'FAILED' AS was_failed,
              b.delivered_at IS NULL AND f.delivered_at IS NOT NULL AS now_delivered, b.read_at IS NULL AND f.read_at IS NOT NULL AS now_read),
  needless AS (                                            -- a retry of what has arrived after all, where it is not on its way yet
    UPDATE flows f SET queued = false, status = 'CANCELLED', settled_at = clock_timestamp()
      FROM corrected c JOIN flows o ON o.id = c.id
     WHERE c.was_failed AND f.id = o.retried_as AND f.attempted_at IS NULL AND f.settled_at IS NULL
    RETURNING f.id, f.workspace_id, f.sequence_id, f.campaign_id),
  -- The enrolment went on when the flow failed: it does not go on a second time.
  logged AS (${appendEvents(["flow_id", "sequence_id", "campaign_id", "device_id"], `
      SELECT place, workspace_id, type, id AS flow_id, sequence_id, campaign_id, device_id
        FROM corrected CROSS JOIN LATERAL (VALUES (1, 'FLOW_SENT', was_failed), (2, 'FLOW_DELIVERED', now_delivered), (3, 'FLOW_READ', now_read)) AS t(place, type, happened)
       WHERE happened
       UNION ALL
      SELECT 4, workspace_id, 'FLOW_CANCELLED', id, sequence_id, campaign_id, NULL FROM needless`, { inPlaces: true })}),
  counted AS (
    INSERT INTO sequence_count_deltas (workspace_id, sequence_id, sent, failed)
    SELECT workspace_id, sequence_id, count(*), -count(*) FROM corrected WHERE was_failed AND sequence_id IS NOT NULL GROUP BY workspace_id, sequence_id),
  campaigns_counted AS (                                   -- its lead once: where a retry has taken its place, in the place of how that ended
    INSERT INTO campaign_count_deltas (workspace_id, campaign_id, sent, failed, skipped, cancelled)
    SELECT workspace_id, campaign_id, count(*), -count(*) FILTER (WHERE counted = 'FAILED'), -count(*) FILTER (WHERE counted = 'SKIPPED'),
           -count(*) FILTER (WHERE counted = 'CANCELLED')
      FROM (SELECT c.workspace_id, c.campaign_id,
                   CASE WHEN o.retried_as IS NULL THEN 'FAILED'
                        WHEN o.retried_as IN (SELECT id FROM needless) THEN 'nothing yet'
                        WHEN r.settled_at IS NOT NULL AND r.status <> 'SENT' AND r.retried_as IS NULL THEN r.status END AS counted
              FROM corrected c JOIN flows o ON o.id = c.id JOIN lanes a ON a.id = o.lane_id AND NOT a.is_test LEFT JOIN flows r ON r.id = o.retried_as
             WHERE c.was_failed AND c.campaign_id IS NOT NULL) AS t
     WHERE counted IS NOT NULL GROUP BY workspace_id, campaign_id)
  SELECT count(*)::int AS corrected FROM corrected`;

/** Works receipts into their flows. One that comes before its attempt is settled settles it: who has read it was sent it. Returns how many
 *  flows changed. */
export async function correctFlows(
  pool: pg.Pool,
  receipts: readonly FlowReceipt[],
  settleAll: (settlements: readonly Settlement[]) => Promise<void>,
): Promise<number> {
  const ids = textArray(receipts.map(({ flowId }) => flowId));
  const { rows: processing } = await pool.query<{ id: string; attempt_id: string }>(
    "SELECT f.id, f.attempt_id FROM unnest($1::uuid[]) AS r(id) JOIN flows f ON f.id = r.id WHERE f.attempt_id IS NOT NULL AND f.settled_at IS NULL",
    [ids],
  );
  // Of several with one key the map keeps the last.
  const firstHeard = new Map(receipts.toSorted((a, b) => b.at.getTime() - a.at.getTime()).map(({ flowId, at }) => [flowId, at]));
  await settleAll(
    processing.map((row) => ({ flowId: row.id, attemptId: row.attempt_id, ending: { kind: "accepted", at: firstHeard.get(row.id) as Date } })),
  );
  const { rows } = await pool.query<{ corrected: number }>({
    name: "correct",
    text: correct,
    values: [ids, textArray(receipts.map(({ kind }) => kind)), textArray(receipts.map(({ at }) => at.toISOString()))],
  });
  return rows[0]?.corrected ?? 0;
}
