// Writes down how flows ended: outcome, next flow, enrolment, events and counts, in one statement and so in one transaction. It is the only
// place where a flow ends and the only one where a next flow begins.

import type pg from "pg";
import { plainColumn, textArray } from "../db/arrays.ts";
import { appendEvents } from "../events/append.ts";
import { MAX_STEP_DELAY_HOURS, NEXT_DUE } from "../sequences/next-due.ts";
import type { Outcome } from "../transports/transport.ts";
import type { FlowFailureCode, FlowSkipReason, FlowStatus } from "./states.ts";

type Queryable = Pick<pg.ClientBase, "query">;

/** How a flow ends: as its attempt did, or without one. */
export type Ending =
  | Outcome
  | { readonly kind: "skipped"; readonly reason: FlowSkipReason }
  | { readonly kind: "unrenderable"; readonly message: string }
  /** What was to be sent with it cannot be. */
  | { readonly kind: "media_failed"; readonly message: string }
  /** The workspace has no device that could ever send it. */
  | { readonly kind: "no_device"; readonly message: string }
  /** By an operator, or because it is of no use any more. The lead goes on to the next step. */
  | { readonly kind: "cancelled" };

export type Settlement = {
  readonly flowId: string;
  /** Null where it was never attempted. */
  readonly attemptId: string | null;
  readonly ending: Ending;
};

/** Each lead of a campaign's audience is counted once: as its flow ended, or the last retry of it. A retry of what has arrived after all counts as that. */
const countCampaigns = `
  campaigns_counted AS (
    INSERT INTO campaign_count_deltas (workspace_id, campaign_id, sent, failed, skipped, cancelled)
    SELECT workspace_id, campaign_id, count(*) FILTER (WHERE ending = 'SENT'), count(*) FILTER (WHERE ending = 'FAILED'),
           count(*) FILTER (WHERE ending = 'SKIPPED'), count(*) FILTER (WHERE ending = 'CANCELLED')
      FROM (SELECT s.workspace_id, s.campaign_id,
                   CASE WHEN s.retry_of IS NOT NULL AND (SELECT r.status FROM flows r WHERE r.id = s.retry_of) = 'SENT' THEN 'SENT' ELSE s.status END AS ending
              FROM settled s WHERE s.campaign_id IS NOT NULL AND NOT (SELECT a.is_test FROM lanes a WHERE a.id = s.lane_id)) AS t
     GROUP BY workspace_id, campaign_id)`;

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
    RETURNING f.id, f.workspace_id, f.lane_id, f.lead_id, f.enrollment_id, f.sequence_id, f.step_id, f.campaign_id, f.retry_of, f.device_id, f.bound_device_id,
              coalesce(f.deferred_from, f.due_at) AS planned, f.status, f.skip_reason),
  advanced AS (
    UPDATE enrollments e
       SET current_flow_id = CASE o.verdict WHEN 'ACTIVE' THEN o.next_flow_id ELSE e.current_flow_id END,
           status = CASE o.verdict WHEN 'ACTIVE' THEN e.status ELSE o.verdict END,
           stop_reason = CASE o.verdict WHEN 'STOPPED' THEN coalesce(o.skip_reason, 'FLOW_FAILED') END,
           finished_at = CASE o.verdict WHEN 'ACTIVE' THEN NULL ELSE clock_timestamp() END
      FROM (                                                                     -- where each lead would go from here
        SELECT s.id, s.workspace_id, s.lead_id, s.enrollment_id, s.lane_id, s.step_id, s.status, s.skip_reason, d.last_device_id, d.next_device_id,
               uuid_v7() AS next_flow_id, n.id AS next_step_id, n.sequence_id AS next_sequence_id, n.trigger AS next_trigger,
               z.next_zone, b.id AS next_lane_id, t.lane_now,
               coalesce(clock_timestamp() - lane_time(clock_timestamp(), b.paused_at, b.pause_offset), interval '0') AS next_lane_lag,   -- of the wall, in lane time
               CASE WHEN s.skip_reason = 'STEP_REMOVED' THEN soon.wall              -- a removed step's successor takes its place in time${NEXT_DUE}
               END AS next_due,                                                      -- by the wall clock
               CASE WHEN s.status = 'SKIPPED' AND s.skip_reason <> 'STEP_REMOVED' THEN 'STOPPED'
                    WHEN s.status = 'FAILED' AND q.on_failure = 'STOP' THEN 'STOPPED'
                    WHEN n.id IS NULL OR n.sequence_id <> s.sequence_id THEN 'COMPLETED'
                    ELSE 'ACTIVE' END AS verdict
          FROM settled s
          JOIN lanes a ON a.id = s.lane_id
          JOIN sequences q ON q.id = s.sequence_id
          LEFT JOIN leads l ON l.id = s.lead_id
          LEFT JOIN sequence_steps st ON st.id = s.step_id
         CROSS JOIN LATERAL (                                                        -- a delay that SQL wrote, 1e300 say, would fail this for ever
           SELECT least(greatest(coalesce(st.trigger_delay_hours, q.trigger_delay_hours), 0), ${MAX_STEP_DELAY_HOURS}) AS hours) AS delay
          LEFT JOIN sequence_steps direct ON direct.workspace_id = s.workspace_id AND direct.trigger = st.next_trigger
         CROSS JOIN LATERAL (
           SELECT CASE WHEN st.branches <> '[]' THEN st.trigger                    -- undecided until it is due: sequences/decide.ts
                       WHEN st.id IS NULL THEN live_trigger(s.workspace_id, (SELECT r.next_trigger FROM removed_steps r WHERE r.id = s.step_id))
                       WHEN direct.id IS NULL AND st.next_trigger IS NOT NULL THEN live_trigger(s.workspace_id, st.next_trigger)
                       ELSE st.next_trigger END AS trigger OFFSET 0) AS way              -- past what was removed since
          LEFT JOIN (sequence_steps n JOIN sequences nq ON nq.id = n.sequence_id AND nq.status <> 'ARCHIVED') ON n.workspace_id = s.workspace_id AND n.trigger = way.trigger
         CROSS JOIN LATERAL (SELECT coalesce(l.time_zone, nq.time_zone, (SELECT w.time_zone FROM workspaces w WHERE w.id = s.workspace_id)) AS next_zone OFFSET 0) AS z
          LEFT JOIN LATERAL (                                                        -- nearly always the same one: another is looked for only where it is not
           SELECT a.id, a.paused_at, a.pause_offset WHERE n.sequence_id = a.sequence_id AND z.next_zone = a.time_zone
            UNION ALL
           SELECT o.id, o.paused_at, o.pause_offset FROM lanes o
            WHERE o.sequence_id = n.sequence_id AND o.time_zone = z.next_zone AND (n.sequence_id <> a.sequence_id OR z.next_zone <> a.time_zone)) AS b ON true
         CROSS JOIN LATERAL (SELECT lane_time(clock_timestamp(), a.paused_at, a.pause_offset) AS lane_now) AS t
         CROSS JOIN LATERAL (SELECT clock_timestamp() + (s.planned - t.lane_now) AS wall) AS due
         CROSS JOIN LATERAL (
           SELECT due.wall, due.wall + make_interval(secs => 3600 * delay.hours) AS planned,
                  clock_timestamp() + make_interval(secs => 3600 * least($7::float8, delay.hours)) AS earliest) AS soon
         CROSS JOIN LATERAL (SELECT CASE s.status WHEN 'SENT' THEN s.device_id ELSE s.bound_device_id END AS id) AS last
         CROSS JOIN LATERAL (SELECT last.id AS last_device_id, coalesce(l.preferred_device_id, last.id) AS next_device_id) AS d
        OFFSET 0) AS o
     WHERE e.id = o.enrollment_id
       AND e.current_flow_id = o.id                                              -- compare and swap: who moves it on makes the next flow, once
       AND e.status IN ('ACTIVE', 'PAUSED')                                      -- one that was stopped meanwhile goes nowhere
    RETURNING o.*, e.sequence_id, e.trigger AS word, e.paused_lane_time, o.verdict = 'ACTIVE' AND e.status = 'PAUSED' AS waits_apart,
              CASE WHEN o.verdict = 'COMPLETED' AND o.next_step_id IS NOT NULL THEN uuid_v7() END AS entry_id),
  entered AS (                                                                   -- on into another sequence
    INSERT INTO enrollments (id, workspace_id, lead_id, sequence_id, trigger, current_flow_id)
    SELECT entry_id, workspace_id, lead_id, next_sequence_id, next_trigger, next_flow_id
      FROM advanced WHERE entry_id IS NOT NULL ORDER BY next_sequence_id, lead_id
        ON CONFLICT (sequence_id, lead_id) WHERE status IN ('ACTIVE', 'PAUSED') DO NOTHING   -- once, whatever races
    RETURNING id),
  new_lanes AS MATERIALIZED (                                                    -- made once per sequence and zone, not per lead
    SELECT m.*, lane_of(m.next_sequence_id, m.next_zone) AS lane_id
      FROM (SELECT DISTINCT next_sequence_id, next_zone FROM advanced
             WHERE next_lane_id IS NULL AND next_step_id IS NOT NULL AND verdict <> 'STOPPED' AND NOT waits_apart) AS m),
  created AS (
    INSERT INTO flows (id, workspace_id, lane_id, lead_id, enrollment_id, previous_id, sequence_id, step_id, queued, undecided, due_at, bound_device_id)
    SELECT v.next_flow_id, v.workspace_id,
           -- A lane made just now is not seen above yet, and its time is the wall's.
           CASE WHEN v.waits_apart THEN v.lane_id
                ELSE coalesce(v.next_lane_id, (SELECT m.lane_id FROM new_lanes m WHERE m.next_sequence_id = v.next_sequence_id AND m.next_zone = v.next_zone)) END,
           v.lead_id, coalesce(v.entry_id, v.enrollment_id), CASE WHEN v.entry_id IS NULL THEN v.id END, v.next_sequence_id, v.next_step_id, NOT v.waits_apart AND v.next_step_id <> v.step_id, NOT v.waits_apart AND v.next_step_id = v.step_id,
           -- In its lane's time. What is made while its enrolment is paused stays in its lane; resuming moves it by all the time paused, so take off what has passed.
           v.next_due - CASE WHEN v.waits_apart THEN clock_timestamp() - v.paused_lane_time ELSE v.next_lane_lag END, v.next_device_id
      FROM advanced v WHERE v.verdict = 'ACTIVE' OR (v.entry_id IN (SELECT id FROM entered)) IS TRUE     -- by hash: as a join it went through all of both
    RETURNING id, workspace_id, sequence_id),
  logged AS (${appendEvents(["flow_id", "sequence_id", "campaign_id", "device_id", "reason"], `
      SELECT 1 AS place, workspace_id, 'FLOW_' || status AS type, id AS flow_id, sequence_id, campaign_id, device_id, skip_reason AS reason FROM settled
       UNION ALL
      SELECT 2, workspace_id, 'FLOW_ACTIVATED', id, sequence_id, NULL, NULL, NULL FROM created`, { inPlaces: true })}),
  enrollments_logged AS (${appendEvents(["enrollment_id", "sequence_id", "status", "reason"], `     -- apart: most flows end no enrolment
      SELECT 1 AS place, workspace_id, 'ENROLLMENT' AS type, enrollment_id, sequence_id, verdict AS status, CASE verdict WHEN 'STOPPED' THEN coalesce(skip_reason, 'FLOW_FAILED') END AS reason
        FROM advanced WHERE verdict <> 'ACTIVE'
       UNION ALL
      SELECT 2, workspace_id, 'ENROLLMENT', entry_id, next_sequence_id, 'ACTIVE', NULL FROM advanced WHERE (entry_id IN (SELECT id FROM entered)) IS TRUE`, { inPlaces: true })}),
  counted AS (
    INSERT INTO sequence_count_deltas (workspace_id, sequence_id, sent, failed, active, paused, completed, stopped, enrolled)
    SELECT workspace_id, sequence_id, sum(sent), sum(failed), sum(active), sum(paused), sum(completed), sum(stopped), sum(enrolled)
      FROM (SELECT workspace_id, sequence_id, (status = 'SENT')::int AS sent, (status = 'FAILED')::int AS failed,
                   0 AS active, 0 AS paused, 0 AS completed, 0 AS stopped, 0 AS enrolled FROM settled WHERE sequence_id IS NOT NULL
             UNION ALL
            SELECT workspace_id, sequence_id, 0, 0, -(paused_lane_time IS NULL)::int, -(paused_lane_time IS NOT NULL)::int,
                   (verdict = 'COMPLETED')::int, (verdict = 'STOPPED')::int, 0 FROM advanced WHERE verdict <> 'ACTIVE'
             UNION ALL
            SELECT v.workspace_id, v.next_sequence_id, 0, 0, 1, 0, 0, 0, 1 FROM advanced v WHERE (v.entry_id IN (SELECT id FROM entered)) IS TRUE) AS t
     GROUP BY workspace_id, sequence_id),
  ${countCampaigns},
  ended AS (                                                                     -- a lead once, though two of its enrolments may end together
    SELECT lead_id, coalesce(array_agg(word) FILTER (WHERE word IS NOT NULL), '{}') AS words,
           (array_agg(last_device_id) FILTER (WHERE last_device_id IS NOT NULL))[1] AS device_id
      FROM (SELECT lead_id, word, last_device_id FROM advanced WHERE verdict <> 'ACTIVE'
             UNION ALL
            SELECT lead_id, NULL, device_id FROM settled WHERE campaign_id IS NOT NULL AND status = 'SENT') AS e GROUP BY lead_id ORDER BY lead_id),
  leads_written AS (
    UPDATE leads l
       SET trigger = CASE WHEN t.words = '{}' THEN l.trigger ELSE without_triggers(l.trigger, t.words) END,    -- these words and no other
           last_device_id = coalesce(t.device_id, l.last_device_id)
      FROM ended t
     WHERE l.id = t.lead_id AND (trigger_words(l.trigger) && t.words OR l.last_device_id IS DISTINCT FROM coalesce(t.device_id, l.last_device_id)))
  SELECT id FROM settled`;

type Written = { readonly status: FlowStatus; readonly code: FlowFailureCode | FlowSkipReason | null; readonly message: string | null; readonly at: string | null };

/** Kept, since those that are settled together were mostly accepted in the same millisecond, and writing a time costs as much as all else here. */
let lastSent = { ms: NaN, written: { status: "SENT", code: null, message: null, at: null } as Written };

const sentAt = (at: Date): Written => {
  const ms = at.getTime();
  if (ms !== lastSent.ms) lastSent = { ms, written: { status: "SENT", code: null, message: null, at: at.toISOString() } };
  return lastSent.written;
};

/** As what a flow that ends so is written down. */
export const statusOf = (ending: Ending): Written => {
  switch (ending.kind) {
    case "accepted":
      return sentAt(ending.at);
    case "refused":
      return { status: "FAILED", code: ending.code, message: ending.message, at: null };
    case "unknown":
      return { status: "FAILED", code: "OUTCOME_UNKNOWN", message: ending.message, at: null };
    case "unrenderable":
      return { status: "FAILED", code: "TEMPLATE_ERROR", message: ending.message, at: null };
    case "media_failed":
      return { status: "FAILED", code: "MEDIA_ERROR", message: ending.message, at: null };
    case "no_device":
      return { status: "FAILED", code: "NO_DEVICE", message: ending.message, at: null };
    case "cancelled":
      return { status: "CANCELLED", code: null, message: null, at: null };
    case "skipped":
      return { status: "SKIPPED", code: ending.reason, message: null, at: null };
  }
};

/** Settles a batch. Returns the ids that it settled; the others were settled before, or are not its to settle.
 *  `minStepDelayHours`: steps of one lead never follow closer than this after a backlog. */
export async function settleFlows(client: Queryable, settlements: readonly Settlement[], minStepDelayHours: number): Promise<Set<string>> {
  const endings = settlements.map(({ ending }) => statusOf(ending));
  const { rows } = await client.query<{ id: string }>({
    name: "settle",
    text: settle,
    values: [
      plainColumn(settlements, ({ flowId }) => flowId),
      plainColumn(settlements, ({ attemptId }) => attemptId),
      plainColumn(endings, ({ status }) => status),
      plainColumn(endings, ({ code }) => code),
      textArray(endings.map(({ message }) => message)),
      plainColumn(endings, ({ at }) => at),
      minStepDelayHours,
    ],
  });
  return new Set(rows.map((row) => row.id));
}
