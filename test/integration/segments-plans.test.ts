// A segment of few leads among many is found by an index, by whatever filter, and counted by one: no list of leads or enrolments is read from end to end.

import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { filtersOf } from "../../bench/leads/filters.ts";
import { addLeads, WORKSPACE_ID } from "../../bench/leads/rows.ts";
import { createPool } from "../../src/db/client.ts";
import { workspaceDb } from "../../src/db/workspace.ts";
import type { LeadFilter } from "../../src/leads/filter.ts";
import { countLeads, leadOrder, listLeads } from "../../src/leads/list.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { query } from "../support/factories.ts";

const LEADS = 60_000;

let database: TestDatabase;
/** One connection: it tells what it has read itself. */
let pool: pg.Pool;
let known: Parameters<typeof filtersOf>[0];

beforeAll(async () => {
  database = await testDatabase();
  await addLeads(database.url, LEADS);
  pool = createPool(database.url, { max: 1, idle: 1, lifetimeSeconds: 0, onError: console.error });
  const some = await query<{ id: string; phone: string }>(pool, "SELECT id, phone FROM leads WHERE workspace_id = $1 AND phone LIKE '%77' ORDER BY id LIMIT 50", [WORKSPACE_ID]);
  const hours = (count: number) => new Date(Date.now() - count * 3_600_000);
  known = { ids: some.map(({ id }) => id), phones: some.map(({ phone }) => `+${phone}`), middle: hours(45 * 24), lastDay: hours(24) };
}, 120_000);
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** How often leads or enrolments were read from end to end, up to now. */
async function scans(): Promise<number> {
  await pool.query("SELECT pg_stat_force_next_flush()");
  const [row] = await query<{ scans: number }>(pool, "SELECT sum(seq_scan)::int AS scans FROM pg_stat_user_tables WHERE relname IN ('leads', 'enrollments')");
  return row?.scans ?? NaN;
}

async function read(filter: LeadFilter): Promise<{ rows: number; total: number; isExact: boolean }> {
  const db = workspaceDb(pool, WORKSPACE_ID);
  const page = { limit: 50, backward: false, after: null, before: null };
  const listed = await listLeads(db, filter, page, leadOrder("CREATED_AT", false));
  const counted = await countLeads(db, filter);
  if (!listed.ok || !counted.ok) throw new Error("refused");
  return { rows: listed.value.rows.length, ...counted.value };
}

const FEW = ["ids", "phones", "niche (few)", "trigger (few)", "optedOut", "createdAfter (few)", "attributes (few)", "sequenceId (few)", "preferredDeviceId", "search (few)", "search (number)"];
const MANY = ["not optedOut", "not hasReplied", "hasConsent", "attributes (many)", "niche (many)"];

test("the check knows a scan when it sees one", async () => {
  const before = await scans();
  await pool.query("SELECT count(*) FROM leads WHERE time_zone = 'x'");
  expect(await scans()).toBeGreaterThan(before);
});

test.each(FEW)("an index finds and counts what few leads have: %s", async (name) => {
  const filters = new Map(filtersOf(known));
  const filter = filters.get(name);
  if (filter === undefined) throw new Error(`there is no filter ${name}`);
  const before = await scans();
  const { rows, total, isExact } = await read(filter);
  expect([rows, isExact, await scans()]).toEqual([Math.min(50, total), true, before]);
  expect(total).toBeGreaterThan(0);
  for (const other of MANY) {
    const second = filters.get(other) ?? {};
    if (Object.keys(second).some((field) => field in filter)) continue;
    await read({ ...filter, ...second });
    expect([other, await scans()]).toEqual([other, before]);
  }
});
