ALTER TABLE "installation" ADD COLUMN "events_dropped_to" "xid8";--> statement-breakpoint
-- Drops the events of whole months that have ended by then, and notes how far the log goes back. Returns how many partitions are gone. Not before every webhook
-- endpoint has been told of them: what is disabled is still owed all that it has missed.
CREATE FUNCTION drop_events_before(moment timestamptz) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  partition record;
  newest xid8;
  waiting uuid;
  dropped int := 0;
BEGIN
  FOR partition IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'event_batches'::regclass
       AND (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= least(moment, clock_timestamp())
     ORDER BY c.relname LOOP
    -- Nothing may be written into it any more: its month is over, but a transaction of then may still be open.
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', partition.relname);
    EXECUTE format('SELECT xid FROM %I ORDER BY xid DESC LIMIT 1', partition.relname) INTO newest;
    -- A position is a cursor: the generation of the log, and the snapshot that has been seen, between bars, as base64url.
    SELECT e.id INTO waiting FROM webhook_endpoints e
     WHERE pg_snapshot_xmin(split_part(convert_from(decode(rpad(translate(e.position, '-_', '+/'), (length(e.position) + 3) / 4 * 4, '='), 'base64'), 'UTF8'), '|', 2)::pg_snapshot) <= newest
     LIMIT 1;
    IF waiting IS NOT NULL THEN
      RAISE EXCEPTION 'the webhook endpoint % has not been told of all events of %', waiting, partition.relname
        USING HINT = 'Wait until it has, enable it with skipMissed, or delete it.', ERRCODE = 'object_in_use';
    END IF;
    UPDATE installation SET events_dropped_to = greatest(events_dropped_to, newest);
    EXECUTE format('DROP TABLE %I', partition.relname);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END
$$;
--> statement-breakpoint
REVOKE EXECUTE ON FUNCTION drop_events_before(timestamptz) FROM PUBLIC;
