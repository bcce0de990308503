import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import type { SessionStatus } from "../transports/transport.ts";

export type StatusChange = { readonly deviceId: string; readonly status: SessionStatus; readonly reason: string | null };

const writeStatus = `
  WITH wanted AS (SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) AS w(id, status, reason)),
  before AS MATERIALIZED (SELECT d.id, d.status FROM devices d JOIN wanted USING (id) WHERE d.node_id = $4 ORDER BY d.id FOR UPDATE OF d),
  changed AS (
    UPDATE devices d SET status = w.status, status_reason = w.reason, status_changed_at = clock_timestamp()
      FROM wanted w, before b
     WHERE d.id = w.id AND b.id = w.id AND b.status <> w.status
    RETURNING d.id, d.workspace_id, d.status, b.status AS previous_status, d.status_reason)
  INSERT INTO events (workspace_id, type, device_id, status, previous_status, reason)
  SELECT workspace_id, 'DEVICE_STATUS', id, status, previous_status, status_reason FROM changed`;

/** Writes down changed states with their events, at most one change per device at a time, of devices that node `nodeId` holds. A state that the
 *  device is in already is no change. */
export async function writeStatusChanges(pool: pg.Pool, nodeId: string, changes: readonly StatusChange[]): Promise<void> {
  await pool.query(writeStatus, [
    textArray(changes.map(({ deviceId }) => deviceId)),
    textArray(changes.map(({ status }) => status)),
    textArray(changes.map(({ reason }) => reason)),
    nodeId,
  ]);
}
