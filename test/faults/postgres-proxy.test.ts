// The proxy that the fault tests break connections with, between a real client and a real Postgres.

import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { one } from "../support/factories.ts";
import { type PostgresProxy, startPostgresProxy } from "../support/postgres-proxy.ts";

let db: TestDatabase;
let proxy: PostgresProxy;
let client: pg.Client;

beforeAll(async () => {
  db = await testDatabase();
  await db.pool.query("CREATE TABLE notes (n int)");
});
beforeEach(async () => {
  const url = new URL(db.url);
  proxy = await startPostgresProxy({ host: url.hostname, port: Number(url.port) });
  client = await connected();
});
afterEach(async () => {
  await proxy.close();
  await db.pool.query("TRUNCATE notes");
});
afterAll(() => db.drop());

async function connected(connectionTimeoutMillis = 10_000): Promise<pg.Client> {
  const url = new URL(db.url);
  url.port = String(proxy.port);
  const opened = new pg.Client({ connectionString: url.href, connectionTimeoutMillis });
  opened.on("error", () => {});
  await opened.connect();
  return opened;
}

const note = (n: number) => client.query({ name: "note", text: "INSERT INTO notes VALUES ($1)", values: [n] });
const notes = async () => (await one<{ notes: number }>(db.pool, "SELECT count(*) AS notes FROM notes")).notes;

const hasEnded = (statement: Promise<unknown>) => Promise.race([statement.then(() => true, () => true), new Promise((resolve) => setImmediate(resolve, false))]);

describe("the proxy", () => {
  test("passes everything on: large answers, errors, and statements after them", async () => {
    const { rows } = await client.query<{ t: string }>("SELECT repeat('x', 1000) AS t FROM generate_series(1, 5000)");
    expect(rows.length).toBe(5000);
    await expect(client.query("SELECT 1 / 0")).rejects.toThrow("division by zero");
    for (const n of [1, 2]) await note(n);
    expect(await notes()).toBe(2);
    expect(proxy.backendPorts()).toEqual([(await one<{ port: number }>(client, "SELECT inet_client_port() AS port")).port]);
  });

  test("holds a prepared statement before it reaches Postgres, the first time and later", async () => {
    for (const [n, before] of [[1, 0], [2, 1]] as const) {
      const reached = proxy.hold("note", "before");
      const answered = note(n);
      const held = await reached;
      expect(await notes()).toBe(before);
      held.pass();
      await answered;
      expect(await notes()).toBe(before + 1);
    }
  });

  test("holds the answer of what is executed", async () => {
    const reached = proxy.hold("note", "after");
    const answered = note(1);
    const held = await reached;
    expect(await notes()).toBe(1);
    expect(await hasEnded(answered)).toBe(false);
    held.pass();
    expect((await answered).rowCount).toBe(1);
  });

  test("loses the answer of a commit", async () => {
    const reached = proxy.hold("COMMIT", "after");
    const transaction = client.query("BEGIN").then(() => note(1)).then(() => client.query("COMMIT"));
    (await reached).cut();
    await expect(transaction).rejects.toThrow(/ECONNRESET|terminated/);
    expect(await notes()).toBe(1);
  });

  test("loses a statement before it is executed", async () => {
    const reached = proxy.hold("note", "before");
    const answered = note(1);
    (await reached).cut();
    await expect(answered).rejects.toThrow(/ECONNRESET|terminated/);
    expect(await notes()).toBe(0);
  });

  test("falls silent without closing anything, and heals for new connections alone", async () => {
    await note(1);
    proxy.fallSilent();
    const unanswered = note(2);
    await expect(connected(300)).rejects.toThrow("timeout");
    proxy.heal();
    const fresh = await connected();
    expect((await fresh.query("SELECT 1")).rowCount).toBe(1);
    expect(await hasEnded(unanswered)).toBe(false);
    expect(await notes()).toBe(1);
  });

  test("delays both ways", async () => {
    proxy.delay(50);
    const from = performance.now();
    await client.query("SELECT 1");
    expect(performance.now() - from).toBeGreaterThanOrEqual(99);
  });

  test("hands on why Postgres ends a connection", async () => {
    const ended = new Promise<Error>((resolve) => client.once("error", resolve));
    await db.pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = ANY ($1::int[])", [proxy.backendPorts()]);
    expect((await ended).message).toContain("terminating connection");
    await eventually(() => proxy.backendPorts().length === 0, "the connection is forgotten");
  });
});
