// Very many rows at once, for what depends on how many there are.

import type pg from "pg";
import { addDevice, addWorkspace, one } from "./factories.ts";

export const MANY = { leads: 30_000, flowsEach: 5, workspaces: 2000 };

/** One workspace with many leads and five flows for each, nearly all sent over the last weeks: 1,000 failed before the last hour, 20 in it, 460
 *  wait for devices, 20 are in processing. And many workspaces with one lead. Returns one of the 21 devices. */
export async function addMany(pool: pg.Pool): Promise<string> {
  const workspaceId = await addWorkspace(pool);
  const deviceId = await addDevice(pool, workspaceId);
  for (let n = 0; n < 20; n++) await addDevice(pool, workspaceId);
  const { id: sequenceId } = await one<{ id: string }>(pool, "INSERT INTO sequences (workspace_id, name, is_active) VALUES ($1, 'Big', true) RETURNING id", [workspaceId]);
  const { id: stepId } = await one<{ id: string }>(
    pool,
    "INSERT INTO sequence_steps (workspace_id, sequence_id, day_number, trigger, message_text, is_entry_point) VALUES ($1, $2, 1, 'big', 'Hello', true) RETURNING id",
    [workspaceId, sequenceId],
  );
  await pool.query("INSERT INTO leads (workspace_id, phone, name) SELECT $1, (60100000000 + n)::text, 'Lead ' || n FROM generate_series(1, $2::int) AS n", [workspaceId, MANY.leads]);
  await pool.query(
    "WITH w AS (INSERT INTO workspaces (name) SELECT 'Small' FROM generate_series(1, $1::int) RETURNING id) INSERT INTO leads (workspace_id, phone) SELECT id, (60200000000 + row_number() OVER ())::text FROM w",
    [MANY.workspaces],
  );
  await pool.query(
    `INSERT INTO enrollments (workspace_id, lead_id, sequence_id, trigger, current_flow_id, status, finished_at)
     SELECT workspace_id, id, $1, 'big', uuid_v7(), 'COMPLETED', now() FROM leads WHERE workspace_id = $2`,
    [sequenceId, workspaceId],
  );
  await pool.query(
    `INSERT INTO flows (workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, due_at, queued, status, bound_device_id, device_id, text,
                        attempt_id, attempted_at, settled_at, sent_at, failed_at, failure_code, failure_message)
     SELECT e.workspace_id, lane_of($1, 'UTC'), e.lead_id, e.id, $1, $2, t.at, t.kind = 'waiting', t.status, t.device, CASE t.kind WHEN 'waiting' THEN NULL ELSE t.device END, 'Hello',
            CASE t.kind WHEN 'waiting' THEN NULL ELSE uuid_v7() END, CASE t.kind WHEN 'waiting' THEN NULL ELSE t.at END,
            CASE WHEN t.kind IN ('sent', 'failed', 'fresh') THEN t.at END, CASE t.kind WHEN 'sent' THEN t.at END,
            CASE WHEN t.kind IN ('failed', 'fresh') THEN t.at END, CASE WHEN t.kind IN ('failed', 'fresh') THEN 'REJECTED' END, CASE WHEN t.kind IN ('failed', 'fresh') THEN 'No' END
       FROM (SELECT e.*, row_number() OVER () AS n FROM enrollments e) AS e
      CROSS JOIN generate_series(1, $3::int) AS k
      CROSS JOIN LATERAL (SELECT CASE WHEN k > 1 OR n > 1500 THEN 'sent' WHEN n <= 1000 THEN 'failed' WHEN n <= 1020 THEN 'fresh' WHEN n <= 1480 THEN 'waiting' ELSE 'processing' END AS kind) AS kinds
      CROSS JOIN LATERAL (
        SELECT kind, CASE kind WHEN 'sent' THEN 'SENT' WHEN 'waiting' THEN 'ACTIVE' WHEN 'processing' THEN 'PROCESSING' ELSE 'FAILED' END AS status,
               CASE WHEN kind IN ('sent', 'failed') THEN now() - interval '2 hours' - n * interval '90 seconds' ELSE now() - interval '1 minute' END AS at,
               (SELECT id FROM devices ORDER BY id LIMIT 1 OFFSET (n % 21)::int) AS device) AS t`,
    [sequenceId, stepId, MANY.flowsEach],
  );
  // A day's attempts, as upkeep keeps them: some thousands settled, and the 20 that are not.
  await pool.query("INSERT INTO device_attempts (workspace_id, device_id, flow_id, at) SELECT workspace_id, device_id, id, attempted_at FROM flows WHERE attempted_at > now() - interval '25 hours'");
  await pool.query("UPDATE coordinator SET settled_until = now() - interval '6 minutes'");
  await pool.query("VACUUM ANALYZE");
  return deviceId;
}
