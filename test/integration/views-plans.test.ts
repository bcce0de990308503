// Statements that look for few rows read few rows: with many leads and flows no table of them is scanned.

import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addWorkspace, one, query } from "../support/factories.ts";

const LEADS = 30_000;
const FLOWS_EACH = 5;

let database: TestDatabase;
let pool: pg.Pool;
let deviceId: string;

/** Five flows for each lead, nearly all sent over the last weeks; some failed, some wait, some are in processing. */
beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
  const workspaceId = await addWorkspace(pool);
  deviceId = await addDevice(pool, workspaceId);
  for (let n = 0; n < 20; n++) await addDevice(pool, workspaceId);
  const { id: sequenceId } = await one<{ id: string }>(pool, "INSERT INTO sequences (workspace_id, name, is_active) VALUES ($1, 'Big', true) RETURNING id", [workspaceId]);
  const { id: stepId } = await one<{ id: string }>(
    pool,
    "INSERT INTO sequence_steps (workspace_id, sequence_id, day_number, trigger, message_text, is_entry_point) VALUES ($1, $2, 1, 'big', 'Hello', true) RETURNING id",
    [workspaceId, sequenceId],
  );
  await pool.query("INSERT INTO leads (workspace_id, phone, name) SELECT $1, (60100000000 + n)::text, 'Lead ' || n FROM generate_series(1, $2::int) AS n", [workspaceId, LEADS]);
  await pool.query(
    `INSERT INTO enrollments (workspace_id, lead_id, sequence_id, trigger, current_flow_id, status, finished_at)
     SELECT workspace_id, id, $1, 'big', uuid_v7(), 'COMPLETED', now() FROM leads`,
    [sequenceId],
  );
  // 148,500 sent before the hour, 1,000 failed before it, 20 failed in it, 460 wait for devices, 20 in processing.
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
    [sequenceId, stepId, FLOWS_EACH],
  );
  // A day's attempts, as upkeep keeps them: some thousands settled, and the 20 that are not.
  await pool.query("INSERT INTO device_attempts (workspace_id, device_id, flow_id, at) SELECT workspace_id, device_id, id, attempted_at FROM flows WHERE attempted_at > now() - interval '25 hours'");
  await pool.query("UPDATE dispatch_lease SET settled_until = now() - interval '6 minutes'");
  await pool.query("VACUUM ANALYZE");
}, 60_000);
afterAll(() => database.drop());

type Plan = { "Node Type": string; "Relation Name"?: string; Plans?: Plan[]; "Actual Rows"?: number; "Actual Loops"?: number };

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

async function planOf(statement: string): Promise<Plan[]> {
  const [row] = await query<{ "QUERY PLAN": [{ Plan: Plan }] }>(pool, `EXPLAIN (FORMAT JSON) ${statement}`);
  if (row === undefined) throw new Error("no plan");
  return nodesOf(row["QUERY PLAN"][0].Plan);
}

/** Big tables that are read from end to end. */
const scanned = (plan: readonly Plan[]) =>
  plan.filter((node) => node["Node Type"] === "Seq Scan" && /^(flows|leads|enrollments|device_attempts|events)/.test(node["Relation Name"] ?? "")).map((node) => node["Relation Name"]);

const device = () => `'${deviceId}'`;
const STATEMENTS: [string, () => string][] = [
  ["what is in processing", () => "SELECT COUNT(*) FROM sequence_contacts WHERE processing_device_id IS NOT NULL"],
  ["what is stuck", () => "SELECT * FROM sequence_contacts WHERE processing_device_id IS NOT NULL AND processing_started_at < NOW() - INTERVAL '5 minutes'"],
  ["what was retried", () => "SELECT contact_phone, retry_count, last_error FROM sequence_contacts WHERE retry_count > 0 ORDER BY retry_count DESC"],
  ["a device's pending messages", () => `SELECT * FROM broadcast_messages WHERE device_id = ${device()} AND status = 'pending' AND scheduled_at <= NOW()`],
  ["the last hour's failures", () => "SELECT * FROM failed_flows_monitor WHERE failed_at > NOW() - INTERVAL '1 hour'"],
  ["a lead by its number", () => "UPDATE leads SET trigger = 'fitness_start' WHERE phone = '60100012345'"],
  ["a lead by its id", () => `UPDATE leads SET trigger = 'fitness_start,nutrition_start' WHERE id = ${device()}`],
  ["the devices' load", () => "SELECT device_id, messages_hour, messages_today, is_available FROM device_load_balance ORDER BY messages_hour ASC"],
  ["the devices' performance", () => "SELECT * FROM device_performance_monitor WHERE device_status = 'online' ORDER BY messages_hour DESC"],
  ["the sequences' progress", () => "SELECT * FROM sequence_progress_monitor"],
];

test("there are as many rows as is said", async () => {
  expect(await one(pool, "SELECT (SELECT count(*) FROM flows) AS flows, (SELECT count(*) FROM leads) AS leads")).toEqual({ flows: LEADS * FLOWS_EACH, leads: LEADS });
  expect(await query(pool, "SELECT FROM sequence_contacts WHERE processing_device_id IS NOT NULL")).toHaveLength(20);
  expect(await query(pool, "SELECT FROM failed_flows_monitor WHERE failed_at > NOW() - INTERVAL '1 hour'")).toHaveLength(20);
  expect((await query(pool, `SELECT FROM broadcast_messages WHERE device_id = ${device()} AND status = 'pending' AND scheduled_at <= NOW()`)).length).toBeGreaterThan(10);
});

test.each(STATEMENTS)("an index finds %s", async (_what, statement) => {
  expect(scanned(await planOf(statement()))).toEqual([]);
});
