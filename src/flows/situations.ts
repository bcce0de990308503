// What keeps flows waiting, as the database knows it: two statements for a page, however many flows are on it.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import { LASTING_STATUSES } from "../devices/lasting.ts";
import { dailyLimitOf, hourlyLimitOf } from "../devices/ramp.ts";
import { IS_RESTRICTED } from "../devices/restriction.ts";
import { SEND_DEADLINE_MS } from "../transports/transport.ts";
import { hasOlder } from "./older.ts";
import type { DeviceRoom, Situation } from "./waiting.ts";

type Queryable = Pick<pg.ClientBase, "query">;

/** The situation of each flow, in the order of `ids`; null where there is none with an id. */
export async function flowSituations(db: WorkspaceDb, ids: readonly string[]): Promise<(Situation | null)[]> {
  return db.read(async ({ $client }) => {
    const fleet = await fleetOf($client, db.id);
    const situations = await ownSituations($client, db.id, ids);
    return ids.map((id) => {
      const own = situations.get(id);
      return own ? { ...own, ...fleet } : null;
    });
  });
}

const SEND_DEADLINE = `interval '${SEND_DEADLINE_MS} milliseconds'`;

/** When the attempt leaves a window of device `d` that must before there is room again; null where there is. As in devices/limits.ts, each counts for
 *  the window and the send deadline. */
const blockedBy = (limit: string, hours: number) => `(
  SELECT a.at + (interval '${hours} hours' + ${SEND_DEADLINE}) FROM device_attempts a
   WHERE a.device_id = d.id AND a.at > now() - (interval '${hours} hours' + ${SEND_DEADLINE}) ORDER BY a.at DESC OFFSET ${limit} - 1 LIMIT 1)`;

const [BLOCKED_BY_HOUR, BLOCKED_BY_DAY] = [blockedBy("d.hourly_limit", 1), blockedBy("d.daily_limit", 24)];
const BLOCKED_UNTIL = `greatest(${BLOCKED_BY_HOUR}, ${BLOCKED_BY_DAY})`;

const LAST_ATTEMPT = "(SELECT a.at FROM device_attempts a WHERE a.device_id = d.id ORDER BY a.at DESC LIMIT 1)";

const FLEET = `
  WITH online AS MATERIALIZED (
    SELECT d.id, ${hourlyLimitOf("d")} AS hourly_limit, ${dailyLimitOf("d")} AS daily_limit, ${LAST_ATTEMPT} AS rested_since
      FROM devices d WHERE d.workspace_id = $1 AND d.status = 'ONLINE' AND d.paused_at IS NULL),
  free AS MATERIALIZED (         -- the most rested first: it is the likeliest to have room, and the limits of the others need not be looked at
    SELECT d.rested_since FROM (SELECT * FROM online ORDER BY rested_since NULLS FIRST OFFSET 0) AS d
     WHERE ${BLOCKED_BY_HOUR} IS NULL AND ${BLOCKED_BY_DAY} IS NULL LIMIT 1),
  -- A day's attempts take ten times as long to look at as an hour's: 1.2 s for 3,000 devices. Those with the first end of the hour's wait will do,
  -- unless the day keeps them longer than the hour keeps the next ones.
  soonest AS (
    SELECT d.hour_until, ${BLOCKED_BY_DAY} AS day_until
      FROM (SELECT *, ${BLOCKED_BY_HOUR} AS hour_until FROM online d ORDER BY hour_until NULLS FIRST LIMIT 16) AS d OFFSET 0),
  room AS (
    SELECT CASE WHEN min(greatest(hour_until, day_until)) <= max(hour_until) THEN min(greatest(hour_until, day_until))
                ELSE (SELECT min(${BLOCKED_UNTIL}) FROM online d) END AS at FROM soonest)
  SELECT EXISTS (SELECT FROM devices WHERE workspace_id = $1) AS "hasDevices",
         EXISTS (SELECT FROM devices WHERE workspace_id = $1 AND status NOT IN ${LASTING_STATUSES}) AS "canComeBack", (SELECT count(*)::int FROM online) AS online,
         EXISTS (SELECT FROM free) AS "hasRoom", (SELECT rested_since FROM free) AS "restedSince",
         CASE WHEN NOT EXISTS (SELECT FROM free) THEN (SELECT at FROM room) END AS "roomAt",
         CASE WHEN w.hourly_ceiling <= hour_attempts(w.id) THEN (      -- until the slot is over that those after it leave no room for
           SELECT to_timestamp(10 * (newest.slot - n.place + 2)) + (interval '1 hour' + ${SEND_DEADLINE})
             FROM (SELECT pace_slot(clock_timestamp()) AS slot OFFSET 0) AS newest
            CROSS JOIN (SELECT slots.place, sum(slots.made) OVER (ORDER BY slots.place) AS made
                          FROM workspace_pace p CROSS JOIN LATERAL unnest(pace_since(p.slot, p.attempts, pace_slot(clock_timestamp()))) WITH ORDINALITY AS slots(made, place)
                         WHERE p.workspace_id = w.id) AS n
            WHERE n.made >= w.hourly_ceiling ORDER BY n.place LIMIT 1) END AS "ceilingUntil"
    FROM workspaces w WHERE w.id = $1`;

type Fleet = Pick<Situation, "hasDevices" | "canComeBack" | "devices" | "ceilingUntil">;

/** What holds for all flows of the workspace. */
async function fleetOf(client: Queryable, workspaceId: string): Promise<Fleet> {
  const { rows } = await client.query<DeviceRoom & Omit<Fleet, "devices">>(FLEET, [workspaceId]);
  const [row] = rows;
  if (!row) throw new Error("the workspace is gone");
  const { hasDevices, canComeBack, ceilingUntil, ...devices } = row;
  return { hasDevices, canComeBack, ceilingUntil, devices };
}

const OWN = `
  WITH wanted AS MATERIALIZED (
    SELECT f.* FROM unnest($1::uuid[]) AS w(id)
     CROSS JOIN LATERAL (SELECT * FROM flows WHERE flows.id = w.id AND flows.workspace_id = $2 OFFSET 0) AS f),
  lane AS MATERIALIZED (         -- once for each lane, not for each flow. A window that closes within the send deadline is as good as closed
    SELECT a.id, a.paused_at, a.pause_offset, a.open_from = 'infinity' AS never_opens, s.status, k.status AS campaign_status, k.launch_id, a.is_test,
           coalesce(s.min_delay_seconds, k.min_delay_seconds) AS min_delay_seconds, coalesce(s.max_delay_seconds, k.max_delay_seconds) AS max_delay_seconds,
           coalesce(s.no_device_grace_minutes, 0) AS no_device_grace_minutes, w.cap_messages, w.cap_hours, w.first_contacts_held_at,
           CASE WHEN opening.at > now() THEN opening.at END AS window_opens_at, quiet.until AS quiet_until
      FROM (SELECT DISTINCT lane_id FROM wanted) AS d
      JOIN lanes a ON a.id = d.lane_id JOIN workspaces w ON w.id = a.workspace_id
      LEFT JOIN sequences s ON s.id = a.sequence_id LEFT JOIN campaigns k ON k.id = a.campaign_id
     CROSS JOIN LATERAL (SELECT sound_zone(a.time_zone) AS name OFFSET 0) AS zone
     CROSS JOIN LATERAL (
       SELECT next_opening(zone.name, s.schedule_time, '-infinity', now() + ${SEND_DEADLINE} - make_interval(mins => s.schedule_tolerance_minutes)) AS at
     ) AS opening
     CROSS JOIN LATERAL (
       SELECT max(span.until) AS until
         FROM generate_series(-2, 1) AS n
        CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE zone.name)::date + n AS day) AS on_day
        CROSS JOIN LATERAL (SELECT instant_of(day + w.quiet_start, zone.name) AS start,
                                   instant_of(day + (w.quiet_end <= w.quiet_start)::int + w.quiet_end, zone.name) AS until) AS span
        WHERE w.quiet_start IS NOT NULL AND span.start - ${SEND_DEADLINE} <= now() AND now() < span.until) AS quiet),
  bound AS MATERIALIZED (        -- the devices that still have their people to themselves: a restricted one has them wherever it is
    SELECT d.id, ${IS_RESTRICTED} AS is_restricted, d.restricted_until, (d.status IN ('ONLINE', 'RESTRICTED') AND d.paused_at IS NULL)::int AS online,
           greatest(${blockedBy(hourlyLimitOf("d"), 1)}, ${blockedBy(dailyLimitOf("d"), 24)}) AS room_at, ${LAST_ATTEMPT} AS rested_since
      FROM devices d WHERE d.id IN (SELECT bound_device_id FROM wanted) AND (${IS_RESTRICTED} OR d.status = 'ONLINE' AND d.paused_at IS NULL AND NOT d.spills))
  SELECT f.id, now() AS now, f.attempted_at IS NULL AND f.settled_at IS NULL AS "isWaiting",
         wall_time(coalesce(f.deferred_from, f.due_at), l.paused_at, l.pause_offset) AS "dueAt",
         CASE WHEN f.deferred_from IS NOT NULL THEN wall_time(f.due_at, l.paused_at, l.pause_offset) END AS "deferredUntil",
         l.status AS "sequenceStatus", CASE WHEN NOT l.is_test THEN l.campaign_status END AS "campaignStatus", e.status AS "enrollmentStatus", l.window_opens_at AS "windowOpensAt", l.quiet_until AS "quietUntil",
         l.never_opens AS "neverOpens", l.min_delay_seconds AS "minDelaySeconds", l.max_delay_seconds AS "maxDelaySeconds",
         l.no_device_grace_minutes AS "noDeviceGraceMinutes", CASE WHEN pace.room_at > now() THEN pace.room_at END AS "capUntil",
         l.cap_messages IS NOT NULL AND ${hasOlder("f.lead_id", "coalesce(f.enrollment_id, CASE WHEN NOT l.is_test THEN l.launch_id END, f.id)")} AS "isBehindOlder",
         b.online, b.room_at AS "roomAt", b.rested_since AS "restedSince",
         b.is_restricted AND (p.replied_device_id IS DISTINCT FROM b.id OR f.retry_of IS NOT NULL) AS "isKept",
         CASE WHEN b.restricted_until > now() THEN b.restricted_until END AS "restrictedUntil",
         l.first_contacts_held_at IS NOT NULL AND (p.last_replied_at IS NULL OR f.retry_of IS NOT NULL) AS "isHeld"
    FROM wanted f
    JOIN lane l ON l.id = f.lane_id
    LEFT JOIN enrollments e ON e.id = f.enrollment_id
    LEFT JOIN leads p ON p.id = f.lead_id
    LEFT JOIN bound b ON b.id = f.bound_device_id
    LEFT JOIN LATERAL (          -- as the attempt reckons
      SELECT p.attempted_at[cardinality(p.attempted_at) - l.cap_messages + 1] + make_interval(hours => l.cap_hours) + ${SEND_DEADLINE} AS room_at
        FROM lead_pace p WHERE p.lead_id = f.lead_id) AS pace ON true`;

/** Of the device that has it to itself: nulls where none has. */
type Own = Pick<DeviceRoom, "roomAt" | "restedSince"> & { readonly online: number | null; readonly isKept: boolean | null; readonly restrictedUntil: Date | null };

type OwnRow = Omit<Situation, keyof Fleet | "boundDevice" | "restriction"> & Own & { readonly id: string };

/** What holds for each flow by itself. */
async function ownSituations(client: Queryable, workspaceId: string, ids: readonly string[]): Promise<Map<string, Omit<Situation, keyof Fleet>>> {
  const { rows } = await client.query<OwnRow>(OWN, [textArray(ids), workspaceId]);
  return new Map(
    rows.map(({ id, online, roomAt, restedSince, isKept, restrictedUntil, ...situation }) => [
      id,
      {
        ...situation,
        boundDevice: online === null ? null : { online, hasRoom: roomAt === null, roomAt, restedSince },
        restriction: isKept ? { until: restrictedUntil } : null,
      },
    ]),
  );
}
