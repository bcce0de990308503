ALTER TABLE "flows" ADD COLUMN "undecided" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "sequence_steps" ADD COLUMN "branches" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
CREATE INDEX "flows_undecided" ON "flows" USING btree ("lane_id","due_at") WHERE undecided;--> statement-breakpoint
ALTER TABLE "sequence_steps" ADD CONSTRAINT "sequence_steps_branches" CHECK ("sequence_steps"."branches" = jsonb_path_query_array("sequence_steps"."branches", 'strict $[*] ? ((@.condition == "ATTRIBUTE_EQUALS" && @.value.type() == "object" || @.condition == "NICHE_IN" && @.value.niches.type() == "array" || @.condition == "REPLIED_SINCE" || @.condition == "READ") && (@.nextTrigger == null || @.nextTrigger.type() == "string"))', '{}', true));--> statement-breakpoint
-- What waits for its branches to be decided is not in the queue, and waits all the same.
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
 WHERE f.settled_at IS NOT NULL
UNION ALL
SELECT f.id, f.workspace_id, f.sequence_id, f.step_id, c.phone, c.name, st.trigger, wall_time(f.due_at, l.paused_at, l.pause_offset), 'active',
       NULL, NULL, NULL, NULL, f.retry_count, NULL, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE f.undecided;
--> statement-breakpoint
CREATE OR REPLACE VIEW broadcast_messages WITH (security_invoker = true) AS
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
 WHERE f.status = 'SKIPPED'
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, NULL, c.phone, c.name, f.text, 'cancelled',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, NULL, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.status = 'CANCELLED'
UNION ALL
SELECT f.id, f.workspace_id, f.bound_device_id, f.sequence_id, NULL, c.phone, c.name, NULL, 'pending',     -- which text it will be is not decided yet
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, NULL, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.undecided;
