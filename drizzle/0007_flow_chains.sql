DROP INDEX "flows_enrollment";--> statement-breakpoint
ALTER TABLE "flows" ADD COLUMN "previous_id" uuid;
--> statement-breakpoint
UPDATE flows f SET previous_id = p.previous_id
  FROM (SELECT id, lag(id) OVER (PARTITION BY enrollment_id ORDER BY id) AS previous_id FROM flows WHERE retry_of IS NULL) AS p
 WHERE f.id = p.id AND p.previous_id IS NOT NULL;
--> statement-breakpoint
-- The flows of an enrolment: from where it stands back over those before it, each with what it was attempted again as. Each is looked up by its key
-- (OFFSET 0), whatever the statistics say.
CREATE FUNCTION flows_of_enrollment(of_enrollment uuid) RETURNS SETOF uuid LANGUAGE sql STABLE ROWS 8 AS $$
  WITH RECURSIVE way(id) AS (
    SELECT current_flow_id FROM enrollments WHERE id = of_enrollment
     UNION ALL
    SELECT n.id
      FROM way CROSS JOIN LATERAL (SELECT previous_id, retried_as FROM flows WHERE id = way.id OFFSET 0) AS f
     CROSS JOIN LATERAL (VALUES (f.previous_id), (f.retried_as)) AS n(id)
     WHERE n.id IS NOT NULL)
  SELECT id FROM way
$$;
--> statement-breakpoint
-- The last of an enrolment's messages that was sent, the first time or again.
CREATE FUNCTION last_sent_flow(of_enrollment uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
  WITH RECURSIVE way(id, back) AS (
    SELECT current_flow_id, 0 FROM enrollments WHERE id = of_enrollment
     UNION ALL
    SELECT n.id, way.back + n.steps
      FROM way CROSS JOIN LATERAL (SELECT previous_id, retried_as FROM flows WHERE id = way.id OFFSET 0) AS f
     CROSS JOIN LATERAL (VALUES (f.previous_id, 1), (f.retried_as, 0)) AS n(id, steps)
     WHERE n.id IS NOT NULL)
  SELECT f.id FROM way CROSS JOIN LATERAL (SELECT id FROM flows WHERE id = way.id AND status = 'SENT' OFFSET 0) AS f ORDER BY way.back LIMIT 1
$$;
--> statement-breakpoint
-- A retry is of no use any more: a later step of its enrolment has been attempted, the first time or again, or what it repeats turned out to have been sent.
CREATE OR REPLACE FUNCTION is_superseded(of_enrollment uuid, of_step uuid, of_flow uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  WITH RECURSIVE later AS (
    SELECT f.* FROM enrollments e CROSS JOIN LATERAL (SELECT step_id, previous_id, retried_as, attempted_at FROM flows WHERE id = e.current_flow_id OFFSET 0) AS f
     WHERE e.id = of_enrollment AND f.step_id <> of_step
     UNION ALL
    SELECT f.*
      FROM later CROSS JOIN LATERAL (VALUES (later.previous_id), (later.retried_as)) AS n(id)
     CROSS JOIN LATERAL (SELECT step_id, previous_id, retried_as, attempted_at FROM flows WHERE id = n.id OFFSET 0) AS f
     WHERE f.step_id <> of_step)
  SELECT EXISTS (SELECT FROM later WHERE attempted_at IS NOT NULL)
      OR EXISTS (SELECT FROM flows WHERE id = of_flow AND status = 'SENT')
$$;
--> statement-breakpoint
CREATE OR REPLACE VIEW sequence_contacts WITH (security_invoker = true) AS
SELECT f.id, f.workspace_id, f.sequence_id, f.step_id AS sequence_stepid, c.phone AS contact_phone, c.name AS contact_name,
       st.trigger AS current_trigger, wall_time(f.due_at, l.paused_at, l.pause_offset) AS next_trigger_time, 'active' AS status,
       NULL::uuid AS processing_device_id, NULL::timestamptz AS processing_started_at,
       NULL::uuid AS assigned_worker_id, NULL::timestamptz AS worker_assigned_at,
       f.retry_count, NULL::text AS last_error, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE f.queued
UNION ALL
SELECT f.id, f.workspace_id, f.sequence_id, f.step_id, c.phone, c.name, st.trigger, wall_time(f.due_at, l.paused_at, l.pause_offset), 'active',
       NULL, NULL, NULL, NULL, f.retry_count, NULL, f.created_at
  FROM enrollments e JOIN flows f ON f.id = e.current_flow_id JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
  LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE e.status = 'PAUSED' AND f.attempted_at IS NULL AND f.settled_at IS NULL AND NOT f.queued
UNION ALL
SELECT f.id, f.workspace_id, f.sequence_id, f.step_id, c.phone, c.name, st.trigger, wall_time(f.due_at, l.paused_at, l.pause_offset), 'active',
       f.device_id, f.attempted_at, f.node_id, f.attempted_at, f.retry_count, NULL, f.created_at
  FROM processing_flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id LEFT JOIN sequence_steps st ON st.id = f.step_id
UNION ALL
SELECT f.id, f.workspace_id, f.sequence_id, f.step_id, c.phone, c.name, st.trigger, wall_time(f.due_at, l.paused_at, l.pause_offset),
       CASE WHEN f.status = 'SENT' AND e.status = 'COMPLETED'
             AND (e.current_flow_id = f.id      -- nearly always; else those after it were not sent, and it may be the last that was
                  OR (SELECT n.status FROM flows n WHERE n.id = e.current_flow_id) <> 'SENT' AND f.id = last_sent_flow(e.id))
            THEN 'completed' ELSE lower(f.status) END,
       NULL, NULL, NULL, NULL, f.retry_count, coalesce(f.failure_code || ': ' || f.failure_message, f.skip_reason), f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id JOIN enrollments e ON e.id = f.enrollment_id
  LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE f.settled_at IS NOT NULL;
