import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { createPool } from "../../src/db/client.ts";
import { testDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

function open(max = 1) {
  const onError = vi.fn();
  const pool = createPool(database.url, { max, idle: 0, lifetimeSeconds: 60, onError });
  onTestFinished(() => pool.end());
  return { pool, onError };
}

test("counts are numbers and times are dates; a number that would be rounded is an error", async () => {
  const { pool } = open();
  const { rows } = await pool.query("SELECT count(*), '2026-01-02T03:04:05Z'::timestamptz AS at, 9007199254740991::int8 AS largest");
  expect(rows).toEqual([{ count: 1, at: new Date("2026-01-02T03:04:05Z"), largest: Number.MAX_SAFE_INTEGER }]);
  await expect(pool.query("SELECT 9007199254740992::int8")).rejects.toThrow(/does not fit into a number/);
  expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});

test("nobody waits long for a lock, or holds one while doing nothing", async () => {
  const { pool } = open();
  const { rows } = await pool.query(`
    SELECT current_setting('lock_timeout') AS lock, current_setting('idle_in_transaction_session_timeout') AS idle,
           current_setting('application_name') AS name`);
  expect(rows).toEqual([{ lock: "5s", idle: "5s", name: "rentak" }]);
});

test("a connection that breaks, idle or in use, is reported and replaced, and ends no process", async () => {
  const { pool, onError } = open(2);
  const inUse = await pool.connect();
  await pool.query("SELECT 1");
  await database.pool.query(`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`);
  // One connection alone may be told of twice: as an answer of Postgres, and as its end.
  await vi.waitFor(() => expect({ told: onError.mock.calls.length >= 2, idle: pool.idleCount }).toEqual({ told: true, idle: 0 }));
  for (const [error] of onError.mock.calls) expect(Object.keys(error)).not.toContain("client");
  inUse.release(true);
  expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});
