-- What the tables do by themselves, however they are written: by the API, by an import, or by plain SQL.

-- ── partitions ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- The smallest key of a moment.
CREATE FUNCTION uuid_v7_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;
--> statement-breakpoint
-- Makes the partitions of this month and of the 8 weeks ahead that do not exist yet. There is no default partition on purpose: rows
-- in it would have to be moved before the right one could be made.
CREATE FUNCTION ensure_partitions() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  parent text;
  month timestamptz;
  partition text;
BEGIN
  FOREACH parent IN ARRAY ARRAY['flows', 'events'] LOOP
    FOR month IN SELECT m AT TIME ZONE 'UTC'
                   FROM generate_series(date_trunc('month', now() AT TIME ZONE 'UTC'), (now() + interval '8 weeks') AT TIME ZONE 'UTC', interval '1 month') AS m LOOP
      partition := parent || '_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
      IF to_regclass(partition) IS NULL THEN
        -- Made apart and then attached: made as a partition, it would lock out everybody who reads or writes the table, and wait for a
        -- backup's end to do so. Updates of a flow stay on its page (HOT) only where the page has room for them.
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = 70)', partition, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition,
                       uuid_v7_floor(month), uuid_v7_floor((month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'));
      END IF;
    END LOOP;
  END LOOP;
END
$$;
--> statement-breakpoint
SELECT ensure_partitions();
--> statement-breakpoint

-- ── triggers of leads ───────────────────────────────────────────────────────────────────────────────────────────────────────────

-- 'a, b,a' → {a,b}: blanks around commas and repeats are forgiven.
CREATE FUNCTION trigger_words_listed(words text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(word ORDER BY place), '{}')
    FROM (SELECT word, min(place) AS place
            FROM unnest(string_to_array(words, ',')) WITH ORDINALITY AS t(raw, place), btrim(raw, E' \t\r\n') AS word
           WHERE word <> '' GROUP BY word) AS t
$$;
--> statement-breakpoint
-- Nearly every list has one word or none: told apart first, it costs 0.5 µs instead of 7, twice for each imported row. The inner function is
-- named with its schema, since Postgres builds indexes without a search_path.
DO $do$
BEGIN
  EXECUTE format($f$
    CREATE FUNCTION trigger_words(words text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
      SELECT CASE WHEN words IS NULL THEN '{}'::text[]
                  WHEN strpos(words, ',') = 0 THEN array_remove(ARRAY[btrim(words, E' \t\r\n')], '')
                  ELSE %I.trigger_words_listed(words) END
    $$ $f$, current_schema());
END
$do$;
--> statement-breakpoint
-- The stored list without some of its words; null where none is left.
CREATE FUNCTION without_triggers(words text, gone text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT string_agg(word, ',' ORDER BY place) FROM unnest(trigger_words(words)) WITH ORDINALITY AS t(word, place) WHERE word <> ALL (gone)
$$;
--> statement-breakpoint
CREATE INDEX leads_trigger_words ON leads USING gin (trigger_words(trigger)) WHERE trigger IS NOT NULL;
--> statement-breakpoint
-- For lists by name. CASE, not coalesce: that one counts as leaky, and under row-level security a deep page would read every lead.
CREATE INDEX leads_workspace_id_name ON leads (workspace_id, (CASE WHEN name IS NULL THEN '' ELSE name END), id);
--> statement-breakpoint
CREATE FUNCTION queue_new_leads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO enrollment_queue (workspace_id, lead_id, trigger)
  SELECT n.workspace_id, n.id, word FROM new_rows n, unnest(trigger_words(n.trigger)) AS word WHERE n.trigger IS NOT NULL;
  RETURN NULL;
END
$$;
--> statement-breakpoint
-- Only words that were added: one that stays on the lead has been looked at already.
CREATE FUNCTION queue_added_triggers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Planned anew each time (EXECUTE): a plan that a session keeps from an update of one row is a nested loop, and never ends for a million.
  EXECUTE $q$
    INSERT INTO enrollment_queue (workspace_id, lead_id, trigger)
    SELECT n.workspace_id, n.id, word
      FROM new_rows n JOIN old_rows o ON o.id = n.id, unnest(trigger_words(n.trigger)) AS word
     WHERE n.trigger IS DISTINCT FROM o.trigger AND word <> ALL (trigger_words(o.trigger))
  $q$;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER leads_inserted AFTER INSERT ON leads REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_new_leads();
--> statement-breakpoint
CREATE TRIGGER leads_updated AFTER UPDATE ON leads REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION queue_added_triggers();
--> statement-breakpoint

-- ── sequences ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Keeps is_active and status the same, and counts the revision up.
CREATE FUNCTION sequence_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.is_active THEN NEW.status := 'ACTIVE'; END IF;
  ELSE
    IF NEW.status = OLD.status AND NEW.is_active <> OLD.is_active THEN
      IF OLD.status = 'ARCHIVED' THEN RAISE EXCEPTION 'sequence % is archived, for good; make a new one', OLD.id; END IF;
      NEW.status := CASE WHEN NEW.is_active THEN 'ACTIVE' ELSE 'PAUSED' END;
    END IF;
    NEW.revision := OLD.revision + 1;
  END IF;
  NEW.is_active := NEW.status = 'ACTIVE';
  RETURN NEW;
END
$$;
--> statement-breakpoint
-- The review sets is_sound alone; that is no edit.
CREATE TRIGGER sequences_written BEFORE INSERT OR UPDATE OF name, trigger_prefix, trigger, status, is_active, min_delay_seconds, max_delay_seconds,
  trigger_delay_hours, start_delay_minutes, on_failure ON sequences FOR EACH ROW EXECUTE FUNCTION sequence_written();
--> statement-breakpoint
-- The workspace's row is the lock on its graph of steps: changes of sequences come one after the other, and the review after them.
CREATE FUNCTION sequence_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE workspaces SET graph_revision = graph_revision + 1 WHERE id = coalesce(NEW.workspace_id, OLD.workspace_id);
  IF TG_OP = 'UPDATE' AND NEW.status <> OLD.status THEN
    -- Lane time stands still from here on, or goes on from where it stood.
    UPDATE lanes
       SET pause_offset = pause_offset + CASE WHEN NEW.is_active AND paused_at IS NOT NULL THEN clock_timestamp() - paused_at ELSE interval '0' END,
           paused_at = CASE WHEN NEW.is_active THEN NULL ELSE coalesce(paused_at, clock_timestamp()) END
     WHERE sequence_id = NEW.id;
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER sequences_changed AFTER INSERT OR DELETE OR UPDATE OF name, trigger_prefix, trigger, status, is_active, min_delay_seconds, max_delay_seconds,
  trigger_delay_hours, start_delay_minutes, on_failure ON sequences FOR EACH ROW EXECUTE FUNCTION sequence_changed();
--> statement-breakpoint
CREATE FUNCTION step_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE sequences s SET trigger = (SELECT t.trigger FROM sequence_steps t WHERE t.sequence_id = s.id AND t.is_entry_point ORDER BY t.day_number, t.id LIMIT 1)
     WHERE s.id IN (SELECT sequence_id FROM old_rows);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    UPDATE sequences s SET trigger = (SELECT t.trigger FROM sequence_steps t WHERE t.sequence_id = s.id AND t.is_entry_point ORDER BY t.day_number, t.id LIMIT 1)
     WHERE s.id IN (SELECT sequence_id FROM new_rows);
  END IF;
  IF TG_OP = 'DELETE' THEN
    INSERT INTO removed_steps (id, workspace_id, trigger, next_trigger) SELECT id, workspace_id, trigger, next_trigger FROM old_rows;
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
-- The step that a word leads to now: past those that were removed, each to the one that followed it; null where none is left.
CREATE FUNCTION live_trigger(of_workspace uuid, word text) RETURNS text LANGUAGE sql STABLE AS $$
  WITH RECURSIVE way(word) AS (
    SELECT live_trigger.word
     UNION                                                    -- not ALL: removed steps may lead in a loop
    SELECT gone.next_trigger
      FROM way CROSS JOIN LATERAL (SELECT next_trigger FROM removed_steps WHERE workspace_id = of_workspace AND trigger = way.word ORDER BY id DESC LIMIT 1) AS gone
     WHERE NOT EXISTS (SELECT FROM sequence_steps WHERE workspace_id = of_workspace AND trigger = way.word))
  SELECT way.word FROM way JOIN sequence_steps st ON st.workspace_id = of_workspace AND st.trigger = way.word
$$;
--> statement-breakpoint
CREATE INDEX removed_steps_trigger ON removed_steps (workspace_id, trigger);
--> statement-breakpoint
CREATE TRIGGER steps_inserted AFTER INSERT ON sequence_steps REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION step_changed();
--> statement-breakpoint
CREATE TRIGGER steps_updated AFTER UPDATE ON sequence_steps REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION step_changed();
--> statement-breakpoint
CREATE TRIGGER steps_deleted AFTER DELETE ON sequence_steps REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION step_changed();
--> statement-breakpoint
-- The lane of a sequence and zone, made where it is missing.
CREATE FUNCTION lane_of(of_sequence uuid, zone text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  lane bigint;
BEGIN
  LOOP
    SELECT id INTO lane FROM lanes WHERE sequence_id = of_sequence AND time_zone = zone;
    IF FOUND THEN RETURN lane; END IF;
    -- A pause that commits in between would not close this lane: it changes the workspace's row too, so that one waits for the other. The
    -- sequence's own row would do, but whoever enrols holds the workspace's already, and a change takes them the other way round.
    PERFORM FROM sequences s JOIN workspaces w ON w.id = s.workspace_id WHERE s.id = of_sequence FOR SHARE OF w;
    IF NOT FOUND THEN RAISE EXCEPTION 'sequence % is gone', of_sequence; END IF;
    INSERT INTO lanes (workspace_id, sequence_id, time_zone, paused_at)
    SELECT workspace_id, id, zone, CASE WHEN is_active THEN NULL ELSE clock_timestamp() END FROM sequences WHERE id = of_sequence
    ON CONFLICT DO NOTHING;
  END LOOP;
END
$$;
--> statement-breakpoint
CREATE FUNCTION lane_time(at timestamptz, paused_at timestamptz, pause_offset interval) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(paused_at, at) - pause_offset
$$;
--> statement-breakpoint
-- Lane time as the wall clock will show it if the lane goes on now.
CREATE FUNCTION wall_time(due_at timestamptz, paused_at timestamptz, pause_offset interval) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT due_at + pause_offset + coalesce(now() - paused_at, interval '0')
$$;
--> statement-breakpoint

-- ── references ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- A row of one workspace never points into another. Tables that are written thousands of times a second have none of these: their
-- statements read the rows that they refer to.
ALTER TABLE api_tokens ADD FOREIGN KEY (workspace_id) REFERENCES workspaces;
ALTER TABLE devices ADD FOREIGN KEY (workspace_id) REFERENCES workspaces;
ALTER TABLE sequences ADD FOREIGN KEY (workspace_id) REFERENCES workspaces;
ALTER TABLE leads ADD FOREIGN KEY (workspace_id) REFERENCES workspaces;
ALTER TABLE lead_imports ADD FOREIGN KEY (workspace_id) REFERENCES workspaces;
-- A sequence with leads on it is archived, not deleted: its lane would go on to be claimed from, and its flows stand in the way of all others.
ALTER TABLE lanes ADD FOREIGN KEY (workspace_id, sequence_id) REFERENCES sequences (workspace_id, id);
ALTER TABLE leads ADD FOREIGN KEY (workspace_id, preferred_device_id) REFERENCES devices (workspace_id, id) ON DELETE SET NULL (preferred_device_id);
--> statement-breakpoint

-- ── first rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

INSERT INTO workspaces (id, name) VALUES ('01900000-0000-7000-8000-000000000001', 'Default');
INSERT INTO dispatch_lease DEFAULT VALUES;
INSERT INTO installation (message_id_key) VALUES (uuid_send(gen_random_uuid()));
