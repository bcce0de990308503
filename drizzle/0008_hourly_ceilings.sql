CREATE TABLE "workspace_pace" (
	"workspace_id" uuid PRIMARY KEY NOT NULL,
	"slot" bigint NOT NULL,
	"attempts" integer[] NOT NULL,
	"granted" integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE workspace_pace SET (fillfactor = 50);
--> statement-breakpoint
CREATE FUNCTION pace_slot(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT floor(extract(epoch FROM at) / 10)::bigint
$$;
--> statement-breakpoint
-- The attempts of each slot, moved on to a later slot. An attempt counts for an hour and the send deadline, up to which it can be on the wire: 361 slots, and
-- the one that has begun. A clock that was set back moves nothing.
CREATE FUNCTION pace_since(slot bigint, attempts integer[], now_slot bigint) RETURNS integer[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (array_fill(0, ARRAY[least(greatest(now_slot - slot, 0), 362)::int]) || attempts)[1:362]
$$;
--> statement-breakpoint
-- What counts for a workspace's hourly ceiling now.
CREATE FUNCTION hour_attempts(of_workspace uuid) RETURNS integer LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT sum(n) FROM workspace_pace p CROSS JOIN LATERAL unnest(pace_since(p.slot, p.attempts, pace_slot(clock_timestamp()))) AS n
                    WHERE p.workspace_id = of_workspace), 0)::int
$$;
--> statement-breakpoint
-- Counts anew what a workspace has attempted: without a ceiling nobody keeps it up.
CREATE FUNCTION recount_pace(of_workspace uuid) RETURNS void LANGUAGE sql AS $$
  INSERT INTO workspace_pace (workspace_id, slot, attempts, granted)
  SELECT of_workspace, newest.slot, array_agg(coalesce(made.attempts, 0) ORDER BY back), 0
    FROM (SELECT pace_slot(clock_timestamp()) AS slot OFFSET 0) AS newest
   CROSS JOIN generate_series(0, 361) AS back
    LEFT JOIN (SELECT pace_slot(at) AS slot, count(*)::int AS attempts FROM device_attempts
                WHERE workspace_id = of_workspace AND at > statement_timestamp() - interval '3630 seconds' GROUP BY 1) AS made ON made.slot = newest.slot - back
   GROUP BY newest.slot
      ON CONFLICT (workspace_id) DO UPDATE SET slot = excluded.slot, attempts = excluded.attempts
$$;
--> statement-breakpoint
SELECT recount_pace(id) FROM workspaces WHERE hourly_ceiling IS NOT NULL;
--> statement-breakpoint
CREATE FUNCTION hourly_ceiling_set() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM recount_pace(NEW.id);
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER workspaces_hourly_ceiling AFTER UPDATE OF hourly_ceiling ON workspaces FOR EACH ROW
  WHEN (OLD.hourly_ceiling IS NULL AND NEW.hourly_ceiling IS NOT NULL) EXECUTE FUNCTION hourly_ceiling_set();
--> statement-breakpoint
ALTER TABLE workspace_pace ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON workspace_pace TO rentak_api USING (workspace_id = (SELECT nullif(current_setting('app.workspace_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE ON workspace_pace TO rentak_api;
