-- For those who look straight into Postgres. The views are split into branches (UNION ALL) so that a condition on a constant column drops
-- the branches that cannot match: a search for what is pending or processing then reads an index of few rows, not every flow ever sent.

-- Attempted and not settled. Found through the attempts since settled_until: an index on flows would make every settle a non-HOT update. The
-- subquery is closed (OFFSET 0), so that each attempt looks its flow up by the key, whatever the statistics say.
CREATE VIEW processing_flows WITH (security_invoker = true) AS
SELECT f.*
  FROM device_attempts a
 CROSS JOIN LATERAL (SELECT * FROM flows f WHERE f.id = a.flow_id AND f.attempted_at IS NOT NULL AND f.settled_at IS NULL OFFSET 0) AS f
 WHERE a.at >= (SELECT settled_until FROM dispatch_lease);
--> statement-breakpoint
CREATE VIEW sequence_contacts WITH (security_invoker = true) AS
SELECT f.id, f.workspace_id, f.sequence_id, f.step_id AS sequence_stepid, c.phone AS contact_phone, c.name AS contact_name,
       st.trigger AS current_trigger, wall_time(f.due_at, l.paused_at, l.pause_offset) AS next_trigger_time, 'active' AS status,
       NULL::uuid AS processing_device_id, NULL::timestamptz AS processing_started_at,
       NULL::uuid AS assigned_worker_id, NULL::timestamptz AS worker_assigned_at,
       0 AS retry_count, NULL::text AS last_error, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE f.queued
UNION ALL
SELECT f.id, f.workspace_id, f.sequence_id, f.step_id, c.phone, c.name, st.trigger, wall_time(f.due_at, l.paused_at, l.pause_offset), 'active',
       NULL, NULL, NULL, NULL, 0, NULL, f.created_at
  FROM enrollments e JOIN flows f ON f.id = e.current_flow_id JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
  LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE e.status = 'PAUSED' AND f.attempted_at IS NULL AND f.settled_at IS NULL AND NOT f.queued
UNION ALL
SELECT f.id, f.workspace_id, f.sequence_id, f.step_id, c.phone, c.name, st.trigger, wall_time(f.due_at, l.paused_at, l.pause_offset), 'active',
       f.device_id, f.attempted_at, f.node_id, f.attempted_at, 0, NULL, f.created_at
  FROM processing_flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id LEFT JOIN sequence_steps st ON st.id = f.step_id
UNION ALL
SELECT f.id, f.workspace_id, f.sequence_id, f.step_id, c.phone, c.name, st.trigger, wall_time(f.due_at, l.paused_at, l.pause_offset),
       CASE WHEN f.status = 'SENT' AND e.status = 'COMPLETED'
             AND (e.current_flow_id = f.id      -- or those after it were not sent
                  OR NOT EXISTS (SELECT FROM flows later WHERE later.enrollment_id = e.id AND later.id > f.id AND later.status = 'SENT'))
            THEN 'completed' ELSE lower(f.status) END,
       NULL, NULL, NULL, NULL, 0, coalesce(f.failure_code || ': ' || f.failure_message, f.skip_reason), f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id JOIN enrollments e ON e.id = f.enrollment_id
  LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE f.settled_at IS NOT NULL;
--> statement-breakpoint
CREATE VIEW broadcast_messages WITH (security_invoker = true) AS
SELECT f.id, f.workspace_id, f.bound_device_id AS device_id, f.sequence_id, NULL::uuid AS campaign_id, c.phone AS recipient_phone, c.name AS recipient_name,
       st.message_text AS content, 'pending' AS status, wall_time(f.due_at, l.paused_at, l.pause_offset) AS scheduled_at,
       NULL::timestamptz AS sent_at, NULL::text AS error_message, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE f.queued
UNION ALL
SELECT f.id, f.workspace_id, f.bound_device_id, f.sequence_id, NULL, c.phone, c.name, st.message_text, 'paused',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, NULL, f.created_at
  FROM enrollments e JOIN flows f ON f.id = e.current_flow_id JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
  LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE e.status = 'PAUSED' AND f.attempted_at IS NULL AND f.settled_at IS NULL AND NOT f.queued
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, NULL, c.phone, c.name, f.text, 'processing',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, NULL, f.created_at
  FROM processing_flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, NULL, c.phone, c.name, f.text, 'sent',
       wall_time(f.due_at, l.paused_at, l.pause_offset), f.sent_at, NULL, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.status = 'SENT'
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, NULL, c.phone, c.name, f.text, 'failed',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, f.failure_code || ': ' || f.failure_message, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.failed_at IS NOT NULL
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, NULL, c.phone, c.name, f.text, 'skipped',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, f.skip_reason, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.status = 'SKIPPED';
--> statement-breakpoint
CREATE VIEW device_load_balance WITH (security_invoker = true) AS
SELECT d.id AS device_id, d.workspace_id, n.hour::int AS messages_hour, n.today::int AS messages_today,
       now() - interval '1 hour' AS last_reset_hour, now() - interval '24 hours' AS last_reset_day,
       d.status = 'ONLINE' AND d.paused_at IS NULL AND n.hour < d.hourly_limit AND n.today < d.daily_limit AS is_available, now() AS updated_at
  FROM devices d
 CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE a.at > now() - interval '1 hour') AS hour, count(*) AS today
                       FROM device_attempts a WHERE a.device_id = d.id AND a.at > now() - interval '24 hours') AS n;
--> statement-breakpoint
CREATE VIEW device_performance_monitor WITH (security_invoker = true) AS
WITH processing AS (SELECT device_id, count(*)::int AS flows FROM processing_flows GROUP BY device_id)
SELECT d.id AS device_id, d.workspace_id, d.name AS device_name, lower(d.status) AS device_status, b.messages_hour, b.messages_today,
       coalesce(p.flows, 0) AS current_processing, b.is_available
  FROM devices d JOIN device_load_balance b ON b.device_id = d.id LEFT JOIN processing p ON p.device_id = d.id;
--> statement-breakpoint
-- Counts are sums of what each batch added in its own transaction, so that they never lag and never meet in one hot row.
CREATE VIEW sequence_totals WITH (security_invoker = true) AS
SELECT s.id AS sequence_id, s.workspace_id, (coalesce(c.enrolled, 0) + coalesce(d.enrolled, 0))::bigint AS enrolled,
       (coalesce(c.active, 0) + coalesce(d.active, 0))::bigint AS active, (coalesce(c.paused, 0) + coalesce(d.paused, 0))::bigint AS paused,
       (coalesce(c.completed, 0) + coalesce(d.completed, 0))::bigint AS completed, (coalesce(c.stopped, 0) + coalesce(d.stopped, 0))::bigint AS stopped,
       (coalesce(c.sent, 0) + coalesce(d.sent, 0))::bigint AS sent, (coalesce(c.failed, 0) + coalesce(d.failed, 0))::bigint AS failed
  FROM sequences s LEFT JOIN sequence_counts c ON c.sequence_id = s.id
 CROSS JOIN LATERAL (SELECT sum(enrolled) AS enrolled, sum(active) AS active, sum(paused) AS paused, sum(completed) AS completed,
                            sum(stopped) AS stopped, sum(sent) AS sent, sum(failed) AS failed
                       FROM sequence_count_deltas WHERE sequence_id = s.id) AS d;
--> statement-breakpoint
CREATE VIEW sequence_progress_monitor WITH (security_invoker = true) AS
SELECT s.id AS sequence_id, s.workspace_id, s.name AS sequence_name, lower(s.status) AS sequence_status, t.enrolled AS total_contacts,
       t.active, t.paused, t.completed, t.stopped, t.sent AS flows_sent, t.failed AS flows_failed,
       round(100.0 * (t.completed + t.stopped) / greatest(t.enrolled, 1), 1) AS percentage
  FROM sequences s JOIN sequence_totals t ON t.sequence_id = s.id;
--> statement-breakpoint
CREATE VIEW failed_flows_monitor WITH (security_invoker = true) AS
SELECT f.id AS flow_id, f.workspace_id, s.name AS sequence_name, st.trigger AS step_trigger, st.day_number, c.phone AS contact_phone, c.name AS contact_name,
       f.device_id, d.name AS device_name, f.failure_code AS error_code, f.failure_message AS error_message, f.attempted_at, f.failed_at
  FROM flows f LEFT JOIN sequences s ON s.id = f.sequence_id LEFT JOIN sequence_steps st ON st.id = f.step_id
  LEFT JOIN leads c ON c.id = f.lead_id LEFT JOIN devices d ON d.id = f.device_id
 WHERE f.failed_at IS NOT NULL;
