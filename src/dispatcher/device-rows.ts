// The devices of this node, as Postgres has them.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { dailyLimitOf, hourlyLimitOf } from "../devices/ramp.ts";
import type { SessionStatus } from "../transports/transport.ts";

export type DeviceRow = {
  readonly id: string;
  readonly workspaceId: string;
  readonly nodeId: string;
  readonly transport: "SIMULATOR" | "WHATSAPP";
  readonly status: SessionStatus;
  readonly statusReason: string | null;
  readonly restrictedUntil: Date | null;
  readonly pairingRequestedAt: Date | null;
  readonly pairingPhone: string | null;
  readonly logoutRequestedAt: Date | null;
  readonly pausedAt: Date | null;
  /** That are in force now: those of a new device grow. */
  readonly hourlyLimit: number;
  readonly dailyLimit: number;
  readonly simulatedLatencyMs: number;
  readonly simulatedFailureRate: number;
  /** The node that it is to be handed to. */
  readonly wantedNodeId: string | null;
  /** Its last holder died, and may have had a message on its way. */
  readonly quarantined: boolean;
  readonly spills: boolean;
};

export async function loadDevices(pool: pg.Pool, nodeId: string): Promise<DeviceRow[]> {
  const { rows } = await pool.query<DeviceRow>({
    name: "devices_of_node",
    text: `SELECT id, workspace_id AS "workspaceId", node_id AS "nodeId", transport, status, status_reason AS "statusReason", restricted_until AS "restrictedUntil",
                  pairing_requested_at AS "pairingRequestedAt", pairing_phone AS "pairingPhone", logout_requested_at AS "logoutRequestedAt", paused_at AS "pausedAt", ${hourlyLimitOf("devices")} AS "hourlyLimit", ${dailyLimitOf("devices")} AS "dailyLimit",
                  simulated_latency_ms AS "simulatedLatencyMs", simulated_failure_rate AS "simulatedFailureRate",
                  wanted_node_id AS "wantedNodeId", quarantined, spills
             FROM devices WHERE node_id = $1 ORDER BY id`,
    values: [nodeId],
  });
  return rows;
}

/** The times of each device's attempts in the last 25 hours, oldest first, in ms by `now`: the limits are counted by one clock of this process
 *  alone, and Postgres's may go differently. */
export async function loadAttempts(pool: pg.Pool, deviceIds: readonly string[], now: () => number): Promise<Map<string, number[]>> {
  const { rows } = await pool.query<{ device_id: string; ago: number[] }>(
    `SELECT device_id, array_agg(extract(epoch FROM clock_timestamp() - at)::float8 * 1000 ORDER BY at) AS ago
       FROM device_attempts WHERE device_id = ANY ($1::uuid[]) AND at > clock_timestamp() - interval '25 hours' GROUP BY device_id`,
    [textArray(deviceIds)],
  );
  const present = now();
  return new Map(rows.map((row) => [row.device_id, row.ago.map((ms) => present - ms)]));
}

/** Their quarantine is over. Returns those that are still this node's. */
export async function endQuarantine(pool: pg.Pool, nodeId: string, deviceIds: readonly string[]): Promise<Set<string>> {
  if (deviceIds.length === 0) return new Set();
  const { rows } = await pool.query<{ id: string }>("UPDATE devices SET quarantined = false WHERE id = ANY ($1::uuid[]) AND node_id = $2 RETURNING id", [
    textArray(deviceIds),
    nodeId,
  ]);
  return new Set(rows.map((row) => row.id));
}

/** Gives up a device whose session is closed: to the node that it was asked for, or to nobody. */
export async function releaseDevice(pool: pg.Pool, nodeId: string, deviceId: string): Promise<void> {
  await pool.query(
    `WITH released AS (
       UPDATE devices d SET node_id = (SELECT n.id FROM nodes n WHERE n.id = d.wanted_node_id), wanted_node_id = NULL, spills = true
        WHERE d.id = $1 AND d.node_id = $2 RETURNING d.node_id)
     UPDATE nodes n SET orders = orders + 1 FROM released r WHERE n.id = r.node_id`,
    [deviceId, nodeId],
  );
}

export type Spilling = { readonly deviceId: string; readonly spills: boolean };

/** Tells all nodes whether a device's people may be served by others. */
export async function writeSpilling(pool: pg.Pool, nodeId: string, changes: readonly Spilling[]): Promise<void> {
  if (changes.length === 0) return;
  await pool.query("UPDATE devices d SET spills = w.spills FROM unnest($1::uuid[], $2::boolean[]) AS w(id, spills) WHERE d.id = w.id AND d.node_id = $3", [
    textArray(changes.map(({ deviceId }) => deviceId)),
    textArray(changes.map(({ spills }) => String(spills))),
    nodeId,
  ]);
}
