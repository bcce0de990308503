// Puts leads into sequences: the enrolment and its first flow, and nothing of the steps ahead. 3,000 devices × 1,000 leads × 11 steps
// would otherwise be 33 million rows at once.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { appendEvents } from "../events/append.ts";
import { KNOWN_DEVICE } from "../leads/known-device.ts";

type Queryable = Pick<pg.ClientBase, "query">;

/** `wanted`: (lead_id, step_id, sequence_id, trigger, start_delay_minutes, schedule_time, schedule_tolerance_minutes, workspace_id, time_zone, device_id),
 *  a row per enrolment to be. The planner takes it for one row, of which there are a thousand: nothing here may be a join of such lists, which it does by
 *  going through all of the one for each of the other. */
const enrol = (wanted: string) => `
  ${wanted},
  keyed AS MATERIALIZED (
    SELECT uuid_v7() AS enrollment_id, uuid_v7() AS flow_id, w.* FROM (SELECT * FROM wanted ORDER BY sequence_id, lead_id) AS w),
  entered AS (
    INSERT INTO enrollments (id, workspace_id, lead_id, sequence_id, trigger, current_flow_id)
    SELECT enrollment_id, workspace_id, lead_id, sequence_id, trigger, flow_id FROM keyed
        ON CONFLICT (sequence_id, lead_id) WHERE status IN ('ACTIVE', 'PAUSED') DO NOTHING      -- once per lead and sequence at a time
    RETURNING id),
  target_lanes AS MATERIALIZED (                                                                -- once per sequence and zone, not per lead
    SELECT t.*, lane_of(t.sequence_id, t.time_zone) AS lane_id FROM (SELECT DISTINCT sequence_id, time_zone FROM wanted) AS t),
  created AS (
    INSERT INTO flows (id, workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, due_at, bound_device_id)
    SELECT w.flow_id, w.workspace_id, tl.lane_id, w.lead_id, w.enrollment_id, w.sequence_id, w.step_id,
           -- In lane time. A lane made just now is not seen here yet, and its time is the wall's.
           CASE WHEN w.schedule_time IS NULL THEN start.at
                ELSE next_opening(w.time_zone, w.schedule_time, '-infinity', start.at - make_interval(mins => w.schedule_tolerance_minutes)) END   -- a window that is open will do
             - coalesce(clock_timestamp() - lane_time(clock_timestamp(), a.paused_at, a.pause_offset), interval '0'),
           w.device_id
      FROM keyed w
      JOIN target_lanes tl ON tl.sequence_id = w.sequence_id AND tl.time_zone = w.time_zone
      LEFT JOIN lanes a ON a.id = tl.lane_id
     CROSS JOIN LATERAL (SELECT clock_timestamp() + make_interval(mins => w.start_delay_minutes) AS at) AS start
     WHERE (w.enrollment_id IN (SELECT id FROM entered)) IS TRUE                                  -- no join, being asked for its truth: looked up by hash
    RETURNING id, workspace_id, sequence_id, enrollment_id),
  logged AS (${appendEvents(["flow_id", "sequence_id", "enrollment_id", "status"], `
      SELECT 1 AS place, workspace_id, 'ENROLLMENT' AS type, NULL::uuid AS flow_id, sequence_id, enrollment_id, 'ACTIVE' AS status FROM created
       UNION ALL
      SELECT 2, workspace_id, 'FLOW_ACTIVATED', id, sequence_id, NULL, NULL FROM created`, { inPlaces: true })}),
  counted AS (
    INSERT INTO sequence_count_deltas (workspace_id, sequence_id, enrolled, active)
    SELECT workspace_id, sequence_id, count(*), count(*) FROM created GROUP BY workspace_id, sequence_id)`;

const enrolFromQueue = `${enrol(`
  WITH taken AS (
    DELETE FROM enrollment_queue                                                 -- by an array, and so by the key: a join read the whole queue each time
     WHERE id = ANY (ARRAY(
             SELECT id FROM enrollment_queue q
              WHERE workspace_id = $1 AND NOT EXISTS (SELECT FROM unscreened_leads u WHERE u.lead_id = q.lead_id)   -- who may have opted out before being erased
              ORDER BY workspace_id, id LIMIT $2 FOR UPDATE SKIP LOCKED))
    RETURNING lead_id, trigger),
  wanted AS MATERIALIZED (
    SELECT DISTINCT l.id AS lead_id, st.id AS step_id, st.sequence_id, st.trigger, s.start_delay_minutes, s.schedule_time, s.schedule_tolerance_minutes,
           w.id AS workspace_id, coalesce(l.time_zone, s.time_zone, w.time_zone) AS time_zone, ${KNOWN_DEVICE} AS device_id
      FROM taken t
     CROSS JOIN LATERAL (                                                        -- closed (OFFSET 0): looked up by the key, whatever the statistics say
       SELECT * FROM leads l
        WHERE l.id = t.lead_id AND l.opted_out_at IS NULL
          AND t.trigger = ANY (trigger_words(l.trigger)) OFFSET 0) AS l          -- taken off again before we came
      JOIN sequence_steps st ON st.workspace_id = $1 AND st.trigger = t.trigger AND st.is_entry_point
      JOIN sequences s ON s.id = st.sequence_id AND s.is_active AND s.is_sound   -- else the review queues the word again when it is
      JOIN workspaces w ON w.id = $1 AND (l.consent_at IS NOT NULL OR NOT w.require_consent)   -- else its words are queued again when it has agreed
                       AND is_admitted(l.id, w.enrollment_percent))`)}                                 -- or when more are admitted
  SELECT (SELECT count(*) FROM taken)::int AS taken, (SELECT count(*) FROM created)::int AS enrolled`;

const enrolChosen = `${enrol(`
  WITH wanted AS MATERIALIZED (
    SELECT l.id AS lead_id, st.id AS step_id, st.sequence_id, st.trigger, s.start_delay_minutes, s.schedule_time, s.schedule_tolerance_minutes,
           w.id AS workspace_id, coalesce(l.time_zone, s.time_zone, w.time_zone) AS time_zone, ${KNOWN_DEVICE} AS device_id
      FROM unnest($1::uuid[]) AS chosen(lead_id)
      JOIN leads l ON l.id = chosen.lead_id AND l.opted_out_at IS NULL AND NOT EXISTS (SELECT FROM unscreened_leads u WHERE u.lead_id = l.id)
      JOIN sequences s ON s.id = $2 AND s.workspace_id = l.workspace_id
      JOIN workspaces w ON w.id = s.workspace_id AND (l.consent_at IS NOT NULL OR NOT w.require_consent)
     CROSS JOIN LATERAL (SELECT * FROM sequence_steps WHERE sequence_id = s.id AND is_entry_point ORDER BY day_number, id LIMIT 1) AS st)`)}
  SELECT count(*)::int AS enrolled FROM created`;

/** Takes up to `batch` words of the workspace's queue, and enrols the leads that they enrol. Run it in a transaction of its own that holds the
 *  workspace's row FOR SHARE: a review that makes a sequence ready either sees the lead, or has committed before its word is dropped here. */
export async function enrolQueued(client: Queryable, workspaceId: string, batch: number): Promise<{ taken: number; enrolled: number }> {
  const { rows } = await client.query<{ taken: number; enrolled: number }>({ name: "enrol_queued", text: enrolFromQueue, values: [workspaceId, batch] });
  return rows[0] ?? { taken: 0, enrolled: 0 };
}

/** Enrols these leads at the sequence's first entry step, whatever their triggers. Returns how many were newly enrolled: those in it already,
 *  opted out, without a consent that is required, or of another workspace are left out. At most 1,000 at a time. */
export async function enrolLeads(client: Queryable, sequenceId: string, leadIds: readonly string[]): Promise<number> {
  const { rows } = await client.query<{ enrolled: number }>(enrolChosen, [textArray(leadIds), sequenceId]);
  return rows[0]?.enrolled ?? 0;
}
