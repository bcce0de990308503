// Leads wait behind a step with branches without a next step. Once its delay is over, this decides which one it is: the first branch whose condition holds,
// else the next trigger. Within the sequence the flow that waits becomes one of that step; into another sequence it is carried over with its lead; at the end it
// is of no use any more.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { transaction } from "../db/transaction.ts";
import { appendEvents } from "../events/append.ts";
import { lockEnrollments } from "./pause.ts";

const BATCH = 1000;

/** Mostly there is none: nothing more is asked then, and no transaction begun. */
const any = "SELECT FROM flows WHERE undecided LIMIT 1";

/** Only while its lane is open, so that what the person does until then still counts. */
const due = `
  SELECT f.id, f.enrollment_id AS "enrollmentId"
    FROM lanes a
   CROSS JOIN LATERAL (
     SELECT id, enrollment_id FROM flows
      WHERE lane_id = a.id AND undecided AND due_at <= statement_timestamp() - a.pause_offset
      ORDER BY due_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED) AS f            -- flows before enrolments, as everywhere
   WHERE a.paused_at IS NULL AND a.open_from <= statement_timestamp() AND a.open_until > statement_timestamp()
   LIMIT ${BATCH}`;

const decide = `
  WITH chosen AS MATERIALIZED (
    SELECT f.id, f.workspace_id, f.lead_id, f.enrollment_id, f.previous_id, f.sequence_id, e.trigger AS word, coalesce(l.preferred_device_id, f.bound_device_id) AS device_id,
           n.id AS next_step_id, n.sequence_id AS next_sequence_id, n.trigger AS next_trigger, z.zone AS next_zone, nq.schedule_time, nq.schedule_tolerance_minutes,
           CASE WHEN n.id IS NULL THEN 'END' WHEN n.sequence_id = f.sequence_id THEN 'STEP' ELSE 'SEQUENCE' END AS goes, uuid_v7() AS entry_id,
           -- Not from when somebody came to decide it: each branch would put the rest off by up to a cycle.
           greatest(clock_timestamp() + (f.due_at - lane_time(clock_timestamp(), a.paused_at, a.pause_offset)), a.open_from) AS decided_at
      FROM unnest($1::uuid[]) AS w(id)
     CROSS JOIN LATERAL (SELECT * FROM flows WHERE flows.id = w.id AND flows.undecided OFFSET 0) AS f
      JOIN lanes a ON a.id = f.lane_id
      JOIN enrollments e ON e.id = f.enrollment_id AND e.current_flow_id = f.id AND e.status = 'ACTIVE'
      LEFT JOIN leads l ON l.id = f.lead_id
      LEFT JOIN sequence_steps st ON st.id = f.step_id
      LEFT JOIN LATERAL (                                                        -- the message before: as it was sent, the first time or again
        SELECT p.attempted_at, coalesce(p.read_at, (SELECT again.read_at FROM flows again WHERE again.id = p.retried_as)) AS read_at
          FROM flows p WHERE p.id = f.previous_id OFFSET 0) AS p ON true
      LEFT JOIN LATERAL (
        SELECT b.place, b.branch ->> 'nextTrigger' AS trigger
          FROM jsonb_array_elements(st.branches) WITH ORDINALITY AS b(branch, place)
         WHERE CASE b.branch ->> 'condition'
                 WHEN 'ATTRIBUTE_EQUALS' THEN l.attributes @> (b.branch -> 'value')
                 WHEN 'NICHE_IN' THEN b.branch -> 'value' -> 'niches' ? l.niche
                 WHEN 'REPLIED_SINCE' THEN l.last_replied_at >= date_trunc('second', p.attempted_at)     -- WhatsApp tells when to the second
                 WHEN 'READ' THEN p.read_at IS NOT NULL END
         ORDER BY b.place LIMIT 1) AS taken ON true
     CROSS JOIN LATERAL (
       SELECT CASE WHEN st.id IS NULL THEN (SELECT r.next_trigger FROM removed_steps r WHERE r.id = f.step_id)
                   WHEN taken.place IS NOT NULL THEN taken.trigger
                   ELSE st.next_trigger END AS trigger) AS way
      LEFT JOIN (sequence_steps n JOIN sequences nq ON nq.id = n.sequence_id AND nq.status <> 'ARCHIVED')
             ON n.workspace_id = f.workspace_id AND n.trigger = live_trigger(f.workspace_id, way.trigger)            -- past what was removed since
     CROSS JOIN LATERAL (SELECT coalesce(l.time_zone, nq.time_zone, (SELECT o.time_zone FROM workspaces o WHERE o.id = f.workspace_id)) AS zone OFFSET 0) AS z),
  stepped AS (
    UPDATE flows f SET undecided = false, queued = true, step_id = c.next_step_id, bound_device_id = c.device_id
      FROM chosen c WHERE f.id = c.id AND c.goes = 'STEP'),
  entered AS (
    INSERT INTO enrollments (id, workspace_id, lead_id, sequence_id, trigger, current_flow_id)
    SELECT entry_id, workspace_id, lead_id, next_sequence_id, next_trigger, id FROM chosen WHERE goes = 'SEQUENCE' ORDER BY next_sequence_id, lead_id
        ON CONFLICT (sequence_id, lead_id) WHERE status IN ('ACTIVE', 'PAUSED') DO NOTHING                             -- once, whatever races
    RETURNING id),
  finished AS (
    UPDATE enrollments e
       SET status = 'COMPLETED', finished_at = clock_timestamp(),
           current_flow_id = CASE WHEN (c.entry_id IN (SELECT id FROM entered)) IS TRUE THEN c.previous_id ELSE e.current_flow_id END
      FROM chosen c WHERE e.id = c.enrollment_id AND c.goes <> 'STEP'
    RETURNING e.id, e.workspace_id, e.sequence_id, e.lead_id, c.word, c.device_id),
  new_lanes AS MATERIALIZED (
    SELECT m.*, lane_of(m.next_sequence_id, m.next_zone) AS lane_id FROM (SELECT DISTINCT next_sequence_id, next_zone FROM chosen WHERE goes = 'SEQUENCE') AS m),
  carried AS (
    UPDATE flows f
       SET undecided = false, queued = true, step_id = c.next_step_id, sequence_id = c.next_sequence_id, enrollment_id = c.entry_id, previous_id = NULL,
           lane_id = m.lane_id, bound_device_id = c.device_id,
           -- In its new lane's time; a lane made just now is not seen here yet, and its time is the wall's.
           due_at = CASE WHEN c.schedule_time IS NULL THEN c.decided_at
                         ELSE next_opening(c.next_zone, c.schedule_time, '-infinity', c.decided_at - make_interval(mins => c.schedule_tolerance_minutes)) END
                    - coalesce(clock_timestamp() - lane_time(clock_timestamp(), b.paused_at, b.pause_offset), interval '0')
      FROM chosen c
      JOIN new_lanes m ON m.next_sequence_id = c.next_sequence_id AND m.next_zone = c.next_zone
      LEFT JOIN lanes b ON b.id = m.lane_id
     WHERE f.id = c.id AND c.goes = 'SEQUENCE' AND (c.entry_id IN (SELECT id FROM entered)) IS TRUE
    RETURNING f.workspace_id, f.sequence_id),
  ended AS (
    UPDATE flows f SET undecided = false, status = 'CANCELLED', settled_at = clock_timestamp()
      FROM chosen c WHERE f.id = c.id AND c.goes <> 'STEP' AND (c.entry_id IN (SELECT id FROM entered)) IS NOT TRUE
    RETURNING f.id, f.workspace_id, f.sequence_id),
  logged AS (${appendEvents(["flow_id", "sequence_id", "enrollment_id", "status"], `
      SELECT 1 AS place, workspace_id, 'FLOW_CANCELLED' AS type, id AS flow_id, sequence_id, NULL::uuid AS enrollment_id, NULL AS status FROM ended
       UNION ALL
      SELECT 2, workspace_id, 'ENROLLMENT', NULL, sequence_id, id, 'COMPLETED' FROM finished
       UNION ALL
      SELECT 3, workspace_id, 'ENROLLMENT', NULL, next_sequence_id, entry_id, 'ACTIVE' FROM chosen WHERE (entry_id IN (SELECT id FROM entered)) IS TRUE`, { inPlaces: true })}),
  counted AS (
    INSERT INTO sequence_count_deltas (workspace_id, sequence_id, active, completed, enrolled)
    SELECT workspace_id, sequence_id, sum(active), sum(completed), sum(enrolled)
      FROM (SELECT workspace_id, sequence_id, -1 AS active, 1 AS completed, 0 AS enrolled FROM finished
             UNION ALL
            SELECT workspace_id, sequence_id, 1, 0, 1 FROM carried) AS t
     GROUP BY workspace_id, sequence_id),
  leads_written AS (
    UPDATE leads l SET trigger = without_triggers(l.trigger, t.words), last_device_id = coalesce(t.device_id, l.last_device_id)
      FROM (SELECT lead_id, array_agg(word) AS words, (array_agg(device_id) FILTER (WHERE device_id IS NOT NULL))[1] AS device_id
              FROM finished GROUP BY lead_id ORDER BY lead_id) AS t
     WHERE l.id = t.lead_id)
  SELECT count(*)::int AS decided FROM chosen`;

/** Decides for some of those that are due. Returns how many it looked at: none where there are no more. */
export async function decideDue(pool: pg.Pool): Promise<number> {
  if ((await pool.query(any)).rowCount === 0) return 0;
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{ id: string; enrollmentId: string }>(due);
    if (rows.length === 0) return 0;
    await lockEnrollments(client, rows.map(({ enrollmentId }) => enrollmentId));
    const decided = await client.query<{ decided: number }>({ name: "decide", text: decide, values: [textArray(rows.map(({ id }) => id))] });
    return decided.rows[0]?.decided ?? 0;
  });
}
