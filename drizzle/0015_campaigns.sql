CREATE TABLE "campaign_count_deltas" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "campaign_count_deltas_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"campaign_id" uuid NOT NULL,
	"workspace_id" uuid NOT NULL,
	"fed" bigint DEFAULT 0 NOT NULL,
	"sent" bigint DEFAULT 0 NOT NULL,
	"failed" bigint DEFAULT 0 NOT NULL,
	"skipped" bigint DEFAULT 0 NOT NULL,
	"cancelled" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "campaign_counts" (
	"campaign_id" uuid PRIMARY KEY NOT NULL,
	"workspace_id" uuid NOT NULL,
	"fed" bigint DEFAULT 0 NOT NULL,
	"sent" bigint DEFAULT 0 NOT NULL,
	"failed" bigint DEFAULT 0 NOT NULL,
	"skipped" bigint DEFAULT 0 NOT NULL,
	"cancelled" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "campaign_leads" (
	"campaign_id" uuid NOT NULL,
	"lead_id" uuid NOT NULL,
	"workspace_id" uuid NOT NULL,
	"lane_id" bigint NOT NULL,
	CONSTRAINT "campaign_leads_campaign_id_lead_id_pk" PRIMARY KEY("campaign_id","lead_id")
);
--> statement-breakpoint
CREATE TABLE "campaigns" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"name" text NOT NULL,
	"status" text DEFAULT 'DRAFT' NOT NULL,
	"message_text" text NOT NULL,
	"audience" jsonb NOT NULL,
	"start_at" timestamp (3) with time zone,
	"min_delay_seconds" integer DEFAULT 5 NOT NULL,
	"max_delay_seconds" integer DEFAULT 15 NOT NULL,
	"greeting" boolean DEFAULT false NOT NULL,
	"visible_variation" boolean DEFAULT false NOT NULL,
	"revision" integer DEFAULT 0 NOT NULL,
	"launch_id" uuid,
	"audience_size" integer,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "campaigns_workspace_id_id" UNIQUE("workspace_id","id"),
	CONSTRAINT "campaigns_status" CHECK ("campaigns"."status" IN ('DRAFT', 'SCHEDULED', 'RUNNING', 'PAUSED', 'COMPLETED', 'CANCELLED')),
	CONSTRAINT "campaigns_delays" CHECK ("campaigns"."min_delay_seconds" BETWEEN 0 AND "campaigns"."max_delay_seconds" AND "campaigns"."max_delay_seconds" <= 86400),
	CONSTRAINT "campaigns_launched" CHECK (("campaigns"."status" = 'DRAFT') = ("campaigns"."launch_id" IS NULL) AND ("campaigns"."launch_id" IS NULL) = ("campaigns"."audience_size" IS NULL))
);
--> statement-breakpoint
ALTER TABLE "flows" ALTER COLUMN "enrollment_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "flows" ALTER COLUMN "sequence_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "flows" ALTER COLUMN "step_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "lanes" ALTER COLUMN "sequence_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "event_batches" ADD COLUMN "campaign_ids" uuid[];--> statement-breakpoint
ALTER TABLE "flows" ADD COLUMN "campaign_id" uuid;--> statement-breakpoint
ALTER TABLE "lanes" ADD COLUMN "campaign_id" uuid;--> statement-breakpoint
ALTER TABLE "lanes" ADD COLUMN "is_test" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "lanes" ADD COLUMN "fed_lead_id" uuid;--> statement-breakpoint
ALTER TABLE "lanes" ADD COLUMN "unfed" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "campaign_count_deltas_campaign_id" ON "campaign_count_deltas" USING btree ("campaign_id");--> statement-breakpoint
CREATE INDEX "campaign_leads_lane" ON "campaign_leads" USING btree ("lane_id","lead_id");--> statement-breakpoint
CREATE INDEX "campaigns_live" ON "campaigns" USING btree ("status") WHERE "campaigns"."status" IN ('SCHEDULED', 'RUNNING') OR "campaigns"."status" = 'CANCELLED' AND "campaigns"."finished_at" IS NULL;--> statement-breakpoint
CREATE INDEX "flows_campaign" ON "flows" USING btree ("campaign_id","id") WHERE campaign_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "flows_campaign_lead" ON "flows" USING btree ("lead_id") WHERE campaign_id IS NOT NULL;--> statement-breakpoint
ALTER TABLE "lanes" ADD CONSTRAINT "lanes_campaign_id_time_zone" UNIQUE("campaign_id","is_test","time_zone");--> statement-breakpoint
ALTER TABLE "flows" ADD CONSTRAINT "flows_source" CHECK ((sequence_id IS NULL) = (enrollment_id IS NULL) AND (sequence_id IS NULL) = (step_id IS NULL) AND (sequence_id IS NULL) <> (campaign_id IS NULL));--> statement-breakpoint
ALTER TABLE "lanes" ADD CONSTRAINT "lanes_source" CHECK (("lanes"."sequence_id" IS NULL) <> ("lanes"."campaign_id" IS NULL));--> statement-breakpoint
-- A lane of a draft that was deleted stays: its test messages are shown by it. Campaigns have therefore no key from here.
ALTER TABLE campaigns ADD FOREIGN KEY (workspace_id) REFERENCES workspaces;
ALTER TABLE campaign_leads ADD FOREIGN KEY (campaign_id) REFERENCES campaigns;
-- With each feeding a lane's row is written anew in place.
ALTER TABLE lanes SET (fillfactor = 50);
ALTER TABLE event_batches ALTER campaign_ids SET STORAGE EXTERNAL;
--> statement-breakpoint

-- ── when lanes are open ─────────────────────────────────────────────────────────────────────────────────────────────────────────

-- As in 0005, for lanes of campaigns as well: a campaign has no window, and keeps the workspace's quiet hours.
CREATE FUNCTION lane_opening(of_workspace uuid, of_sequence uuid, in_zone text, after timestamptz, OUT open_from timestamptz, OUT open_until timestamptz) LANGUAGE plpgsql STABLE AS $$
DECLARE
  opens time;
  tolerance interval;
  quiet_from time;
  quiet_to time;
  zone text;
BEGIN
  SELECT s.schedule_time, make_interval(mins => s.schedule_tolerance_minutes), w.quiet_start, w.quiet_end INTO opens, tolerance, quiet_from, quiet_to
    FROM workspaces w LEFT JOIN sequences s ON s.id = of_sequence WHERE w.id = of_workspace;
  open_from := '-infinity';
  open_until := 'infinity';
  IF opens IS NULL AND quiet_from IS NULL THEN RETURN; END IF;

  zone := sound_zone(in_zone);
  WITH days AS (SELECT ((after AT TIME ZONE zone)::date + n)::date AS day FROM generate_series(-2, 8) AS n),
  windows AS (SELECT CASE WHEN opens IS NULL THEN tstzmultirange(tstzrange(after - interval '2 days', after + interval '8 days'))
                          ELSE range_agg(tstzrange(instant_of(day + opens, zone), instant_of(day + opens, zone) + tolerance)) END AS all_of FROM days),
  quiet AS (SELECT range_agg(tstzrange(instant_of(day + quiet_from, zone), instant_of(day + (quiet_to <= quiet_from)::int + quiet_to, zone))) AS all_of
              FROM days WHERE quiet_from IS NOT NULL)
  SELECT lower(span), upper(span) INTO open_from, open_until
    FROM windows CROSS JOIN quiet CROSS JOIN unnest(windows.all_of - coalesce(quiet.all_of, '{}'::tstzmultirange)) AS span
   WHERE upper(span) > after ORDER BY span LIMIT 1;
  IF NOT FOUND THEN
    open_from := 'infinity';
    open_until := 'infinity';
  END IF;
END
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION lane_opening(of_sequence uuid, in_zone text, after timestamptz, OUT open_from timestamptz, OUT open_until timestamptz) LANGUAGE sql STABLE AS $$
  SELECT o.open_from, o.open_until FROM sequences s CROSS JOIN LATERAL lane_opening(s.workspace_id, s.id, in_zone, after) AS o WHERE s.id = of_sequence
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION turn_lanes() RETURNS void LANGUAGE sql AS $$
  UPDATE lanes a SET open_from = o.open_from, open_until = o.open_until
    FROM lanes b CROSS JOIN LATERAL lane_opening(b.workspace_id, b.sequence_id, b.time_zone, statement_timestamp()) AS o
   WHERE a.id = b.id AND b.open_until <= statement_timestamp()
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION quiet_hours_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE lanes a SET open_from = o.open_from, open_until = o.open_until
    FROM lanes b CROSS JOIN LATERAL lane_opening(b.workspace_id, b.sequence_id, b.time_zone, clock_timestamp()) AS o
   WHERE a.id = b.id AND b.workspace_id = NEW.id;
  -- They may cover a window now, or no longer: reviewed anew, however they were written.
  UPDATE workspaces SET graph_revision = graph_revision + 1 WHERE id = NEW.id;
  RETURN NULL;
END
$$;
--> statement-breakpoint
-- The lane of a campaign and zone, made where it is missing. A zone that Postgres does not know has the lane of the workspace's. Whoever calls it holds the
-- campaign's row, so that no pause commits in between.
CREATE FUNCTION campaign_lane_of(of_campaign uuid, zone text, for_tests boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  lane bigint;
  known text := zone;
BEGIN
  LOOP
    SELECT id INTO lane FROM lanes WHERE campaign_id = of_campaign AND is_test = for_tests AND time_zone = known;
    IF FOUND THEN RETURN lane; END IF;
    SELECT sound_zone(zone, w.time_zone) INTO known FROM campaigns c JOIN workspaces w ON w.id = c.workspace_id WHERE c.id = of_campaign;
    IF NOT FOUND THEN RAISE EXCEPTION 'campaign % is gone', of_campaign; END IF;
    INSERT INTO lanes (workspace_id, campaign_id, is_test, time_zone, paused_at, open_from, open_until)
    SELECT c.workspace_id, c.id, for_tests, known, CASE WHEN for_tests OR c.status = 'RUNNING' THEN NULL ELSE clock_timestamp() END, o.open_from, o.open_until
      FROM campaigns c CROSS JOIN LATERAL lane_opening(c.workspace_id, NULL, known, clock_timestamp()) AS o WHERE c.id = of_campaign
    ON CONFLICT DO NOTHING;
  END LOOP;
END
$$;
--> statement-breakpoint

-- ── campaigns ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE FUNCTION campaign_text_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.revision := OLD.revision + 1;
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER campaigns_text BEFORE UPDATE OF message_text, min_delay_seconds, max_delay_seconds, greeting, visible_variation ON campaigns
  FOR EACH ROW EXECUTE FUNCTION campaign_text_changed();
--> statement-breakpoint
-- Lane time stands still from here on, or goes on from where it stood: a campaign is paused, resumed, cancelled and ended by its lanes' rows, a row for each
-- time zone. Test messages go out at any time but after its end.
CREATE FUNCTION campaign_status_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE lanes
     SET pause_offset = pause_offset + CASE WHEN s.is_open AND paused_at IS NOT NULL THEN clock_timestamp() - paused_at ELSE interval '0' END,
         paused_at = CASE WHEN s.is_open THEN NULL ELSE coalesce(paused_at, clock_timestamp()) END
    FROM (VALUES (false, NEW.status = 'RUNNING'), (true, NEW.status NOT IN ('COMPLETED', 'CANCELLED'))) AS s(for_tests, is_open)
   WHERE campaign_id = NEW.id AND is_test = s.for_tests;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER campaigns_status AFTER UPDATE OF status ON campaigns FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION campaign_status_changed();
--> statement-breakpoint

-- ── views ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE OR REPLACE VIEW events WITH (security_invoker = true) AS
SELECT b.id, b.xid, e.place, b.workspace_id, b.type, b.at, e.flow_id, e.sequence_id, e.device_id, e.status, e.previous_status, e.reason, e.reply_id, e.campaign_id
  FROM event_batches b
 CROSS JOIN LATERAL unnest(b.flow_ids, b.sequence_ids, b.device_ids, b.statuses, b.previous_statuses, b.reasons, b.reply_ids, b.campaign_ids) WITH ORDINALITY
         AS e(flow_id, sequence_id, device_id, status, previous_status, reason, reply_id, campaign_id, place);
--> statement-breakpoint
CREATE OR REPLACE VIEW processing_flows WITH (security_invoker = true) AS
SELECT f.*
  FROM device_attempts a
 CROSS JOIN LATERAL (SELECT * FROM flows f WHERE f.id = a.flow_id AND f.attempted_at IS NOT NULL AND f.settled_at IS NULL OFFSET 0) AS f
 WHERE a.at >= (SELECT settled_until FROM coordinator);
--> statement-breakpoint
CREATE OR REPLACE VIEW sequence_contacts WITH (security_invoker = true) AS
SELECT f.id, f.workspace_id, f.sequence_id, f.step_id AS sequence_stepid, c.phone AS contact_phone, c.name AS contact_name,
       st.trigger AS current_trigger, wall_time(f.due_at, l.paused_at, l.pause_offset) AS next_trigger_time, 'active' AS status,
       NULL::uuid AS processing_device_id, NULL::timestamptz AS processing_started_at,
       NULL::uuid AS assigned_worker_id, NULL::timestamptz AS worker_assigned_at,
       f.retry_count, NULL::text AS last_error, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE f.queued AND f.campaign_id IS NULL
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
 WHERE f.campaign_id IS NULL
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
SELECT f.id, f.workspace_id, f.bound_device_id AS device_id, f.sequence_id, f.campaign_id, c.phone AS recipient_phone, c.name AS recipient_name,
       coalesce(st.message_text, k.message_text) AS content, 'pending' AS status, wall_time(f.due_at, l.paused_at, l.pause_offset) AS scheduled_at,
       NULL::timestamptz AS sent_at, NULL::text AS error_message, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
  LEFT JOIN sequence_steps st ON st.id = f.step_id LEFT JOIN campaigns k ON k.id = f.campaign_id
 WHERE f.queued
UNION ALL
SELECT f.id, f.workspace_id, f.bound_device_id, f.sequence_id, f.campaign_id, c.phone, c.name, st.message_text, 'paused',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, NULL, f.created_at
  FROM enrollments e JOIN flows f ON f.id = e.current_flow_id JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
  LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE e.status = 'PAUSED' AND f.attempted_at IS NULL AND f.settled_at IS NULL AND NOT f.queued
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, f.campaign_id, c.phone, c.name, f.text, 'processing',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, NULL, f.created_at
  FROM processing_flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, f.campaign_id, c.phone, c.name, f.text, 'sent',
       wall_time(f.due_at, l.paused_at, l.pause_offset), f.sent_at, NULL, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.status = 'SENT'
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, f.campaign_id, c.phone, c.name, f.text, 'failed',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, f.failure_code || ': ' || f.failure_message, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.failed_at IS NOT NULL
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, f.campaign_id, c.phone, c.name, f.text, 'skipped',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, f.skip_reason, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.status = 'SKIPPED'
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, f.campaign_id, c.phone, c.name, f.text, 'cancelled',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, NULL, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.status = 'CANCELLED'
UNION ALL
SELECT f.id, f.workspace_id, f.bound_device_id, f.sequence_id, f.campaign_id, c.phone, c.name, NULL, 'pending',     -- which text it will be is not decided yet
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, NULL, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.undecided;
--> statement-breakpoint
-- Where each lead of a campaign's audience stands: every lead once, in one of these counts. Sums, as in sequence_totals. What a cancelled campaign has not put
-- into the queue is cancelled by that alone.
CREATE VIEW campaign_totals WITH (security_invoker = true) AS
SELECT c.id AS campaign_id, c.workspace_id, c.status, n.total, n.sent, n.failed, n.skipped, n.cancelled,
       n.total - n.sent - n.failed - n.skipped - n.cancelled AS waiting
  FROM (SELECT c.id, c.workspace_id, c.status, coalesce(c.audience_size, 0)::bigint AS size FROM campaigns c) AS c
  LEFT JOIN campaign_counts k ON k.campaign_id = c.id
 CROSS JOIN LATERAL (SELECT sum(fed) AS fed, sum(sent) AS sent, sum(failed) AS failed, sum(skipped) AS skipped, sum(cancelled) AS cancelled
                       FROM campaign_count_deltas WHERE campaign_id = c.id) AS d
 CROSS JOIN LATERAL (
   SELECT c.size AS total, (coalesce(k.sent, 0) + coalesce(d.sent, 0))::bigint AS sent, (coalesce(k.failed, 0) + coalesce(d.failed, 0))::bigint AS failed,
          (coalesce(k.skipped, 0) + coalesce(d.skipped, 0))::bigint AS skipped,
          (coalesce(k.cancelled, 0) + coalesce(d.cancelled, 0)
           + CASE WHEN c.status = 'CANCELLED' THEN c.size - coalesce(k.fed, 0) - coalesce(d.fed, 0) ELSE 0 END)::bigint AS cancelled) AS n;
--> statement-breakpoint

-- ── row-level security ──────────────────────────────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['campaigns', 'campaign_leads', 'campaign_counts', 'campaign_count_deltas'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_workspace ON %I TO rentak_api USING (workspace_id = (SELECT nullif(current_setting(''app.workspace_id'', true), '''')::uuid))', name);
  END LOOP;
END
$$;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE, DELETE ON campaigns TO rentak_api;
GRANT SELECT, INSERT ON campaign_leads TO rentak_api;
GRANT SELECT ON campaign_counts TO rentak_api;
GRANT SELECT, INSERT ON campaign_count_deltas TO rentak_api;
GRANT SELECT ON campaign_totals TO rentak_api;
