// Writes down how flows ended: outcome, next flow, enrolment, events and counts, in one statement and so in one transaction. It is the only
// place where a flow ends and the only one where a next flow begins.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import type { FailureCode, Outcome } from "../transports/transport.ts";

export type SkipReason = "OPTED_OUT" | "OPERATOR" | "STEP_REMOVED" | "SEQUENCE_ARCHIVED";

/** How a flow ends: as its attempt did, or without one: skipped by a rule, or because no text could be made of its template. */
export type Ending = Outcome | { readonly kind: "skipped"; readonly reason: SkipReason } | { readonly kind: "unrenderable"; readonly message: string };

export type Settlement = {
  readonly flowId: string;
  /** Null where it was never attempted. */
  readonly attemptId: string | null;
  readonly ending: Ending;
};

/** No step waits longer for the next: the rules refuse more, but SQL can write it into a sequence that runs. */
const MAX_STEP_DELAY_HOURS = 8760;

const settle = `
  WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) AS w(flow_id, attempt_id, status, code, message, at)),
  settled AS (
    UPDATE flows f
       SET queued = false, status = w.status, settled_at = clock_timestamp(),
           sent_at = CASE w.status WHEN 'SENT' THEN w.at END,
           failed_at = CASE w.status WHEN 'FAILED' THEN clock_timestamp() END,
           failure_code = CASE w.status WHEN 'FAILED' THEN w.code END,
           failure_message = CASE w.status WHEN 'FAILED' THEN w.message END,
           skip_reason = CASE w.status WHEN 'SKIPPED' THEN w.code END
      FROM wanted w
     WHERE f.id = w.flow_id
       AND f.settled_at IS NULL                                                  -- once: rescue may have been before us
       AND (f.attempt_id = w.attempt_id                                          -- another's attempt is another's to settle
            OR (w.attempt_id IS NULL AND f.attempted_at IS NULL))                -- skipped: not once the message may be on the wire
    RETURNING f.id, f.workspace_id, f.lane_id, f.lead_id, f.enrollment_id, f.sequence_id, f.step_id, f.device_id, f.bound_device_id,
              f.due_at, f.status, f.skip_reason),
  onward AS MATERIALIZED (                                                       -- where each lead would go from here
    SELECT s.*, uuid_v7() AS next_flow_id,
           n.id AS next_step_id, n.sequence_id AS next_sequence_id, n.trigger AS next_trigger, a.time_zone,
           lane_time(clock_timestamp(), a.paused_at, a.pause_offset) AS lane_now,
           CASE WHEN s.skip_reason = 'STEP_REMOVED' THEN s.due_at               -- a removed step's successor takes its place in time
                -- From when it was due, not from when it was sent, or a daily message drifts out of its window; but after a backlog
                -- never closer to the last one than the minimum delay.
                ELSE greatest(s.due_at + make_interval(secs => 3600 * delay.hours),
                              lane_time(clock_timestamp(), a.paused_at, a.pause_offset) + make_interval(secs => 3600 * least($7::float8, delay.hours)))
           END AS next_due,
           CASE WHEN s.status = 'SKIPPED' AND s.skip_reason <> 'STEP_REMOVED' THEN 'STOPPED'
                WHEN s.status = 'FAILED' AND q.on_failure = 'STOP' THEN 'STOPPED'
                WHEN n.id IS NULL OR n.sequence_id <> s.sequence_id THEN 'COMPLETED'
                ELSE 'ACTIVE' END AS verdict
      FROM settled s
      JOIN lanes a ON a.id = s.lane_id
      JOIN sequences q ON q.id = s.sequence_id
      LEFT JOIN sequence_steps st ON st.id = s.step_id
      LEFT JOIN removed_steps r ON r.id = s.step_id
     CROSS JOIN LATERAL (                                                        -- a delay that SQL wrote, 1e300 say, would fail this for ever
       SELECT least(greatest(coalesce(st.trigger_delay_hours, q.trigger_delay_hours), 0), ${MAX_STEP_DELAY_HOURS}) AS hours) AS delay
      LEFT JOIN (sequence_steps n JOIN sequences nq ON nq.id = n.sequence_id AND nq.status <> 'ARCHIVED')
             ON n.workspace_id = s.workspace_id
            AND n.trigger = CASE WHEN st.id IS NULL THEN live_trigger(s.workspace_id, r.next_trigger)
                                 WHEN st.next_trigger IS NULL OR EXISTS (SELECT FROM sequence_steps t WHERE t.workspace_id = s.workspace_id AND t.trigger = st.next_trigger)
                                 THEN st.next_trigger
                                 ELSE live_trigger(s.workspace_id, st.next_trigger) END),   -- past what was removed since
  advanced AS (
    UPDATE enrollments e
       SET current_flow_id = CASE o.verdict WHEN 'ACTIVE' THEN o.next_flow_id ELSE e.current_flow_id END,
           status = CASE o.verdict WHEN 'ACTIVE' THEN e.status ELSE o.verdict END,
           stop_reason = CASE o.verdict WHEN 'STOPPED' THEN coalesce(o.skip_reason, 'FLOW_FAILED') END,
           finished_at = CASE o.verdict WHEN 'ACTIVE' THEN NULL ELSE clock_timestamp() END
      FROM onward o
     WHERE e.id = o.enrollment_id
       AND e.current_flow_id = o.id                                              -- compare and swap: who moves it on makes the next flow, once
       AND e.status IN ('ACTIVE', 'PAUSED')                                      -- one that was stopped meanwhile goes nowhere
    RETURNING o.*, e.trigger AS word, e.status AS enrollment_status, e.paused_lane_time),
  entered AS (                                                                   -- on into another sequence
    INSERT INTO enrollments (id, workspace_id, lead_id, sequence_id, trigger, current_flow_id)
    SELECT uuid_v7(), workspace_id, lead_id, next_sequence_id, next_trigger, next_flow_id
      FROM advanced WHERE verdict = 'COMPLETED' AND next_step_id IS NOT NULL ORDER BY next_sequence_id, lead_id
        ON CONFLICT (sequence_id, lead_id) WHERE status IN ('ACTIVE', 'PAUSED') DO NOTHING   -- once, whatever races
    RETURNING id, current_flow_id AS flow_id),
  target_lanes AS MATERIALIZED (                                                 -- looked up once per sequence and zone, not per lead
    SELECT t.*, lane_of(t.next_sequence_id, t.time_zone) AS lane_id
      FROM (SELECT DISTINCT next_sequence_id, time_zone FROM advanced WHERE verdict = 'COMPLETED' AND next_step_id IS NOT NULL) AS t),
  created AS (
    INSERT INTO flows (id, workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, queued, due_at, bound_device_id)
    SELECT v.next_flow_id, v.workspace_id, v.lane_id, v.lead_id, v.enrollment_id, v.sequence_id, v.next_step_id,
           v.enrollment_status = 'ACTIVE',
           -- One that is made while its enrolment is paused waits apart; resuming moves it by all the time paused, so take off what has passed.
           v.next_due - CASE WHEN v.enrollment_status = 'PAUSED' THEN v.lane_now - v.paused_lane_time ELSE interval '0' END,
           coalesce(l.preferred_device_id, CASE v.status WHEN 'SENT' THEN v.device_id ELSE v.bound_device_id END)
      FROM advanced v LEFT JOIN leads l ON l.id = v.lead_id
     WHERE v.verdict = 'ACTIVE'
     UNION ALL
    SELECT v.next_flow_id, v.workspace_id, tl.lane_id, v.lead_id, en.id, v.next_sequence_id, v.next_step_id, true,
           -- The same moment, in the other lane's time. A lane made just now is not seen here yet, and its time is the wall's.
           coalesce(lane_time(clock_timestamp(), b.paused_at, b.pause_offset), clock_timestamp()) + (v.next_due - v.lane_now),
           coalesce(l.preferred_device_id, CASE v.status WHEN 'SENT' THEN v.device_id ELSE v.bound_device_id END)
      FROM advanced v
      JOIN entered en ON en.flow_id = v.next_flow_id
      JOIN target_lanes tl ON tl.next_sequence_id = v.next_sequence_id AND tl.time_zone = v.time_zone
      LEFT JOIN lanes b ON b.id = tl.lane_id
      LEFT JOIN leads l ON l.id = v.lead_id
    RETURNING id, workspace_id, sequence_id),
  logged AS (
    INSERT INTO events (workspace_id, type, flow_id, sequence_id, device_id, reason)
    SELECT workspace_id, 'FLOW_' || status, id, sequence_id, device_id, skip_reason FROM settled
     UNION ALL
    SELECT workspace_id, 'FLOW_ACTIVATED', id, sequence_id, NULL, NULL FROM created),
  counted AS (
    INSERT INTO sequence_count_deltas (workspace_id, sequence_id, sent, failed, active, paused, completed, stopped, enrolled)
    SELECT workspace_id, sequence_id, sum(sent), sum(failed), sum(active), sum(paused), sum(completed), sum(stopped), sum(enrolled)
      FROM (SELECT workspace_id, sequence_id, (status = 'SENT')::int AS sent, (status = 'FAILED')::int AS failed,
                   0 AS active, 0 AS paused, 0 AS completed, 0 AS stopped, 0 AS enrolled FROM settled
             UNION ALL
            SELECT workspace_id, sequence_id, 0, 0, -(paused_lane_time IS NULL)::int, -(paused_lane_time IS NOT NULL)::int,
                   (verdict = 'COMPLETED')::int, (verdict = 'STOPPED')::int, 0 FROM advanced WHERE verdict <> 'ACTIVE'
             UNION ALL
            SELECT v.workspace_id, v.next_sequence_id, 0, 0, 1, 0, 0, 0, 1 FROM advanced v JOIN entered en ON en.flow_id = v.next_flow_id) AS t
     GROUP BY workspace_id, sequence_id),
  touched AS (                                                                   -- a lead once, though two of its flows may end together
    SELECT lead_id, array_agg(word) FILTER (WHERE verdict <> 'ACTIVE') AS words, (array_agg(device_id) FILTER (WHERE status = 'SENT'))[1] AS device_id
      FROM advanced GROUP BY lead_id ORDER BY lead_id),
  leads_written AS (
    UPDATE leads l
       SET trigger = CASE WHEN t.words IS NULL THEN l.trigger ELSE without_triggers(l.trigger, t.words) END,   -- these words and no other
           last_device_id = coalesce(t.device_id, l.last_device_id)
      FROM touched t
     WHERE l.id = t.lead_id
       AND (trigger_words(l.trigger) && t.words OR (t.device_id IS NOT NULL AND l.last_device_id IS DISTINCT FROM t.device_id)))
  SELECT id FROM settled`;

const statusOf = (ending: Ending): { status: string; code: FailureCode | SkipReason | null; message: string | null; at: string | null } => {
  switch (ending.kind) {
    case "accepted":
      return { status: "SENT", code: null, message: null, at: ending.at.toISOString() };
    case "refused":
      return { status: "FAILED", code: ending.code, message: ending.message, at: null };
    case "unknown":
      return { status: "FAILED", code: "OUTCOME_UNKNOWN", message: ending.message, at: null };
    case "unrenderable":
      return { status: "FAILED", code: "TEMPLATE_ERROR", message: ending.message, at: null };
    case "skipped":
      return { status: "SKIPPED", code: ending.reason, message: null, at: null };
  }
};

/** Settles a batch. Returns the ids that it settled; the others were settled before, or are not its to settle.
 *  `minStepDelayHours`: steps of one lead never follow closer than this after a backlog. */
export async function settleFlows(pool: pg.Pool, settlements: readonly Settlement[], minStepDelayHours: number): Promise<Set<string>> {
  const endings = settlements.map(({ ending }) => statusOf(ending));
  const { rows } = await pool.query<{ id: string }>({
    name: "settle",
    text: settle,
    values: [
      textArray(settlements.map(({ flowId }) => flowId)),
      textArray(settlements.map(({ attemptId }) => attemptId)),
      textArray(endings.map(({ status }) => status)),
      textArray(endings.map(({ code }) => code)),
      textArray(endings.map(({ message }) => message)),
      textArray(endings.map(({ at }) => at)),
      minStepDelayHours,
    ],
  });
  return new Set(rows.map((row) => row.id));
}
