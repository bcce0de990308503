ALTER TABLE "sequences" ADD COLUMN "greeting" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "sequences" ADD COLUMN "visible_variation" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "greetings" jsonb DEFAULT '[{"from": "05:00", "templates": ["Selamat pagi {{name}}"]}, {"from": "12:00", "templates": ["{Hi|Hello|Hai} {{name}}"]}]' NOT NULL;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "form_of_address" text DEFAULT 'Cik' NOT NULL;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "greetings_revision" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_greetings" CHECK ("workspaces"."greetings" <> '[]' AND "workspaces"."greetings" = jsonb_path_query_array("workspaces"."greetings", 'strict $[*] ? (@.from like_regex "^([01][0-9]|2[0-3]):[0-5][0-9]$" && @.templates.size() > 0 && !exists (@.templates[*] ? (@.type() != "string")))', '{}', true));--> statement-breakpoint
CREATE FUNCTION greetings_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.greetings_revision := OLD.greetings_revision + 1;
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER workspaces_greetings BEFORE UPDATE OF greetings, form_of_address ON workspaces FOR EACH ROW
  WHEN ((OLD.greetings, OLD.form_of_address) IS DISTINCT FROM (NEW.greetings, NEW.form_of_address)) EXECUTE FUNCTION greetings_changed();
--> statement-breakpoint
DROP TRIGGER sequences_written ON sequences;
CREATE TRIGGER sequences_written BEFORE INSERT OR UPDATE OF name, trigger_prefix, trigger, status, is_active, min_delay_seconds, max_delay_seconds,
  trigger_delay_hours, start_delay_minutes, on_failure, schedule_time, schedule_tolerance_minutes, time_zone, no_device_grace_minutes, greeting, visible_variation
  ON sequences FOR EACH ROW EXECUTE FUNCTION sequence_written();
DROP TRIGGER sequences_changed ON sequences;
CREATE TRIGGER sequences_changed AFTER INSERT OR DELETE OR UPDATE OF name, trigger_prefix, trigger, status, is_active, min_delay_seconds, max_delay_seconds,
  trigger_delay_hours, start_delay_minutes, on_failure, schedule_time, schedule_tolerance_minutes, time_zone, no_device_grace_minutes, greeting, visible_variation
  ON sequences FOR EACH ROW EXECUTE FUNCTION sequence_changed();
