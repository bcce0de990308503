ALTER TABLE "campaigns" ADD COLUMN "variants" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "campaigns" ADD CONSTRAINT "campaigns_variants" CHECK ("campaigns"."variants" = jsonb_path_query_array("campaigns"."variants", 'strict $[*] ? (@.name.type() == "string" && @.name != "" && @.text.type() == "string" && @.share >= 1 && @.share <= 100)', '{}', true));--> statement-breakpoint
DROP TRIGGER campaigns_text ON campaigns;
--> statement-breakpoint
CREATE TRIGGER campaigns_text BEFORE UPDATE OF message_text, media_id, variants, min_delay_seconds, max_delay_seconds, greeting, visible_variation ON campaigns
  FOR EACH ROW EXECUTE FUNCTION campaign_text_changed();
