CREATE TABLE "replies" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"device_id" uuid NOT NULL,
	"message_id" text NOT NULL,
	"lead_id" uuid,
	"text" text NOT NULL,
	"opted_out" boolean NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"received_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "replies_device_id_message_id" UNIQUE("device_id","message_id")
);
--> statement-breakpoint
CREATE TABLE "device_pairings" (
	"device_id" uuid PRIMARY KEY NOT NULL,
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"sealed" "bytea" NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "whatsapp_credentials" (
	"device_id" uuid PRIMARY KEY NOT NULL,
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"sealed" "bytea" NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "whatsapp_inbox" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "whatsapp_inbox_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"device_id" uuid NOT NULL,
	"message_id" text NOT NULL,
	"sealed" "bytea" NOT NULL,
	"received_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "whatsapp_inbox_device_id_message_id" UNIQUE("device_id","message_id")
);
--> statement-breakpoint
CREATE TABLE "whatsapp_keys" (
	"device_id" uuid NOT NULL,
	"name" "bytea" NOT NULL,
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"sealed" "bytea" NOT NULL,
	CONSTRAINT "whatsapp_keys_device_id_name_pk" PRIMARY KEY("device_id","name")
);
--> statement-breakpoint
CREATE TABLE "whatsapp_numbers" (
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"phone" text NOT NULL,
	"is_on_whatsapp" boolean NOT NULL,
	"checked_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "whatsapp_numbers_workspace_id_phone_pk" PRIMARY KEY("workspace_id","phone")
);
--> statement-breakpoint
ALTER TABLE "devices" DROP CONSTRAINT "devices_transport";--> statement-breakpoint
ALTER TABLE "devices" DROP CONSTRAINT "devices_status";--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "phone" text;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "restricted_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "restricted_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "pairing_requested_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "pairing_phone" text;--> statement-breakpoint
ALTER TABLE "devices" ADD COLUMN "logout_requested_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "event_batches" ADD COLUMN "reply_ids" uuid[];--> statement-breakpoint
ALTER TABLE "installation" ADD COLUMN "sealed_name_key" "bytea";--> statement-breakpoint
ALTER TABLE "leads" ADD COLUMN "last_replied_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "leads" ADD COLUMN "replied_device_id" uuid;--> statement-breakpoint
ALTER TABLE "sequences" ADD COLUMN "stop_on_reply" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "stop_words" text[] DEFAULT '{stop,unsubscribe,berhenti,henti,batal}' NOT NULL;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "stop_confirmation" text;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "first_contacts_held_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "first_contacts_released_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "device_pairings" ADD CONSTRAINT "device_pairings_workspace_id_device_id_devices_workspace_id_id_fk" FOREIGN KEY ("workspace_id","device_id") REFERENCES "public"."devices"("workspace_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "whatsapp_credentials" ADD CONSTRAINT "whatsapp_credentials_workspace_id_device_id_devices_workspace_id_id_fk" FOREIGN KEY ("workspace_id","device_id") REFERENCES "public"."devices"("workspace_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "whatsapp_inbox" ADD CONSTRAINT "whatsapp_inbox_workspace_id_device_id_devices_workspace_id_id_fk" FOREIGN KEY ("workspace_id","device_id") REFERENCES "public"."devices"("workspace_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "whatsapp_keys" ADD CONSTRAINT "whatsapp_keys_workspace_id_device_id_devices_workspace_id_id_fk" FOREIGN KEY ("workspace_id","device_id") REFERENCES "public"."devices"("workspace_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "replies_lead_id" ON "replies" USING btree ("lead_id","at") WHERE lead_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "devices_restricted" ON "devices" USING btree ("workspace_id") WHERE restricted_until IS NOT NULL;--> statement-breakpoint
CREATE INDEX "leads_replied" ON "leads" USING btree ("workspace_id","last_replied_at") WHERE last_replied_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "leads_replied_device" ON "leads" USING btree ("replied_device_id","last_replied_at") WHERE replied_device_id IS NOT NULL;--> statement-breakpoint
ALTER TABLE "devices" ADD CONSTRAINT "devices_transport" CHECK ("devices"."transport" IN ('WHATSAPP', 'SIMULATOR'));--> statement-breakpoint
ALTER TABLE "devices" ADD CONSTRAINT "devices_status" CHECK ("devices"."status" IN ('UNPAIRED', 'PAIRING', 'CONNECTING', 'ONLINE', 'OFFLINE', 'LOGGED_OUT', 'REPLACED', 'RESTRICTED', 'BANNED'));--> statement-breakpoint
-- Sealed bytes: a compression would take its time for and make nothing smaller.
ALTER TABLE whatsapp_keys ALTER sealed SET STORAGE EXTERNAL;
ALTER TABLE whatsapp_credentials ALTER sealed SET STORAGE EXTERNAL;
ALTER TABLE whatsapp_inbox ALTER sealed SET STORAGE EXTERNAL;
ALTER TABLE event_batches ALTER reply_ids SET STORAGE EXTERNAL;
--> statement-breakpoint
-- For lists by the last reply; as leads_workspace_id_name.
CREATE INDEX leads_workspace_id_last_replied_at ON leads (workspace_id, (CASE WHEN last_replied_at IS NULL THEN '-infinity' ELSE last_replied_at END), id);
--> statement-breakpoint
-- With each message a conversation's key is written anew in place.
ALTER TABLE whatsapp_keys SET (fillfactor = 50);
--> statement-breakpoint
CREATE OR REPLACE VIEW events WITH (security_invoker = true) AS
SELECT b.id, b.xid, e.place, b.workspace_id, b.type, b.at, e.flow_id, e.sequence_id, e.device_id, e.status, e.previous_status, e.reason, e.reply_id
  FROM event_batches b
 CROSS JOIN LATERAL unnest(b.flow_ids, b.sequence_ids, b.device_ids, b.statuses, b.previous_statuses, b.reasons, b.reply_ids) WITH ORDINALITY
         AS e(flow_id, sequence_id, device_id, status, previous_status, reason, reply_id, place);
--> statement-breakpoint
-- The API reads replies and what is shown of a pairing. Credentials, keys and what waits to be worked in are not its business.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['replies', 'device_pairings', 'whatsapp_credentials', 'whatsapp_keys', 'whatsapp_inbox', 'whatsapp_numbers'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_workspace ON %I TO rentak_api USING (workspace_id = (SELECT nullif(current_setting(''app.workspace_id'', true), '''')::uuid))', name);
  END LOOP;
END
$$;
--> statement-breakpoint
GRANT SELECT ON replies TO rentak_api;
GRANT SELECT ON device_pairings TO rentak_api;
