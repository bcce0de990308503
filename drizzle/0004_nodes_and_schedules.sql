CREATE TABLE "coordinator" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"node_id" uuid,
	"settled_until" timestamp (3) with time zone DEFAULT '-infinity' NOT NULL,
	CONSTRAINT "coordinator_only" CHECK ("coordinator"."only")
);
--> statement-breakpoint
CREATE TABLE "lead_pace" (
	"lead_id" uuid PRIMARY KEY NOT NULL,
	"workspace_id" uuid NOT NULL,
	"attempted_at" timestamp (3) with time zone[] NOT NULL
);
--> statement-breakpoint
ALTER TABLE "flows" DROP CONSTRAINT "flows_status";--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "node_id" uuid;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "wanted_node_id" uuid;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "quarantined" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "spills" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "nodes" ADD COLUMN "capacity" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "nodes" ADD COLUMN "orders" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "nodes" ADD COLUMN "process" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "flows" ADD COLUMN "retry_of" uuid;--> statement-breakpoint
ALTER TABLE "flows" ADD COLUMN "retried_as" uuid;--> statement-breakpoint
ALTER TABLE "flows" ADD COLUMN "retry_count" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "flows" ADD COLUMN "deferred_from" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "lanes" ADD COLUMN "open_from" timestamp (3) with time zone DEFAULT '-infinity' NOT NULL;--> statement-breakpoint
ALTER TABLE "lanes" ADD COLUMN "open_until" timestamp (3) with time zone DEFAULT 'infinity' NOT NULL;--> statement-breakpoint
ALTER TABLE "sequences" ADD COLUMN "schedule_time" time;--> statement-breakpoint
ALTER TABLE "sequences" ADD COLUMN "schedule_tolerance_minutes" integer DEFAULT 10 NOT NULL;--> statement-breakpoint
ALTER TABLE "sequences" ADD COLUMN "time_zone" text;--> statement-breakpoint
ALTER TABLE "sequences" ADD COLUMN "no_device_grace_minutes" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "quiet_start" time;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "quiet_end" time;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "cap_messages" integer;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "cap_hours" integer;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "hourly_ceiling" integer;--> statement-breakpoint
CREATE INDEX "devices_workspace_id_node_id" ON "devices" USING btree ("workspace_id","node_id");--> statement-breakpoint
CREATE INDEX "devices_node_id" ON "devices" USING btree ("node_id");--> statement-breakpoint
CREATE INDEX "flows_retries" ON "flows" USING btree ("id") WHERE retry_count > 0;--> statement-breakpoint
CREATE INDEX "lanes_open_until" ON "lanes" USING btree ("open_until");--> statement-breakpoint
ALTER TABLE "flows" ADD CONSTRAINT "flows_status" CHECK (status IN ('ACTIVE', 'PROCESSING', 'SENT', 'FAILED', 'SKIPPED', 'CANCELLED'));--> statement-breakpoint
ALTER TABLE "sequences" ADD CONSTRAINT "sequences_schedule_tolerance" CHECK ("sequences"."schedule_tolerance_minutes" BETWEEN 1 AND 1440);--> statement-breakpoint
ALTER TABLE "sequences" ADD CONSTRAINT "sequences_no_device_grace" CHECK ("sequences"."no_device_grace_minutes" >= 0);--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_quiet_hours" CHECK (("workspaces"."quiet_start" IS NULL) = ("workspaces"."quiet_end" IS NULL) AND coalesce("workspaces"."quiet_start" <> "workspaces"."quiet_end", true));--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_frequency_cap" CHECK (("workspaces"."cap_messages" IS NULL) = ("workspaces"."cap_hours" IS NULL) AND coalesce("workspaces"."cap_messages" BETWEEN 1 AND 100 AND "workspaces"."cap_hours" BETWEEN 1 AND 8760, true));--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_hourly_ceiling" CHECK ("workspaces"."hourly_ceiling" >= 1);