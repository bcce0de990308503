// The point of no return. After this has committed, the message may be on the wire, and it is never tried again.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { SEND_DEADLINE_MS } from "../transports/transport.ts";

export type AttemptRequest = {
  readonly flowId: string;
  /** Made by the worker for this one try. The same request can be repeated when its answer was lost. */
  readonly attemptId: string;
  readonly deviceId: string;
  readonly text: string;
  /** The sequence's revision that the text was rendered from. */
  readonly revision: number;
  /** Its workspace had a frequency cap when it was claimed. */
  readonly isCapped: boolean;
};

/** Why nothing may be sent: `gone`, somebody else has it or it is settled; `not_now`, paused, put off or outside its time since it was claimed; `edited`,
 *  to be rendered anew; `opted_out` and `stopped`, never to be sent; `superseded`, a retry that a later step has overtaken; `lease_lost`, this node has
 *  been taken for dead. */
export type Hindrance = "gone" | "not_now" | "edited" | "opted_out" | "stopped" | "superseded" | "lease_lost";

export type AttemptAnswer = { readonly attempted: true } | { readonly attempted: false; readonly hindrance: Hindrance; readonly stopReason: string | null };

const SEND_DEADLINE = `interval '${SEND_DEADLINE_MS} milliseconds'`;

/** When the person `p` may be written to next under the cap of workspace `w`: as with the devices' limits, an attempt counts for the window and the send
 *  deadline, after which it can be on the wire no more. */
const CAP_ROOM = `p.attempted_at[cardinality(p.attempted_at) - w.cap_messages + 1] + make_interval(hours => w.cap_hours) + ${SEND_DEADLINE}`;

/** What a flow's enrolment `e` must be like: the flow is where it stands; or it is a retry, which goes beside it, but never after a later step. */
const IS_ITS_TURN = `CASE WHEN f.retry_of IS NULL THEN e.current_flow_id = f.id AND e.status = 'ACTIVE'
                             ELSE (e.status IN ('ACTIVE', 'COMPLETED') OR e.stop_reason = 'FLOW_FAILED') AND NOT is_superseded(f.enrollment_id, f.step_id, f.retry_of) END`;

/** What is attempted now may be on the wire a deadline later: its window must last until then. */
const IS_OPEN = `a.paused_at IS NULL AND a.open_from <= clock_timestamp() AND a.open_until >= clock_timestamp() + ${SEND_DEADLINE}`;

const IS_DUE = "f.due_at <= clock_timestamp() - a.pause_offset";

const attempt = `
  WITH lease AS MATERIALIZED (                   -- whoever takes this node for dead deletes the row, and waits until this has committed; a node
    SELECT FROM nodes WHERE id = $1              -- that was paused finds it gone. Without the lock an attempt committed 0.8 s after the takeover
       FOR KEY SHARE),                           -- (measured).
  wanted AS MATERIALIZED (
    SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::int[], $7::boolean[]) AS w(flow_id, attempt_id, device_id, text, revision, is_capped)),
  next_of_lead AS MATERIALIZED (                 -- under a cap, one message a person and batch: the oldest enrolment's, also before one that is due
    SELECT DISTINCT ON (f.lead_id) f.lead_id, f.workspace_id, f.id, f.lane_id
      FROM wanted w JOIN flows f ON f.id = w.flow_id JOIN enrollments e ON e.id = f.enrollment_id JOIN lanes a ON a.id = f.lane_id
      JOIN sequences s ON s.id = f.sequence_id AND s.revision = w.revision      -- what will not be attempted now must not take the room
      JOIN leads l ON l.id = f.lead_id AND l.opted_out_at IS NULL
     WHERE w.is_capped AND f.queued AND ${IS_DUE} AND ${IS_OPEN} AND ${IS_ITS_TURN}
       AND NOT EXISTS (
           SELECT FROM enrollments older JOIN flows o ON o.id = older.current_flow_id JOIN lanes b ON b.id = o.lane_id
            WHERE older.lead_id = f.lead_id AND older.id < f.enrollment_id AND older.status = 'ACTIVE' AND o.queued AND b.paused_at IS NULL
              AND o.due_at <= clock_timestamp() - b.pause_offset AND clock_timestamp() BETWEEN b.open_from AND b.open_until)
     ORDER BY f.lead_id, f.enrollment_id, f.id),
  admitted AS (                                  -- who wins the person's row has the room: two nodes can't both
    INSERT INTO lead_pace AS p (lead_id, workspace_id, attempted_at)
    SELECT lead_id, workspace_id, ARRAY[clock_timestamp()] FROM next_of_lead WHERE EXISTS (SELECT FROM lease) ORDER BY lead_id
        ON CONFLICT (lead_id) DO UPDATE
       SET attempted_at = p.attempted_at[greatest(1, cardinality(p.attempted_at) - 98):] || clock_timestamp()
     WHERE (SELECT coalesce(${CAP_ROOM} <= clock_timestamp(), true) FROM workspaces w WHERE w.id = p.workspace_id)
    RETURNING lead_id),
  deferred AS (                                  -- set aside until there is room, or a million of them would stand in front of what can be sent
    UPDATE flows f
       SET deferred_from = coalesce(f.deferred_from, f.due_at),
           due_at = greatest(${CAP_ROOM}, clock_timestamp() + interval '1 second') - a.pause_offset
      FROM next_of_lead n JOIN lead_pace p ON p.lead_id = n.lead_id JOIN workspaces w ON w.id = n.workspace_id JOIN lanes a ON a.id = n.lane_id
     WHERE f.id = n.id AND f.queued AND n.lead_id NOT IN (SELECT lead_id FROM admitted)),
  outranked AS (                                 -- behind the older enrolment's: first in line, it would be given to its device before that one for ever
    UPDATE flows f
       SET deferred_from = coalesce(f.deferred_from, f.due_at), due_at = clock_timestamp() + interval '1 second' - a.pause_offset
      FROM wanted w, lanes a
     WHERE f.id = w.flow_id AND a.id = f.lane_id AND w.is_capped AND f.queued AND EXISTS (SELECT FROM lease) AND ${IS_DUE} AND ${IS_OPEN}
       AND f.id NOT IN (SELECT id FROM next_of_lead)),
  attempted AS (
    UPDATE flows f
       SET queued = false, status = 'PROCESSING', attempt_id = w.attempt_id, attempted_at = coalesce(f.attempted_at, clock_timestamp()),
           device_id = w.device_id, node_id = $1, text = w.text
      FROM wanted w, leads l, enrollments e, lanes a, sequences s, workspaces o
     WHERE f.id = w.flow_id AND l.id = f.lead_id AND e.id = f.enrollment_id AND a.id = f.lane_id AND s.id = f.sequence_id AND o.id = f.workspace_id
       AND EXISTS (SELECT FROM lease)
       AND f.settled_at IS NULL                  -- a repeat that comes after rescue has settled it
       AND (f.attempt_id = w.attempt_id          -- this very call again, its answer having been lost: what came after the attempt is too late
            OR f.queued                          -- once, ever: asked again of the row's newest version, which another may have taken meanwhile
               AND l.opted_out_at IS NULL AND ${IS_ITS_TURN} AND ${IS_DUE} AND ${IS_OPEN}
               AND s.revision = w.revision       -- the text was rendered before an edit
               AND (o.cap_messages IS NULL OR f.id IN (SELECT n.id FROM next_of_lead n JOIN admitted USING (lead_id))))
    RETURNING f.id, f.workspace_id, f.device_id, f.attempted_at),
  history AS (
    INSERT INTO device_attempts (workspace_id, device_id, flow_id, at)
    SELECT workspace_id, device_id, id, attempted_at FROM attempted
     WHERE attempted_at >= date_trunc('milliseconds', statement_timestamp()))      -- a repeat counts no second time for the limits
  SELECT w.flow_id, e.stop_reason,               -- of those that were not attempted, why: one by one, for they are few
         CASE WHEN NOT EXISTS (SELECT FROM lease) THEN 'lease_lost'
              WHEN f.id IS NULL OR NOT f.queued OR f.settled_at IS NOT NULL THEN 'gone'
              WHEN l.opted_out_at IS NOT NULL THEN 'opted_out'
              WHEN l.id IS NULL OR e.id IS NULL OR e.status = 'STOPPED' AND e.stop_reason <> 'FLOW_FAILED' THEN 'stopped'
              WHEN f.retry_of IS NULL AND (e.current_flow_id <> f.id OR e.status NOT IN ('ACTIVE', 'PAUSED')) THEN 'stopped'
              WHEN f.retry_of IS NOT NULL AND is_superseded(f.enrollment_id, f.step_id, f.retry_of) THEN 'superseded'
              WHEN e.status = 'PAUSED' OR NOT (${IS_DUE} AND ${IS_OPEN}) OR w.is_capped THEN 'not_now'
              WHEN s.revision <> w.revision THEN 'edited'
              ELSE 'gone' END AS hindrance
    FROM wanted w
    LEFT JOIN flows f ON f.id = w.flow_id
    LEFT JOIN leads l ON l.id = f.lead_id
    LEFT JOIN enrollments e ON e.id = f.enrollment_id
    LEFT JOIN lanes a ON a.id = f.lane_id
    LEFT JOIN sequences s ON s.id = f.sequence_id
   WHERE w.flow_id NOT IN (SELECT id FROM attempted)`;

/** Attempts a batch, in one statement. Answers in the order of the requests. Rejects where Postgres gave no answer: then each may or may not
 *  be attempted, and the same requests can be repeated. */
export async function attemptFlows(pool: pg.Pool, nodeId: string, requests: readonly AttemptRequest[]): Promise<AttemptAnswer[]> {
  const { rows } = await pool.query<{ flow_id: string; hindrance: Hindrance; stop_reason: string | null }>({
    name: "attempt",
    text: attempt,
    values: [
      nodeId,
      textArray(requests.map((request) => request.flowId)),
      textArray(requests.map((request) => request.attemptId)),
      textArray(requests.map((request) => request.deviceId)),
      textArray(requests.map((request) => request.text)),
      textArray(requests.map((request) => String(request.revision))),
      textArray(requests.map((request) => String(request.isCapped))),
    ],
  });
  const hindered = new Map(rows.map((row) => [row.flow_id, row]));
  return requests.map(({ flowId }) => {
    const row = hindered.get(flowId);
    return row === undefined ? ATTEMPTED : { attempted: false, hindrance: row.hindrance, stopReason: row.stop_reason };
  });
}

const ATTEMPTED: AttemptAnswer = { attempted: true };

/** The flows that nobody holds locked at this moment. */
export async function unlockedFlows(pool: pg.Pool, flowIds: readonly string[]): Promise<Set<string>> {
  const { rows } = await pool.query<{ id: string }>("SELECT f.id FROM unnest($1::uuid[]) AS w(id) JOIN flows f ON f.id = w.id FOR UPDATE OF f SKIP LOCKED", [textArray(flowIds)]);
  return new Set(rows.map((row) => row.id));
}
