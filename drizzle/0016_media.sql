CREATE TABLE "media" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"workspace_id" uuid NOT NULL,
	"sha256" "bytea" NOT NULL,
	"kind" text NOT NULL,
	"file_name" text DEFAULT '' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "media_workspace_id_id" UNIQUE("workspace_id","id"),
	CONSTRAINT "media_content" UNIQUE("workspace_id","sha256","kind","file_name"),
	CONSTRAINT "media_kind" CHECK ("media"."kind" IN ('IMAGE', 'VIDEO', 'DOCUMENT', 'AUDIO', 'VOICE_NOTE'))
);
--> statement-breakpoint
CREATE TABLE "media_contents" (
	"workspace_id" uuid NOT NULL,
	"sha256" "bytea" NOT NULL,
	"content_type" text NOT NULL,
	"size_bytes" integer NOT NULL,
	"bytes" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "media_contents_workspace_id_sha256_pk" PRIMARY KEY("workspace_id","sha256"),
	CONSTRAINT "media_contents_size" CHECK ("media_contents"."size_bytes" = length("media_contents"."bytes") AND length("media_contents"."sha256") = 32)
);
--> statement-breakpoint
ALTER TABLE "campaigns" ADD COLUMN "media_id" uuid;--> statement-breakpoint
ALTER TABLE "flows" ADD COLUMN "media_id" uuid;--> statement-breakpoint
ALTER TABLE "sequence_steps" ADD COLUMN "media_id" uuid;--> statement-breakpoint
ALTER TABLE "media" ADD CONSTRAINT "media_workspace_id_sha256_media_contents_workspace_id_sha256_fk" FOREIGN KEY ("workspace_id","sha256") REFERENCES "media_contents"("workspace_id","sha256") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "campaigns" ADD CONSTRAINT "campaigns_workspace_id_media_id_media_workspace_id_id_fk" FOREIGN KEY ("workspace_id","media_id") REFERENCES "media"("workspace_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sequence_steps" ADD CONSTRAINT "sequence_steps_workspace_id_media_id_media_workspace_id_id_fk" FOREIGN KEY ("workspace_id","media_id") REFERENCES "media"("workspace_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
-- Pictures and sound are compressed as they are: trying again costs a second for 16 MB, and gains nothing.
ALTER TABLE media_contents ALTER COLUMN bytes SET STORAGE EXTERNAL;
--> statement-breakpoint
-- What is sent with a campaign's text is part of it: what was rendered with another picture is never sent after the change. (Steps: every change of theirs
-- raises the revision of the sequence already.)
DROP TRIGGER campaigns_text ON campaigns;
--> statement-breakpoint
CREATE TRIGGER campaigns_text BEFORE UPDATE OF message_text, media_id, min_delay_seconds, max_delay_seconds, greeting, visible_variation ON campaigns
  FOR EACH ROW EXECUTE FUNCTION campaign_text_changed();
--> statement-breakpoint
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['media', 'media_contents'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_workspace ON %I TO rentak_api USING (workspace_id = (SELECT nullif(current_setting(''app.workspace_id'', true), '''')::uuid))', name);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO rentak_api', name);
  END LOOP;
END
$$;
