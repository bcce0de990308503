CREATE TABLE "webhook_deliveries" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid NOT NULL,
	"endpoint_id" uuid NOT NULL,
	"event_key" text NOT NULL,
	"content" jsonb NOT NULL,
	"attempts" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"settled_at" timestamp (3) with time zone,
	"outcome" text,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "webhook_deliveries_event" UNIQUE("endpoint_id","event_key"),
	CONSTRAINT "webhook_deliveries_settled_as" CHECK (("webhook_deliveries"."settled_at" IS NULL) = ("webhook_deliveries"."outcome" IS NULL) AND "webhook_deliveries"."outcome" IN ('DELIVERED', 'FAILED', 'SKIPPED'))
);
--> statement-breakpoint
CREATE TABLE "webhook_endpoints" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid NOT NULL,
	"url" text NOT NULL,
	"description" text NOT NULL,
	"event_types" text[] NOT NULL,
	"sealed_secret" "bytea" NOT NULL,
	"sealed_previous" "bytea",
	"previous_until" timestamp (3) with time zone,
	"position" text NOT NULL,
	"failing_since" timestamp (3) with time zone,
	"disabled_at" timestamp (3) with time zone,
	"disabled_reason" text,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "webhook_endpoints_workspace_id_id" UNIQUE("workspace_id","id"),
	CONSTRAINT "webhook_endpoints_disabled" CHECK (("webhook_endpoints"."disabled_at" IS NULL) = ("webhook_endpoints"."disabled_reason" IS NULL) AND "webhook_endpoints"."disabled_reason" IN ('OPERATOR', 'GONE', 'FAILING')),
	CONSTRAINT "webhook_endpoints_previous" CHECK (("webhook_endpoints"."sealed_previous" IS NULL) = ("webhook_endpoints"."previous_until" IS NULL)),
	CONSTRAINT "webhook_endpoints_event_types" CHECK (cardinality("webhook_endpoints"."event_types") > 0)
);
--> statement-breakpoint
ALTER TABLE "event_batches" ADD COLUMN "webhook_endpoint_ids" uuid[];--> statement-breakpoint
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_workspace_id_endpoint_id_webhook_endpoints_workspace_id_id_fk" FOREIGN KEY ("workspace_id","endpoint_id") REFERENCES "webhook_endpoints"("workspace_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "webhook_deliveries_due" ON "webhook_deliveries" USING btree ("endpoint_id","next_attempt_at") WHERE settled_at IS NULL;--> statement-breakpoint
CREATE INDEX "webhook_deliveries_endpoint" ON "webhook_deliveries" USING btree ("endpoint_id","id");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_settled" ON "webhook_deliveries" USING btree ("settled_at") WHERE settled_at IS NOT NULL;--> statement-breakpoint
ALTER TABLE event_batches ALTER webhook_endpoint_ids SET STORAGE EXTERNAL;
--> statement-breakpoint
CREATE OR REPLACE VIEW events WITH (security_invoker = true) AS
SELECT b.id, b.xid, e.place, b.workspace_id, b.type, b.at, e.flow_id, e.sequence_id, e.device_id, e.status, e.previous_status, e.reason, e.reply_id, e.campaign_id, e.enrollment_id, e.lead_id,
       e.webhook_endpoint_id
  FROM event_batches b
 CROSS JOIN LATERAL unnest(b.flow_ids, b.sequence_ids, b.device_ids, b.statuses, b.previous_statuses, b.reasons, b.reply_ids, b.campaign_ids, b.enrollment_ids, b.lead_ids,
                           b.webhook_endpoint_ids) WITH ORDINALITY
         AS e(flow_id, sequence_id, device_id, status, previous_status, reason, reply_id, campaign_id, enrollment_id, lead_id, webhook_endpoint_id, place);
--> statement-breakpoint
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['webhook_endpoints', 'webhook_deliveries'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_workspace ON %I TO rentak_api USING (workspace_id = (SELECT nullif(current_setting(''app.workspace_id'', true), '''')::uuid))', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO rentak_api', name);
  END LOOP;
END
$$;
--> statement-breakpoint
-- Its deliveries go with it. Other events of it stay: they have its id alone.
GRANT DELETE ON webhook_endpoints TO rentak_api;
