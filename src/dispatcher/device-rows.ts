import type pg from "pg";
import { textArray } from "../db/arrays.ts";

export type DeviceRow = {
  readonly id: string;
  readonly workspaceId: string;
  readonly transport: "SIMULATOR";
  readonly pausedAt: Date | null;
  readonly hourlyLimit: number;
  readonly dailyLimit: number;
  readonly simulatedLatencyMs: number;
  readonly simulatedFailureRate: number;
};

/** The devices to hold, at most `limit`, the oldest first. */
export async function loadDevices(pool: pg.Pool, limit: number): Promise<DeviceRow[]> {
  const { rows } = await pool.query<DeviceRow>(
    `SELECT id, workspace_id AS "workspaceId", transport, paused_at AS "pausedAt", hourly_limit AS "hourlyLimit", daily_limit AS "dailyLimit",
            simulated_latency_ms AS "simulatedLatencyMs", simulated_failure_rate AS "simulatedFailureRate"
       FROM devices ORDER BY id LIMIT $1`,
    [limit],
  );
  return rows;
}

/** The times of each device's attempts in the last 25 hours, oldest first, in ms since the epoch by this process's clock: Postgres's may go
 *  differently, and the limits are counted by one clock alone. */
export async function loadAttempts(pool: pg.Pool, deviceIds: readonly string[], now: () => number): Promise<Map<string, number[]>> {
  const { rows } = await pool.query<{ device_id: string; ago: number[] }>(
    `SELECT device_id, array_agg(extract(epoch FROM clock_timestamp() - at)::float8 * 1000 ORDER BY at) AS ago
       FROM device_attempts WHERE device_id = ANY ($1::uuid[]) AND at > clock_timestamp() - interval '25 hours' GROUP BY device_id`,
    [textArray(deviceIds)],
  );
  const present = now();
  return new Map(rows.map((row) => [row.device_id, row.ago.map((ms) => present - ms)]));
}
