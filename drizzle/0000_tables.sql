-- Keys ordered by time (RFC 9562, version 7): 48 bits of milliseconds, 12 bits of the millisecond's fraction, 62 random bits. Made by
-- the database, whose clock also decides which partition a key falls into. Postgres 18 has them built in, at a tenth of the cost.
DO $do$
BEGIN
  IF current_setting('server_version_num')::int >= 180000 THEN
    CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS 'SELECT uuidv7()';
  ELSE
    CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
      SELECT encode(int8send(((micros / 1000) << 16) | 28672 | ((micros % 1000) * 4096 / 1000)) || substring(uuid_send(gen_random_uuid()) FROM 9), 'hex')::uuid
        FROM (SELECT (date_part('epoch', clock_timestamp()) * 1000000)::bigint AS micros) AS t
    $$;
  END IF;
END
$do$;--> statement-breakpoint
CREATE TABLE "device_attempts" (
	"workspace_id" uuid NOT NULL,
	"device_id" uuid NOT NULL,
	"flow_id" uuid NOT NULL,
	"at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "devices" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"name" text NOT NULL,
	"transport" text NOT NULL,
	"status" text DEFAULT 'OFFLINE' NOT NULL,
	"status_reason" text,
	"status_changed_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"paused_at" timestamp (3) with time zone,
	"hourly_limit" integer DEFAULT 80 NOT NULL,
	"daily_limit" integer DEFAULT 800 NOT NULL,
	"simulated_latency_ms" integer DEFAULT 200 NOT NULL,
	"simulated_failure_rate" double precision DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "devices_workspace_id_id" UNIQUE("workspace_id","id"),
	CONSTRAINT "devices_transport" CHECK ("devices"."transport" IN ('SIMULATOR')),
	CONSTRAINT "devices_status" CHECK ("devices"."status" IN ('CONNECTING', 'ONLINE', 'OFFLINE')),
	CONSTRAINT "devices_limits" CHECK ("devices"."hourly_limit" >= 1 AND "devices"."daily_limit" >= 1),
	CONSTRAINT "devices_failure_rate" CHECK ("devices"."simulated_failure_rate" BETWEEN 0 AND 1),
	CONSTRAINT "devices_latency" CHECK ("devices"."simulated_latency_ms" BETWEEN 0 AND 600000)
);
--> statement-breakpoint
CREATE TABLE "dispatch_lease" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"node_id" uuid,
	"epoch" bigint DEFAULT 0 NOT NULL,
	"settled_until" timestamp (3) with time zone DEFAULT '-infinity' NOT NULL,
	CONSTRAINT "dispatch_lease_only" CHECK ("dispatch_lease"."only")
);
--> statement-breakpoint
CREATE TABLE "nodes" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"name" text NOT NULL,
	"beat" bigint DEFAULT 0 NOT NULL,
	"devices" integer DEFAULT 0 NOT NULL,
	"active_workers" integer DEFAULT 0 NOT NULL,
	"last_tick_at" timestamp (3) with time zone,
	"last_tick_ms" double precision,
	"heartbeat_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"started_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "nodes_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "events" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"workspace_id" uuid NOT NULL,
	"type" text NOT NULL,
	"at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"flow_id" uuid,
	"sequence_id" uuid,
	"device_id" uuid,
	"status" text,
	"previous_status" text,
	"reason" text
) PARTITION BY RANGE ("id");
--> statement-breakpoint
CREATE TABLE "flows" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid NOT NULL,
	"lane_id" bigint NOT NULL,
	"lead_id" uuid NOT NULL,
	"enrollment_id" uuid NOT NULL,
	"sequence_id" uuid NOT NULL,
	"step_id" uuid NOT NULL,
	"queued" boolean DEFAULT true NOT NULL,
	"due_at" timestamp (3) with time zone NOT NULL,
	"bound_device_id" uuid,
	"status" text DEFAULT 'ACTIVE' NOT NULL,
	"attempt_id" uuid,
	"attempted_at" timestamp (3) with time zone,
	"device_id" uuid,
	"node_id" uuid,
	"text" text,
	"settled_at" timestamp (3) with time zone,
	"sent_at" timestamp (3) with time zone,
	"delivered_at" timestamp (3) with time zone,
	"read_at" timestamp (3) with time zone,
	"failed_at" timestamp (3) with time zone,
	"failure_code" text,
	"failure_message" text,
	"skip_reason" text,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "flows_status" CHECK ("flows"."status" IN ('ACTIVE', 'PROCESSING', 'SENT', 'FAILED', 'SKIPPED'))
) PARTITION BY RANGE ("id");
--> statement-breakpoint
CREATE TABLE "enrollment_queue" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "enrollment_queue_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"workspace_id" uuid NOT NULL,
	"lead_id" uuid NOT NULL,
	"trigger" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "lead_import_rejects" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "lead_import_rejects_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"import_id" uuid NOT NULL,
	"line" integer NOT NULL,
	"reason" text NOT NULL,
	"raw" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "lead_imports" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"file_name" text NOT NULL,
	"status" text DEFAULT 'RUNNING' NOT NULL,
	"bytes_total" bigint,
	"bytes_read" bigint DEFAULT 0 NOT NULL,
	"rows_read" integer DEFAULT 0 NOT NULL,
	"rows_created" integer DEFAULT 0 NOT NULL,
	"rows_updated" integer DEFAULT 0 NOT NULL,
	"rows_rejected" integer DEFAULT 0 NOT NULL,
	"progress_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"started_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "lead_imports_workspace_id_id" UNIQUE("workspace_id","id"),
	CONSTRAINT "lead_imports_status" CHECK ("lead_imports"."status" IN ('RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'))
);
--> statement-breakpoint
CREATE TABLE "leads" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"phone" text NOT NULL,
	"name" text,
	"niche" text,
	"trigger" text,
	"attributes" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"time_zone" text,
	"preferred_device_id" uuid,
	"last_device_id" uuid,
	"import_id" uuid,
	"consent_source" text,
	"consent_at" timestamp (3) with time zone,
	"opted_out_at" timestamp (3) with time zone,
	"opt_out_reason" text,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "leads_phone_workspace_id" UNIQUE("phone","workspace_id"),
	CONSTRAINT "leads_workspace_id_id" UNIQUE("workspace_id","id"),
	CONSTRAINT "leads_phone" CHECK ("leads"."phone" ~ '^[1-9][0-9]{5,14}$'),
	CONSTRAINT "leads_trigger_length" CHECK (length("leads"."trigger") <= 1000),
	CONSTRAINT "leads_attributes" CHECK (jsonb_typeof("leads"."attributes") = 'object'),
	CONSTRAINT "leads_consent" CHECK (("leads"."consent_source" IS NULL) = ("leads"."consent_at" IS NULL))
);
--> statement-breakpoint
CREATE TABLE "enrollments" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid NOT NULL,
	"lead_id" uuid NOT NULL,
	"sequence_id" uuid NOT NULL,
	"status" text DEFAULT 'ACTIVE' NOT NULL,
	"stop_reason" text,
	"trigger" text NOT NULL,
	"current_flow_id" uuid NOT NULL,
	"paused_lane_time" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "enrollments_status" CHECK ("enrollments"."status" IN ('ACTIVE', 'PAUSED', 'COMPLETED', 'STOPPED'))
);
--> statement-breakpoint
CREATE TABLE "lanes" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "lanes_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"workspace_id" uuid NOT NULL,
	"sequence_id" uuid NOT NULL,
	"time_zone" text NOT NULL,
	"paused_at" timestamp (3) with time zone,
	"pause_offset" interval DEFAULT '0' NOT NULL,
	CONSTRAINT "lanes_sequence_id_time_zone" UNIQUE("sequence_id","time_zone")
);
--> statement-breakpoint
CREATE TABLE "removed_steps" (
	"id" uuid PRIMARY KEY NOT NULL,
	"workspace_id" uuid NOT NULL,
	"trigger" text NOT NULL,
	"next_trigger" text
);
--> statement-breakpoint
CREATE TABLE "sequence_count_deltas" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "sequence_count_deltas_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"sequence_id" uuid NOT NULL,
	"workspace_id" uuid NOT NULL,
	"enrolled" bigint DEFAULT 0 NOT NULL,
	"active" bigint DEFAULT 0 NOT NULL,
	"paused" bigint DEFAULT 0 NOT NULL,
	"completed" bigint DEFAULT 0 NOT NULL,
	"stopped" bigint DEFAULT 0 NOT NULL,
	"sent" bigint DEFAULT 0 NOT NULL,
	"failed" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sequence_counts" (
	"sequence_id" uuid PRIMARY KEY NOT NULL,
	"workspace_id" uuid NOT NULL,
	"enrolled" bigint DEFAULT 0 NOT NULL,
	"active" bigint DEFAULT 0 NOT NULL,
	"paused" bigint DEFAULT 0 NOT NULL,
	"completed" bigint DEFAULT 0 NOT NULL,
	"stopped" bigint DEFAULT 0 NOT NULL,
	"sent" bigint DEFAULT 0 NOT NULL,
	"failed" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sequence_steps" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"sequence_id" uuid NOT NULL,
	"day_number" integer NOT NULL,
	"trigger" text NOT NULL,
	"next_trigger" text,
	"trigger_delay_hours" double precision,
	"is_entry_point" boolean DEFAULT false NOT NULL,
	"message_text" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "sequence_steps_workspace_id_trigger" UNIQUE("workspace_id","trigger") DEFERRABLE
);
--> statement-breakpoint
CREATE TABLE "sequences" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"name" text NOT NULL,
	"trigger_prefix" text,
	"trigger" text,
	"status" text DEFAULT 'DRAFT' NOT NULL,
	"is_active" boolean DEFAULT false NOT NULL,
	"min_delay_seconds" integer DEFAULT 10 NOT NULL,
	"max_delay_seconds" integer DEFAULT 30 NOT NULL,
	"trigger_delay_hours" double precision DEFAULT 24 NOT NULL,
	"start_delay_minutes" integer DEFAULT 0 NOT NULL,
	"on_failure" text DEFAULT 'CONTINUE' NOT NULL,
	"is_sound" boolean DEFAULT false NOT NULL,
	"reviewed_revision" integer DEFAULT -1 NOT NULL,
	"revision" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "sequences_workspace_id_id" UNIQUE("workspace_id","id"),
	CONSTRAINT "sequences_status" CHECK ("sequences"."status" IN ('DRAFT', 'ACTIVE', 'PAUSED', 'ARCHIVED')),
	CONSTRAINT "sequences_on_failure" CHECK ("sequences"."on_failure" IN ('CONTINUE', 'STOP')),
	CONSTRAINT "sequences_delays" CHECK ("sequences"."min_delay_seconds" BETWEEN 0 AND "sequences"."max_delay_seconds" AND "sequences"."max_delay_seconds" <= 86400)
);
--> statement-breakpoint
CREATE TABLE "api_tokens" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"name" text NOT NULL,
	"scopes" text[] NOT NULL,
	"hash" "bytea" NOT NULL,
	"prefix" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"last_used_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "api_tokens_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"key" text NOT NULL,
	"operation" text NOT NULL,
	"input_hash" text NOT NULL,
	"result" jsonb,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "idempotency_keys_workspace_id_key_pk" PRIMARY KEY("workspace_id","key")
);
--> statement-breakpoint
CREATE TABLE "installation" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"message_id_key" "bytea" NOT NULL,
	"log_generation" uuid DEFAULT gen_random_uuid() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "workspaces" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"name" text NOT NULL,
	"time_zone" text DEFAULT 'Asia/Kuala_Lumpur' NOT NULL,
	"default_country" text DEFAULT 'MY' NOT NULL,
	"graph_revision" bigint DEFAULT 0 NOT NULL,
	"reviewed_revision" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "lead_import_rejects" ADD CONSTRAINT "lead_import_rejects_workspace_id_import_id_lead_imports_workspace_id_id_fk" FOREIGN KEY ("workspace_id","import_id") REFERENCES "public"."lead_imports"("workspace_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sequence_steps" ADD CONSTRAINT "sequence_steps_workspace_id_sequence_id_sequences_workspace_id_id_fk" FOREIGN KEY ("workspace_id","sequence_id") REFERENCES "public"."sequences"("workspace_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "device_attempts_device_at" ON "device_attempts" USING btree ("device_id","at");--> statement-breakpoint
CREATE INDEX "device_attempts_at" ON "device_attempts" USING btree ("at");--> statement-breakpoint
CREATE INDEX "events_xid" ON "events" USING btree ("xid","id");--> statement-breakpoint
CREATE INDEX "flows_lane" ON "flows" USING btree ("lane_id","due_at","id") WHERE queued;--> statement-breakpoint
CREATE INDEX "flows_bound_device" ON "flows" USING btree ("bound_device_id","due_at","id") WHERE queued AND bound_device_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "flows_enrollment" ON "flows" USING btree ("enrollment_id","id");--> statement-breakpoint
CREATE INDEX "flows_failed" ON "flows" USING btree ("failed_at","id") WHERE failed_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "enrollment_queue_workspace_id" ON "enrollment_queue" USING btree ("workspace_id","id");--> statement-breakpoint
CREATE INDEX "lead_import_rejects_import_id" ON "lead_import_rejects" USING btree ("import_id","id");--> statement-breakpoint
CREATE INDEX "leads_workspace_id_niche" ON "leads" USING btree ("workspace_id","niche");--> statement-breakpoint
CREATE INDEX "leads_import_id" ON "leads" USING btree ("import_id") WHERE "leads"."import_id" IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "enrollments_open" ON "enrollments" USING btree ("sequence_id","lead_id") WHERE "enrollments"."status" IN ('ACTIVE', 'PAUSED');--> statement-breakpoint
CREATE INDEX "enrollments_lead_id" ON "enrollments" USING btree ("lead_id","id");--> statement-breakpoint
CREATE INDEX "enrollments_sequence_id" ON "enrollments" USING btree ("sequence_id","id");--> statement-breakpoint
CREATE INDEX "enrollments_paused" ON "enrollments" USING btree ("id") WHERE "enrollments"."status" = 'PAUSED';--> statement-breakpoint
CREATE INDEX "lanes_workspace_id" ON "lanes" USING btree ("workspace_id");--> statement-breakpoint
CREATE INDEX "sequence_count_deltas_sequence_id" ON "sequence_count_deltas" USING btree ("sequence_id");--> statement-breakpoint
CREATE INDEX "sequence_steps_sequence_id" ON "sequence_steps" USING btree ("sequence_id");--> statement-breakpoint
CREATE INDEX "idempotency_keys_created_at" ON "idempotency_keys" USING btree ("created_at");