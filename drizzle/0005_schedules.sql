-- Windows, quiet hours and caps: when a lane is open, and when the next message of a schedule is due. Here and not in the application, so that
-- enrolling, settling and claiming, each one statement, go by the same clock and the same zones.

-- ── time of day, in a zone ──────────────────────────────────────────────────────────────────────────────────────────────────────

-- The first of these zones that Postgres knows, else UTC: SQL can write anything into a zone, and one bad row must not stop the others.
CREATE FUNCTION sound_zone(VARIADIC zones text[]) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  zone text;
BEGIN
  FOREACH zone IN ARRAY zones LOOP
    BEGIN
      IF zone IS NOT NULL AND now() AT TIME ZONE zone IS NOT NULL THEN RETURN zone; END IF;
    EXCEPTION WHEN invalid_parameter_value THEN NULL;
    END;
  END LOOP;
  RETURN 'UTC';
END
$$;
--> statement-breakpoint
-- When a zone's clocks show this time: the next valid instant where daylight saving skips it, the first of the two where it doubles it.
CREATE FUNCTION instant_of(local timestamp, zone text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
  at timestamptz := local AT TIME ZONE zone;      -- Postgres: the second of two; as if nothing had been skipped
  shown timestamp := at AT TIME ZONE zone;
BEGIN
  IF shown <> local THEN
    RETURN (SELECT min(minute) FROM generate_series(at - (shown - local), at, interval '1 minute') AS minute WHERE minute AT TIME ZONE zone >= local);
  END IF;
  RETURN (SELECT min(twin) FROM unnest(ARRAY[at - interval '2 hours', at - interval '1 hour', at - interval '30 minutes', at]) AS twin WHERE twin AT TIME ZONE zone = local);
END
$$;
--> statement-breakpoint
-- The first opening of a daily window after this moment, and not before this day.
CREATE FUNCTION next_opening(zone text, schedule_time time, from_day date, after timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT min(opening)
    FROM (SELECT sound_zone(zone) AS name OFFSET 0) AS z
   CROSS JOIN generate_series(0, 2) AS n
   CROSS JOIN LATERAL instant_of(greatest(from_day, (after AT TIME ZONE z.name)::date) + n + schedule_time, z.name) AS opening
   WHERE opening > after
$$;
--> statement-breakpoint

-- ── lanes ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- The time in which a lane is open now, or next: its sequence's window without its workspace's quiet hours. Infinitely far away where the quiet
-- hours cover the window.
CREATE FUNCTION lane_opening(of_sequence uuid, in_zone text, after timestamptz, OUT open_from timestamptz, OUT open_until timestamptz) LANGUAGE plpgsql STABLE AS $$
DECLARE
  opens time;
  tolerance interval;
  quiet_from time;
  quiet_to time;
  zone text;
BEGIN
  SELECT s.schedule_time, make_interval(mins => s.schedule_tolerance_minutes), w.quiet_start, w.quiet_end INTO opens, tolerance, quiet_from, quiet_to
    FROM sequences s JOIN workspaces w ON w.id = s.workspace_id WHERE s.id = of_sequence;
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
-- Moves lanes whose time is over on to their next one. Until then they are closed, so that being late here sends nothing too late.
CREATE FUNCTION turn_lanes() RETURNS void LANGUAGE sql AS $$
  UPDATE lanes a SET open_from = o.open_from, open_until = o.open_until
    FROM lanes b CROSS JOIN LATERAL lane_opening(b.sequence_id, b.time_zone, statement_timestamp()) AS o
   WHERE a.id = b.id AND b.open_until <= statement_timestamp()
$$;
--> statement-breakpoint
-- The lane of a sequence and zone, made where it is missing. A zone that Postgres does not know has the lane of the sequence's or workspace's.
CREATE OR REPLACE FUNCTION lane_of(of_sequence uuid, zone text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  lane bigint;
  known text := zone;
BEGIN
  LOOP
    SELECT id INTO lane FROM lanes WHERE sequence_id = of_sequence AND time_zone = known;
    IF FOUND THEN RETURN lane; END IF;
    SELECT sound_zone(zone, s.time_zone, w.time_zone) INTO known FROM sequences s JOIN workspaces w ON w.id = s.workspace_id WHERE s.id = of_sequence;
    -- A pause that commits in between would not close this lane: it changes the workspace's row too, so that one waits for the other. The
    -- sequence's own row would do, but whoever enrols holds the workspace's already, and a change takes them the other way round.
    PERFORM FROM sequences s JOIN workspaces w ON w.id = s.workspace_id WHERE s.id = of_sequence FOR SHARE OF w;
    IF NOT FOUND THEN RAISE EXCEPTION 'sequence % is gone', of_sequence; END IF;
    INSERT INTO lanes (workspace_id, sequence_id, time_zone, paused_at, open_from, open_until)
    SELECT s.workspace_id, s.id, known, CASE WHEN s.is_active THEN NULL ELSE clock_timestamp() END, o.open_from, o.open_until
      FROM sequences s CROSS JOIN LATERAL lane_opening(s.id, known, clock_timestamp()) AS o WHERE s.id = of_sequence
    ON CONFLICT DO NOTHING;
  END LOOP;
END
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION sequence_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE workspaces SET graph_revision = graph_revision + 1 WHERE id = coalesce(NEW.workspace_id, OLD.workspace_id);
  IF TG_OP = 'UPDATE' AND NEW.status <> OLD.status THEN
    -- Lane time stands still from here on, or goes on from where it stood.
    UPDATE lanes
       SET pause_offset = pause_offset + CASE WHEN NEW.is_active AND paused_at IS NOT NULL THEN clock_timestamp() - paused_at ELSE interval '0' END,
           paused_at = CASE WHEN NEW.is_active THEN NULL ELSE coalesce(paused_at, clock_timestamp()) END
     WHERE sequence_id = NEW.id;
  END IF;
  IF TG_OP = 'UPDATE' AND (NEW.schedule_time, NEW.schedule_tolerance_minutes) IS DISTINCT FROM (OLD.schedule_time, OLD.schedule_tolerance_minutes) THEN
    UPDATE lanes a SET open_from = o.open_from, open_until = o.open_until
      FROM lanes b CROSS JOIN LATERAL lane_opening(b.sequence_id, b.time_zone, clock_timestamp()) AS o
     WHERE a.id = b.id AND b.sequence_id = NEW.id;
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
DROP TRIGGER sequences_written ON sequences;
CREATE TRIGGER sequences_written BEFORE INSERT OR UPDATE OF name, trigger_prefix, trigger, status, is_active, min_delay_seconds, max_delay_seconds,
  trigger_delay_hours, start_delay_minutes, on_failure, schedule_time, schedule_tolerance_minutes, time_zone, no_device_grace_minutes
  ON sequences FOR EACH ROW EXECUTE FUNCTION sequence_written();
DROP TRIGGER sequences_changed ON sequences;
CREATE TRIGGER sequences_changed AFTER INSERT OR DELETE OR UPDATE OF name, trigger_prefix, trigger, status, is_active, min_delay_seconds, max_delay_seconds,
  trigger_delay_hours, start_delay_minutes, on_failure, schedule_time, schedule_tolerance_minutes, time_zone, no_device_grace_minutes
  ON sequences FOR EACH ROW EXECUTE FUNCTION sequence_changed();
--> statement-breakpoint
CREATE FUNCTION quiet_hours_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE lanes a SET open_from = o.open_from, open_until = o.open_until
    FROM lanes b CROSS JOIN LATERAL lane_opening(b.sequence_id, b.time_zone, clock_timestamp()) AS o
   WHERE a.id = b.id AND b.workspace_id = NEW.id;
  -- They may cover a window now, or no longer: reviewed anew, however they were written.
  UPDATE workspaces SET graph_revision = graph_revision + 1 WHERE id = NEW.id;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER workspaces_quiet_hours AFTER UPDATE OF quiet_start, quiet_end ON workspaces FOR EACH ROW
  WHEN ((OLD.quiet_start, OLD.quiet_end) IS DISTINCT FROM (NEW.quiet_start, NEW.quiet_end)) EXECUTE FUNCTION quiet_hours_changed();
--> statement-breakpoint

-- ── retries ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- A retry is of no use any more: a later step of its enrolment has been attempted, or what it repeats turned out to have been sent.
CREATE FUNCTION is_superseded(of_enrollment uuid, of_step uuid, of_flow uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  WITH steps AS (SELECT step_id, (array_agg(id ORDER BY id))[1] AS first_id, bool_or(attempted_at IS NOT NULL) AS is_attempted
                   FROM flows WHERE enrollment_id = of_enrollment GROUP BY step_id)
  SELECT EXISTS (SELECT FROM steps own JOIN steps later ON later.first_id > own.first_id WHERE own.step_id = of_step AND later.is_attempted)
      OR EXISTS (SELECT FROM flows WHERE id = of_flow AND status = 'SENT')
$$;
--> statement-breakpoint

-- ── nodes ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

INSERT INTO coordinator (settled_until) SELECT settled_until FROM dispatch_lease;
-- Locked by each attempt, written every two seconds: there is room for the next version beside it, and no index to touch.
ALTER TABLE nodes SET (fillfactor = 50);
ALTER TABLE lead_pace SET (fillfactor = 60);
-- Each step moves its enrolment on, and may change its lead's last device: with room on the page no index is touched by either (HOT).
ALTER TABLE enrollments SET (fillfactor = 70);
ALTER TABLE leads SET (fillfactor = 85);
--> statement-breakpoint

-- ── views ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

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
 WHERE f.queued
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
UNION ALL
SELECT f.id, f.workspace_id, f.sequence_id, f.step_id, c.phone, c.name, st.trigger, wall_time(f.due_at, l.paused_at, l.pause_offset),
       CASE WHEN f.status = 'SENT' AND e.status = 'COMPLETED'
             AND (e.current_flow_id = f.id      -- or those after it were not sent
                  OR NOT EXISTS (SELECT FROM flows later WHERE later.enrollment_id = e.id AND later.id > f.id AND later.status = 'SENT'))
            THEN 'completed' ELSE lower(f.status) END,
       NULL, NULL, NULL, NULL, f.retry_count, coalesce(f.failure_code || ': ' || f.failure_message, f.skip_reason), f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id JOIN enrollments e ON e.id = f.enrollment_id
  LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE f.settled_at IS NOT NULL;
--> statement-breakpoint
CREATE OR REPLACE VIEW broadcast_messages WITH (security_invoker = true) AS
SELECT f.id, f.workspace_id, f.bound_device_id AS device_id, f.sequence_id, NULL::uuid AS campaign_id, c.phone AS recipient_phone, c.name AS recipient_name,
       st.message_text AS content, 'pending' AS status, wall_time(f.due_at, l.paused_at, l.pause_offset) AS scheduled_at,
       NULL::timestamptz AS sent_at, NULL::text AS error_message, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE f.queued
UNION ALL
SELECT f.id, f.workspace_id, f.bound_device_id, f.sequence_id, NULL, c.phone, c.name, st.message_text, 'paused',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, NULL, f.created_at
  FROM enrollments e JOIN flows f ON f.id = e.current_flow_id JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
  LEFT JOIN sequence_steps st ON st.id = f.step_id
 WHERE e.status = 'PAUSED' AND f.attempted_at IS NULL AND f.settled_at IS NULL AND NOT f.queued
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, NULL, c.phone, c.name, f.text, 'processing',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, NULL, f.created_at
  FROM processing_flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, NULL, c.phone, c.name, f.text, 'sent',
       wall_time(f.due_at, l.paused_at, l.pause_offset), f.sent_at, NULL, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.status = 'SENT'
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, NULL, c.phone, c.name, f.text, 'failed',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, f.failure_code || ': ' || f.failure_message, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.failed_at IS NOT NULL
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, NULL, c.phone, c.name, f.text, 'skipped',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, f.skip_reason, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.status = 'SKIPPED'
UNION ALL
SELECT f.id, f.workspace_id, f.device_id, f.sequence_id, NULL, c.phone, c.name, f.text, 'cancelled',
       wall_time(f.due_at, l.paused_at, l.pause_offset), NULL, NULL, f.created_at
  FROM flows f JOIN leads c ON c.id = f.lead_id JOIN lanes l ON l.id = f.lane_id
 WHERE f.status = 'CANCELLED';
--> statement-breakpoint
DROP TABLE dispatch_lease;
--> statement-breakpoint

-- ── row-level security ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ALTER TABLE lead_pace ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON lead_pace TO rentak_api USING (workspace_id = (SELECT nullif(current_setting('app.workspace_id', true), '')::uuid));
GRANT SELECT ON lead_pace TO rentak_api;
GRANT SELECT ON coordinator TO rentak_api;
