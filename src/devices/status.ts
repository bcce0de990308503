import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { appendEvents } from "../events/append.ts";
import type { SessionStatus } from "../transports/transport.ts";
import { disconnected, LASTING_STATUSES } from "./lasting.ts";
import { IS_RESTRICTED } from "./restriction.ts";

/** `until`: when a restriction ends by itself; null where that is not known. */
export type StatusChange = { readonly deviceId: string; readonly status: SessionStatus; readonly reason: string | null; readonly until: Date | null };

/** A restriction of unknown length is taken to last so long where its device goes away: until it comes back, and tells. */
const UNKNOWN_RESTRICTION = "interval '24 hours'";

const writeStatus = `
  WITH wanted AS (SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS w(id, status, reason, until)),
  before AS MATERIALIZED (
    SELECT d.id, d.status, ${IS_RESTRICTED} AS is_restricted FROM devices d JOIN wanted USING (id) WHERE d.node_id = $5 ORDER BY d.id FOR UPDATE OF d),
  next AS MATERIALIZED (
    SELECT w.id, b.status AS previous_status, CASE w.status WHEN 'OFFLINE' THEN ${disconnected("b.status")} ELSE w.status END AS status, w.reason, w.until, b.is_restricted
      FROM wanted w JOIN before b ON b.id = w.id
     WHERE NOT (w.status = 'OFFLINE' AND b.status IN ${LASTING_STATUSES})),                 -- its reason stays, too
  changed AS (
    UPDATE devices d
       SET status = n.status, status_reason = n.reason,
           status_changed_at = CASE WHEN n.status = n.previous_status THEN d.status_changed_at ELSE clock_timestamp() END,
           -- When it began: one that only came back with it would undo an operator's release of the first contacts.
           restricted_at = CASE WHEN n.status = 'RESTRICTED' AND n.is_restricted IS NOT TRUE THEN clock_timestamp() ELSE d.restricted_at END,
           -- With a number that is linked anew it begins anew.
           ramp_began_at = CASE WHEN n.status = 'ONLINE' THEN coalesce(d.ramp_began_at, clock_timestamp()) WHEN n.status NOT IN ('UNPAIRED', 'LOGGED_OUT') THEN d.ramp_began_at END,
           restricted_until = CASE WHEN n.status IN ('CONNECTING', 'OFFLINE') THEN d.restricted_until
                                   WHEN n.status = 'RESTRICTED' THEN coalesce(n.until, CASE WHEN n.is_restricted THEN d.restricted_until END, clock_timestamp() + ${UNKNOWN_RESTRICTION}) END
      FROM next n
     WHERE d.id = n.id
       AND (n.status <> n.previous_status OR n.reason IS DISTINCT FROM d.status_reason
            OR n.status = 'RESTRICTED' AND n.until IS NOT NULL AND n.until IS DISTINCT FROM d.restricted_until)
    RETURNING d.id, d.workspace_id, d.status, n.previous_status, d.status_reason)
  ${appendEvents(["device_id", "status", "previous_status", "reason"], `
      SELECT workspace_id, 'DEVICE_STATUS' AS type, id AS device_id, status, previous_status, status_reason AS reason FROM changed WHERE status <> previous_status`)}`;

/** Writes down changed states with their events, at most one change per device at a time, of devices that node `nodeId` holds. Another reason for the state
 *  that a device is in already, or another end of its restriction, is written without an event. */
export async function writeStatusChanges(pool: pg.Pool, nodeId: string, changes: readonly StatusChange[]): Promise<void> {
  await pool.query(writeStatus, [
    textArray(changes.map(({ deviceId }) => deviceId)),
    textArray(changes.map(({ status }) => status)),
    textArray(changes.map(({ reason }) => reason)),
    textArray(changes.map(({ until }) => until?.toISOString() ?? null)),
    nodeId,
  ]);
}
