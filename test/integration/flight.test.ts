// Reads in one flight: as the workspace's role, for one transaction, whatever becomes of it.

import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPool } from "../../src/db/client.ts";
import { Flights } from "../../src/db/flight.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addWorkspace } from "../support/factories.ts";

let database: TestDatabase;
/** One connection: whatever a flight left behind would be found on it. */
let pool: pg.Pool;
let workspaceId: string;
let elsewhere: string;

const WHO = "SELECT current_user::text AS role, current_setting('app.workspace_id', true) AS workspace";

beforeAll(async () => {
  database = await testDatabase();
  pool = createPool(database.url, { max: 1, idle: 1, lifetimeSeconds: 0, onError: () => {} });
  workspaceId = await addWorkspace(database.pool);
  elsewhere = await addWorkspace(database.pool);
  await addDevice(database.pool, workspaceId, { name: "Mine" });
  await addDevice(database.pool, elsewhere, { name: "Theirs" });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const owner = async () => (await pool.query(WHO)).rows[0];

test("a statement runs as the workspace's role, and sees its rows alone", async () => {
  const flights = new Flights(pool, workspaceId);
  expect((await flights.query(WHO)).rows).toEqual([{ role: "rentak_api", workspace: workspaceId }]);
  expect((await flights.query("SELECT name FROM devices")).rows).toEqual([{ name: "Mine" }]);
  expect((await flights.query("SELECT name FROM devices WHERE name = ANY ($1::text[])", ["{Mine,Theirs}"])).rows).toEqual([{ name: "Mine" }]);
  expect((await flights.query({ text: "SELECT 1 AS a, 2 AS b", rowMode: "array" } as never)).rows).toEqual([[1, 2]]);
});

test("what comes next on the connection has neither its role nor its workspace", async () => {
  const before = await owner();
  expect(before.role).not.toBe("rentak_api");
  await new Flights(pool, workspaceId).query("SELECT 1");
  expect(await owner()).toEqual({ ...before, workspace: "" });
  expect((await new Flights(pool, elsewhere).query("SELECT name FROM devices")).rows).toEqual([{ name: "Theirs" }]);
});

test("nor after an error, be it in parsing or in running", async () => {
  const flights = new Flights(pool, workspaceId);
  await expect(flights.query("SELECT nothing FROM nowhere")).rejects.toThrow("nowhere");
  await expect(flights.query("SELECT 1 / $1::int", [0])).rejects.toThrow("division by zero");
  expect((await owner()).role).not.toBe("rentak_api");
  expect((await flights.query(WHO)).rows).toEqual([{ role: "rentak_api", workspace: workspaceId }]);
});

test("may not do what the role may not", async () => {
  await expect(new Flights(pool, workspaceId).query("SELECT message_id_key FROM installation")).rejects.toThrow("permission denied");
  await expect(new Flights(pool, "not a workspace").query("SELECT name FROM devices")).rejects.toThrow("invalid input syntax for type uuid");
});

test("a named statement is prepared once, and serves one workspace after the other; one that failed is prepared anew", async () => {
  const statement = { name: "names", text: "SELECT name FROM devices WHERE length(name) >= $1" };
  for (const [of, name] of [[workspaceId, "Mine"], [elsewhere, "Theirs"], [workspaceId, "Mine"]] as const) {
    for (let turn = 0; turn < 7; turn++) expect((await new Flights(pool, of).query({ ...statement, values: [1] })).rows).toEqual([{ name }]);
  }
  expect((await pool.query("SELECT name FROM pg_prepared_statements")).rows).toEqual([{ name: "names" }]);
  await expect(new Flights(pool, workspaceId).query({ name: "broken", text: "SELECT * FROM nowhere" })).rejects.toThrow("nowhere");
  expect((await new Flights(pool, workspaceId).query({ name: "broken", text: "SELECT 1 AS one" })).rows).toEqual([{ one: 1 }]);
});

test("many at once each get their own answer", async () => {
  const wide = createPool(database.url, { max: 3, idle: 0, lifetimeSeconds: 0, onError: () => {} });
  try {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => new Flights(wide, n % 2 ? workspaceId : elsewhere).query("SELECT $1::int AS n, name FROM devices", [n])));
    expect(answers.map(({ rows }) => rows)).toEqual(Array.from({ length: 100 }, (_, n) => [{ n, name: n % 2 ? "Mine" : "Theirs" }]));
  } finally {
    await wide.end();
  }
});
