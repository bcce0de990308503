// What a workspace allows itself: a frequency cap per person, and an hourly ceiling over all its devices. Both are counted in one row, of the person or of
// the workspace, that an attempt must win: who updates a row sees its newest version, so that two nodes can't both take the last room.

import { hasOlder } from "../flows/older.ts";
import type { Source } from "./sources.ts";
import { SEND_DEADLINE_MS } from "../transports/transport.ts";

const SEND_DEADLINE = `interval '${SEND_DEADLINE_MS} milliseconds'`;

/** When the person `p` may be written to next under the cap of workspace `o`: as with the devices' limits, an attempt counts for the window and the send
 *  deadline, after which it can be on the wire no more. */
const CAP_ROOM = `p.attempted_at[cardinality(p.attempted_at) - o.cap_messages + 1] + make_interval(hours => o.cap_hours) + ${SEND_DEADLINE}`;

/** SQL, into the attempt's WITH, behind `lease` and `wanted`. `isAllowed`: what a flow `f` of lane `a`, its source and lead `l` must be like to be
 *  attempted, rations apart: what will not be attempted now must not take the room. */
export const takeRations = (source: Source, isAllowed: string) => `
  able AS MATERIALIZED (
    SELECT f.id, f.workspace_id, f.lead_id, ${source.age} AS age, f.lane_id, w.place, o.cap_messages IS NOT NULL AS is_capped, o.hourly_ceiling,
           coalesce((SELECT ${CAP_ROOM} <= clock_timestamp() FROM lead_pace p WHERE p.lead_id = f.lead_id), true) AS has_room
      FROM wanted w JOIN flows f ON f.id = w.flow_id JOIN lanes a ON a.id = f.lane_id
      JOIN leads l ON l.id = f.lead_id
      JOIN workspaces o ON o.id = f.workspace_id, ${source.tables}
     WHERE ${source.isOwn} AND f.queued AND ${source.revision} = w.revision AND ${isAllowed}),
  next_of_lead AS MATERIALIZED (                 -- under a cap, one message a person and batch: the oldest one's, also before one that is due
    SELECT DISTINCT ON (lead_id) * FROM able
     WHERE is_capped
       AND NOT ${hasOlder("able.lead_id", "able.age")}
     ORDER BY lead_id, age, id),
  in_line AS MATERIALIZED (                      -- under a ceiling: before the cap is asked, or a person would pay a day's room for what the hour has no room for
    SELECT id, workspace_id, hourly_ceiling, row_number() OVER (PARTITION BY workspace_id ORDER BY place) AS turn
      FROM able WHERE hourly_ceiling IS NOT NULL AND (NOT is_capped OR has_room AND id IN (SELECT id FROM next_of_lead))),
  granted AS (
    INSERT INTO workspace_pace AS p (workspace_id, slot, attempts, granted)
    SELECT workspace_id, pace_slot(clock_timestamp()), ARRAY[least(count(*), hourly_ceiling)::int], least(count(*), hourly_ceiling)
      FROM in_line WHERE EXISTS (SELECT FROM lease) GROUP BY workspace_id, hourly_ceiling ORDER BY workspace_id
        ON CONFLICT (workspace_id) DO UPDATE
       SET (slot, attempts, granted) = (
           SELECT greatest(p.slot, excluded.slot), ARRAY[n.attempts[1] + n.granted] || n.attempts[2:], n.granted
             FROM (SELECT since.attempts,
                          greatest(0, least(excluded.granted, (SELECT hourly_ceiling FROM workspaces WHERE id = p.workspace_id)
                                                              - (SELECT sum(each) FROM unnest(since.attempts) AS each)))::int AS granted
                     FROM (SELECT pace_since(p.slot, p.attempts, excluded.slot) AS attempts) AS since) AS n)
    RETURNING workspace_id, granted),
  in_hour AS MATERIALIZED (
    SELECT i.id FROM in_line i JOIN granted g ON g.workspace_id = i.workspace_id WHERE i.turn <= g.granted),
  admitted AS (                                  -- who wins the person's row has the room
    INSERT INTO lead_pace AS p (lead_id, workspace_id, attempted_at)
    SELECT lead_id, workspace_id, ARRAY[clock_timestamp()] FROM next_of_lead
     WHERE EXISTS (SELECT FROM lease) AND (hourly_ceiling IS NULL OR id IN (SELECT id FROM in_hour)) ORDER BY lead_id
        ON CONFLICT (lead_id) DO UPDATE
       SET attempted_at = p.attempted_at[greatest(1, cardinality(p.attempted_at) - 98):] || clock_timestamp()
     WHERE (SELECT coalesce(${CAP_ROOM} <= clock_timestamp(), true) FROM workspaces o WHERE o.id = p.workspace_id)
    RETURNING lead_id),
  deferred AS (                                  -- set aside until there is room, or a million of them would stand in front of what can be sent
    UPDATE flows f
       SET deferred_from = coalesce(f.deferred_from, f.due_at),
           due_at = greatest(${CAP_ROOM}, clock_timestamp() + interval '1 second') - a.pause_offset
      FROM next_of_lead n JOIN lead_pace p ON p.lead_id = n.lead_id JOIN workspaces o ON o.id = n.workspace_id JOIN lanes a ON a.id = n.lane_id
     WHERE f.id = n.id AND f.queued AND n.lead_id NOT IN (SELECT lead_id FROM admitted)
       AND (NOT n.has_room OR n.hourly_ceiling IS NULL OR n.id IN (SELECT id FROM in_hour))),    -- it is the hour that has no room, not the person
  outranked AS (                                 -- behind the older enrolment's: first in line, it would be given to its device before that one for ever
    UPDATE flows f
       SET deferred_from = coalesce(f.deferred_from, f.due_at), due_at = clock_timestamp() + interval '1 second' - a.pause_offset
      FROM able n JOIN lanes a ON a.id = n.lane_id
     WHERE f.id = n.id AND n.is_capped AND f.queued AND EXISTS (SELECT FROM lease) AND n.id NOT IN (SELECT id FROM next_of_lead)),`;

/** SQL: whether flow `f` of workspace `o` may be attempted, as far as `takeRations` goes. */
export const HAS_RATION = `(o.cap_messages IS NULL OR f.id IN (SELECT n.id FROM next_of_lead n JOIN admitted USING (lead_id)))
               AND (o.hourly_ceiling IS NULL OR f.id IN (SELECT id FROM in_hour))`;

/** SQL: workspace `o` has no ration to take, having got none since the claim either. */
export const NEEDS_NO_RATION = "o.cap_messages IS NULL AND o.hourly_ceiling IS NULL";
