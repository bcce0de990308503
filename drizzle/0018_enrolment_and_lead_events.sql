ALTER TABLE "event_batches" ADD COLUMN "enrollment_ids" uuid[];--> statement-breakpoint
ALTER TABLE "event_batches" ADD COLUMN "lead_ids" uuid[];--> statement-breakpoint
ALTER TABLE "enrollments" ADD COLUMN "stop_note" text;--> statement-breakpoint
ALTER TABLE event_batches ALTER enrollment_ids SET STORAGE EXTERNAL, ALTER lead_ids SET STORAGE EXTERNAL;
--> statement-breakpoint
CREATE OR REPLACE VIEW events WITH (security_invoker = true) AS
SELECT b.id, b.xid, e.place, b.workspace_id, b.type, b.at, e.flow_id, e.sequence_id, e.device_id, e.status, e.previous_status, e.reason, e.reply_id, e.campaign_id, e.enrollment_id, e.lead_id
  FROM event_batches b
 CROSS JOIN LATERAL unnest(b.flow_ids, b.sequence_ids, b.device_ids, b.statuses, b.previous_statuses, b.reasons, b.reply_ids, b.campaign_ids, b.enrollment_ids, b.lead_ids) WITH ORDINALITY
         AS e(flow_id, sequence_id, device_id, status, previous_status, reason, reply_id, campaign_id, enrollment_id, lead_id, place);
--> statement-breakpoint
-- Whoever writes an opt-out or takes it back: the API, a stop word, an import, SQL. By row: of a statement's rows as a whole it would have to be found out at
-- every update of leads, which settling does all the time.
CREATE FUNCTION lead_opted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO event_batches (workspace_id, type, lead_ids, statuses)
  VALUES (NEW.workspace_id, 'LEAD', ARRAY[NEW.id], ARRAY[CASE WHEN NEW.opted_out_at IS NULL THEN 'OPTED_IN' ELSE 'OPTED_OUT' END]);
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER leads_opted AFTER UPDATE OF opted_out_at ON leads FOR EACH ROW
  WHEN ((OLD.opted_out_at IS NULL) <> (NEW.opted_out_at IS NULL)) EXECUTE FUNCTION lead_opted();
