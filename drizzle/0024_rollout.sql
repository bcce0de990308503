ALTER TABLE "devices" ADD COLUMN "ramp_days" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "ramp_began_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "is_held_back" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "max_sending_devices" integer;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "enrollment_percent" integer DEFAULT 100 NOT NULL;--> statement-breakpoint
ALTER TABLE "devices" ADD CONSTRAINT "devices_ramp" CHECK ("devices"."ramp_days" BETWEEN 0 AND 90);--> statement-breakpoint
ALTER TABLE "devices" ADD CONSTRAINT "devices_held_back" CHECK (NOT "devices"."is_held_back" OR "devices"."paused_at" IS NOT NULL);--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_rollout" CHECK ("workspaces"."max_sending_devices" >= 0 AND "workspaces"."enrollment_percent" BETWEEN 0 AND 100);--> statement-breakpoint
-- What is in force of a device's limit, which grows each day to the whole. The same as rampedLimit in devices/ramp.ts.
CREATE FUNCTION ramped_limit(whole int, days int, began_at timestamptz) RETURNS int LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN days = 0 THEN whole
              ELSE least(whole, greatest(1, whole::bigint * (1 + greatest(0, floor(extract(epoch FROM now() - coalesce(began_at, now())) / 86400)::bigint)) / (days + 1)))::int END
$$;
--> statement-breakpoint
-- Always the same leads, and those of a smaller share are among those of a larger one.
CREATE FUNCTION is_admitted(lead uuid, percent int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT percent >= 100 OR mod(hashtextextended(lead::text, 0), 100) + CASE WHEN mod(hashtextextended(lead::text, 0), 100) < 0 THEN 100 ELSE 0 END < percent
$$;
--> statement-breakpoint
CREATE OR REPLACE VIEW device_load_balance WITH (security_invoker = true) AS
SELECT d.id AS device_id, d.workspace_id, n.hour::int AS messages_hour, n.today::int AS messages_today,
       now() - interval '1 hour' AS last_reset_hour, now() - interval '24 hours' AS last_reset_day,
       d.status = 'ONLINE' AND d.paused_at IS NULL AND n.hour < ramped_limit(d.hourly_limit, d.ramp_days, d.ramp_began_at)
         AND n.today < ramped_limit(d.daily_limit, d.ramp_days, d.ramp_began_at) AS is_available, now() AS updated_at
  FROM devices d
 CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE a.at > now() - interval '1 hour') AS hour, count(*) AS today
                       FROM device_attempts a WHERE a.device_id = d.id AND a.at > now() - interval '24 hours') AS n;
--> statement-breakpoint
-- Their words were dropped while fewer were admitted.
CREATE FUNCTION more_leads_admitted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO enrollment_queue (workspace_id, lead_id, trigger)
  SELECT l.workspace_id, l.id, word FROM leads l, unnest(trigger_words(l.trigger)) AS word
   WHERE l.workspace_id = NEW.id AND l.trigger IS NOT NULL AND is_admitted(l.id, NEW.enrollment_percent) AND NOT is_admitted(l.id, OLD.enrollment_percent);
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER workspaces_rollout AFTER UPDATE OF enrollment_percent ON workspaces FOR EACH ROW
  WHEN (NEW.enrollment_percent > OLD.enrollment_percent) EXECUTE FUNCTION more_leads_admitted();
