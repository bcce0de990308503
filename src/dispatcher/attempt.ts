// The point of no return. After this has committed, the message may be on the wire, and it is never tried again.

import type pg from "pg";
import type { Lease } from "./lease.ts";
import { textArray } from "../db/arrays.ts";

export type AttemptRequest = {
  readonly flowId: string;
  /** Made by the worker for this one try. The same request can be repeated when its answer was lost. */
  readonly attemptId: string;
  readonly deviceId: string;
  readonly text: string;
  /** The sequence's revision that the text was rendered from. */
  readonly revision: number;
};

/** Why nothing may be sent: `gone`, somebody else has it or it is settled; `not_now`, paused or put off since it was claimed; `edited`, to be
 *  rendered anew; `opted_out` and `stopped`, never to be sent; `lease_lost`, another node dispatches now. */
export type Hindrance = "gone" | "not_now" | "edited" | "opted_out" | "stopped" | "lease_lost";

export type AttemptAnswer = { readonly attempted: true } | { readonly attempted: false; readonly hindrance: Hindrance; readonly stopReason: string | null };

const attempt = `
  WITH lease AS MATERIALIZED (                   -- takeover raises the epoch under FOR UPDATE: it waits until this has committed, and a
    SELECT FROM dispatch_lease                   -- node that was paused finds its epoch gone. Without the lock an attempt committed
     WHERE node_id = $1 AND epoch = $2           -- 0.8 s after takeover (measured).
       FOR KEY SHARE),
  wanted AS MATERIALIZED (
    SELECT * FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::int[]) AS w(flow_id, attempt_id, device_id, text, revision)),
  checked AS MATERIALIZED (
    SELECT w.*, e.stop_reason,
           CASE WHEN NOT EXISTS (SELECT FROM lease) THEN 'lease_lost'
                WHEN f.id IS NULL OR f.settled_at IS NOT NULL OR NOT (f.queued OR f.attempt_id = w.attempt_id) THEN 'gone'
                WHEN f.attempt_id = w.attempt_id THEN NULL      -- the answer was lost, not the attempt: what came after it is too late
                WHEN l.opted_out_at IS NOT NULL THEN 'opted_out'
                WHEN l.id IS NULL OR e.id IS NULL OR e.current_flow_id <> f.id OR e.status NOT IN ('ACTIVE', 'PAUSED') THEN 'stopped'
                WHEN e.status = 'PAUSED' OR a.paused_at IS NOT NULL OR f.due_at > clock_timestamp() - a.pause_offset THEN 'not_now'
                WHEN s.revision <> w.revision THEN 'edited'
           END AS hindrance
      FROM wanted w
      LEFT JOIN flows f ON f.id = w.flow_id
      LEFT JOIN leads l ON l.id = f.lead_id
      LEFT JOIN enrollments e ON e.id = f.enrollment_id
      LEFT JOIN lanes a ON a.id = f.lane_id
      LEFT JOIN sequences s ON s.id = f.sequence_id),
  attempted AS (
    UPDATE flows f
       SET queued = false, status = 'PROCESSING', attempt_id = c.attempt_id, attempted_at = coalesce(f.attempted_at, clock_timestamp()),
           device_id = c.device_id, node_id = $1, text = c.text
      FROM checked c
     WHERE f.id = c.flow_id AND c.hindrance IS NULL
       AND (f.queued                             -- once, ever: asked again of the row's newest version, which another may have taken
            OR f.attempt_id = c.attempt_id)      -- while this waited for its lock; or this very call again, its answer having been lost
       AND f.settled_at IS NULL                  -- a repeat that comes after rescue has settled it
    RETURNING f.id, f.workspace_id, f.device_id, f.attempted_at),
  history AS (
    INSERT INTO device_attempts (workspace_id, device_id, flow_id, at)
    SELECT workspace_id, device_id, id, attempted_at FROM attempted
     WHERE attempted_at >= date_trunc('milliseconds', statement_timestamp()))      -- a repeat counts no second time for the limits
  SELECT c.flow_id, CASE WHEN a.id IS NULL THEN coalesce(c.hindrance, 'gone') END AS hindrance, c.stop_reason
    FROM checked c LEFT JOIN attempted a ON a.id = c.flow_id`;

/** Attempts a batch, in one statement. Answers in the order of the requests. Rejects where Postgres gave no answer: then each may or may not
 *  be attempted, and the same requests can be repeated. */
export async function attemptFlows(pool: pg.Pool, lease: Lease, requests: readonly AttemptRequest[]): Promise<AttemptAnswer[]> {
  const { rows } = await pool.query<{ flow_id: string; hindrance: Hindrance | null; stop_reason: string | null }>({
    name: "attempt",
    text: attempt,
    values: [
      lease.nodeId,
      lease.epoch,
      textArray(requests.map((request) => request.flowId)),
      textArray(requests.map((request) => request.attemptId)),
      textArray(requests.map((request) => request.deviceId)),
      textArray(requests.map((request) => request.text)),
      textArray(requests.map((request) => String(request.revision))),
    ],
  });
  const answers = new Map(rows.map((row) => [row.flow_id, row]));
  return requests.map(({ flowId }) => {
    const row = answers.get(flowId);
    if (row === undefined) return { attempted: false, hindrance: "gone", stopReason: null };
    return row.hindrance === null ? { attempted: true } : { attempted: false, hindrance: row.hindrance, stopReason: row.stop_reason };
  });
}
