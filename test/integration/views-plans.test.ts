// Statements that look for few rows read few rows: with many leads and flows no table of them is scanned.

import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { one, query } from "../support/factories.ts";
import { addMany, MANY } from "../support/many.ts";

let database: TestDatabase;
let pool: pg.Pool;
let deviceId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
  deviceId = await addMany(pool);
}, 60_000);
afterAll(() => database.drop());

type Plan = { "Node Type": string; "Relation Name"?: string; Plans?: Plan[] };

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

async function planOf(statement: string): Promise<Plan[]> {
  const [row] = await query<{ "QUERY PLAN": [{ Plan: Plan }] }>(pool, `EXPLAIN (FORMAT JSON) ${statement}`);
  if (row === undefined) throw new Error("no plan");
  return nodesOf(row["QUERY PLAN"][0].Plan);
}

/** Big tables and partitions that are read from end to end; one that is empty yet is read so at no cost. */
async function scanned(plan: readonly Plan[]): Promise<string[]> {
  const read = plan.flatMap((node) => (node["Node Type"] === "Seq Scan" && node["Relation Name"] !== undefined ? [node["Relation Name"]] : []));
  const big = await query<{ relname: string }>(pool, "SELECT relname FROM pg_class WHERE relname = ANY ($1) AND reltuples > 1000 ORDER BY 1", [read]);
  return big.map(({ relname }) => relname);
}

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
  expect(await one(pool, "SELECT (SELECT count(*) FROM flows) AS flows, (SELECT count(*) FROM leads) AS leads")).toEqual({ flows: MANY.leads * MANY.flowsEach, leads: MANY.leads + MANY.workspaces });
  expect(await query(pool, "SELECT FROM sequence_contacts WHERE processing_device_id IS NOT NULL")).toHaveLength(20);
  expect(await query(pool, "SELECT FROM failed_flows_monitor WHERE failed_at > NOW() - INTERVAL '1 hour'")).toHaveLength(20);
  expect((await query(pool, `SELECT FROM broadcast_messages WHERE device_id = ${device()} AND status = 'pending' AND scheduled_at <= NOW()`)).length).toBeGreaterThan(10);
});

test("the check knows a scan when it sees one", async () => {
  expect(await scanned(await planOf("SELECT * FROM leads WHERE time_zone = 'Asia/Tokyo'"))).toEqual(["leads"]);
});

test.each(STATEMENTS)("an index finds %s", async (_what, statement) => {
  expect(await scanned(await planOf(statement()))).toEqual([]);
});
