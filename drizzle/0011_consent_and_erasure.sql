CREATE TABLE "erasures" (
	"lead_id" uuid PRIMARY KEY NOT NULL,
	"workspace_id" uuid NOT NULL,
	"erased_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"swept_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "kept_opt_outs" (
	"workspace_id" uuid DEFAULT '01900000-0000-7000-8000-000000000001' NOT NULL,
	"hash" "bytea" NOT NULL,
	CONSTRAINT "kept_opt_outs_workspace_id_hash_pk" PRIMARY KEY("workspace_id","hash")
);
--> statement-breakpoint
CREATE TABLE "unscreened_leads" (
	"lead_id" uuid PRIMARY KEY NOT NULL,
	"workspace_id" uuid NOT NULL
);
--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "require_consent" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "erasures_unswept" ON "erasures" USING btree ("erased_at") WHERE swept_at IS NULL;--> statement-breakpoint
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['kept_opt_outs', 'unscreened_leads', 'erasures'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_workspace ON %I TO rentak_api USING (workspace_id = (SELECT nullif(current_setting(''app.workspace_id'', true), '''')::uuid))', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO rentak_api', name);
  END LOOP;
END
$$;
--> statement-breakpoint
-- Erasing removes from these; the dispatcher alone writes them.
GRANT DELETE ON lead_pace, replies TO rentak_api;
--> statement-breakpoint

-- ── who had opted out before being erased stays opted out ───────────────────────────────────────────────────────────────────────

-- The API looks at the numbers that it writes in its own transaction. What SQL writes can't be looked at here, since the key is not in the database.
CREATE FUNCTION is_written_by_sql() RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT nullif(current_setting('app.workspace_id', true), '') IS NULL
$$;
--> statement-breakpoint
-- After the rows are written, and so after whoever erased that number has committed: its opt-out is seen here, though it was not when the statement began.
CREATE OR REPLACE FUNCTION queue_new_leads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO enrollment_queue (workspace_id, lead_id, trigger)
  SELECT n.workspace_id, n.id, word FROM new_rows n, unnest(trigger_words(n.trigger)) AS word WHERE n.trigger IS NOT NULL;
  IF is_written_by_sql() THEN
    INSERT INTO unscreened_leads (lead_id, workspace_id)
    SELECT n.id, n.workspace_id FROM new_rows n WHERE EXISTS (SELECT FROM kept_opt_outs k WHERE k.workspace_id = n.workspace_id);
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE FUNCTION refuse_unscreened_phone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF is_written_by_sql() AND EXISTS (SELECT FROM kept_opt_outs k WHERE k.workspace_id = NEW.workspace_id) THEN
    RAISE EXCEPTION 'the phone number of lead % cannot be changed by SQL: its new owner may have opted out before being erased', NEW.id
      USING HINT = 'Change it with the mutation updateLead, which can tell.';
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER leads_phone AFTER UPDATE OF phone ON leads FOR EACH ROW WHEN (NEW.phone <> OLD.phone) EXECUTE FUNCTION refuse_unscreened_phone();
--> statement-breakpoint
-- As its owner: which numbers are on WhatsApp is closed to the API.
CREATE FUNCTION lead_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM whatsapp_numbers n USING old_rows o WHERE n.workspace_id = o.workspace_id AND n.phone = o.phone;
  INSERT INTO erasures (lead_id, workspace_id) SELECT id, workspace_id FROM old_rows ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER leads_deleted AFTER DELETE ON leads REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION lead_deleted();
--> statement-breakpoint

-- ── consent ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Only words that were added: one that stays on the lead has been looked at already. All of them once the person has agreed, where enrolling waited for that.
CREATE OR REPLACE FUNCTION queue_added_triggers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Planned anew each time (EXECUTE): a plan that a session keeps from an update of one row is a nested loop, and never ends for a million.
  EXECUTE $q$
    INSERT INTO enrollment_queue (workspace_id, lead_id, trigger)
    SELECT n.workspace_id, n.id, word
      FROM new_rows n JOIN old_rows o ON o.id = n.id, unnest(trigger_words(n.trigger)) AS word
     WHERE n.trigger IS DISTINCT FROM o.trigger AND word <> ALL (trigger_words(o.trigger))
        OR o.consent_at IS NULL AND n.consent_at IS NOT NULL AND (SELECT w.require_consent FROM workspaces w WHERE w.id = n.workspace_id)
  $q$;
  RETURN NULL;
END
$$;
--> statement-breakpoint
-- Their words were dropped while consent was required.
CREATE FUNCTION consent_no_longer_required() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO enrollment_queue (workspace_id, lead_id, trigger)
  SELECT l.workspace_id, l.id, word FROM leads l, unnest(trigger_words(l.trigger)) AS word
   WHERE l.workspace_id = NEW.id AND l.trigger IS NOT NULL AND l.consent_at IS NULL;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER workspaces_consent AFTER UPDATE OF require_consent ON workspaces FOR EACH ROW
  WHEN (OLD.require_consent AND NOT NEW.require_consent) EXECUTE FUNCTION consent_no_longer_required();
