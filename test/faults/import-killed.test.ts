// Imports on the real server, in a process of its own: killed in the middle, cancelled by Ctrl-C, and sent by `npm run import`.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { one, query } from "../support/factories.ts";
import { cleanEnv, freePort, ROOT, type ServerProcess, startServerProcess } from "../support/server-process.ts";

const TOKEN = `rentak_${"t".repeat(43)}`;

let dir: string;
let database: TestDatabase;
let settings: Record<string, string>;
let server: ServerProcess;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "rentak-import-"));
  database = await testDatabase();
  settings = { PORT: String(await freePort()), RENTAK_DATA_DIR: join(dir, "data"), DATABASE_URL: database.url, RENTAK_ADMIN_TOKEN: TOKEN };
  server = await startServerProcess(settings);
});
afterAll(async () => {
  await server.end("SIGKILL");
  await database.drop();
  await rm(dir, { recursive: true, force: true });
});

type Import = { id: string; status: string; rows_read: number; rows_created: number; rows_updated: number; rows_rejected: number; leads: number; rejects: number };

/** The newest import, with what is really there of it. */
const newest = () =>
  one<Import>(
    database.pool,
    `SELECT i.*, (SELECT count(*)::int FROM leads WHERE import_id = i.id) AS leads, (SELECT count(*)::int FROM lead_import_rejects WHERE import_id = i.id) AS rejects
       FROM lead_imports i ORDER BY i.id DESC LIMIT 1`,
  );

/** Every tenth is refused; every tenth person stands twice, in rows far apart. */
const rows = (count: number, first: number) =>
  Array.from({ length: count }, (_, n) => (n % 10 === 0 ? `${n},refused\n` : `+6011${10_000_000 + first + (n % 10 === 1 ? n % 1000 : n)},Lead ${n}\n`)).join("");

test("the server killed in the middle: what is counted is there and nothing else, it is failed once a server is back, and sent again it is whole", async () => {
  const file = `phone,name\n${rows(30_000, 0)}`;
  const sending = httpRequest(`${server.url}/imports/leads`, { method: "POST", headers: { authorization: `Bearer ${TOKEN}`, "content-length": file.length } });
  sending.on("error", () => {});
  sending.write(file.slice(0, file.length / 2));
  await eventually(async () => (await query<Import>(database.pool, "SELECT FROM lead_imports WHERE rows_read >= 6000")).length > 0, "three batches");
  await server.end("SIGKILL");
  await eventually(async () => (await query(database.pool, "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rentak' AND pid <> ALL (SELECT pg_backend_pid()) AND query LIKE '%lead_imports%' AND state <> 'idle'")).length === 0, "the killed one's statements to end");
  const dead = await newest();
  expect(dead.status).toBe("RUNNING");
  expect([dead.rows_created, dead.rows_rejected]).toEqual([dead.leads, dead.rejects]);
  expect(dead.rows_read).toBe(dead.rows_created + dead.rows_updated + dead.rows_rejected);

  server = await startServerProcess(settings);
  const failed = await eventually(async () => {
    const found = await newest();
    return found.status !== "RUNNING" && found;
  }, "the end of the import");
  expect(failed).toMatchObject({ ...dead, status: "FAILED", finished_at: expect.any(Date), progress_at: expect.any(Date) });

  const again = await fetch(`${server.url}/imports/leads`, { method: "POST", headers: { authorization: `Bearer ${TOKEN}`, "content-type": "text/csv" }, body: file });
  expect(again.status).toBe(201);
  const whole = await newest();
  const people = new Set(file.split("\n").slice(1, -1).filter((row) => row.startsWith("+")).map((row) => row.split(",", 1)[0])).size;
  expect(whole).toMatchObject({ status: "COMPLETED", rows_read: 30_000, rows_rejected: 3000, rejects: 3000, leads: people, rows_created: people - failed.rows_created });
  expect(whole.rows_updated).toBe(27_000 - whole.rows_created);
  expect(await one(database.pool, "SELECT count(*)::int AS leads FROM leads")).toEqual({ leads: people });
});

/** Runs what `npm run import` runs, as a terminal would: in a group of its own, all of which hears Ctrl-C. */
function run(file: string, ...more: string[]): { child: ChildProcess; output: () => string; ended: Promise<number | null> } {
  const child = spawn(process.execPath, [join(ROOT, "src/launcher.mjs"), join(ROOT, "examples/import.ts"), file, "--url", server.url, ...more], {
    env: cleanEnv({ RENTAK_ADMIN_TOKEN: TOKEN }),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return { child, output: () => output, ended: once(child, "close").then(([code]) => code as number | null) };
}

test("npm run import: the counts, where the refused rows are, and 0 for an import that came to its end", async () => {
  const file = join(dir, "people.csv");
  await writeFile(file, `phone,name\n${rows(5000, 5_000_000)}`);
  const { output, ended } = run(file, "--trigger", "a_start", "--trigger", "b_start", "--consent-source", "web form", "--consent-at", "2026-10-01");
  expect([await ended, output()]).toEqual([0, expect.stringContaining("5,000 rows: 4,100 new leads, 400 updated, 500 refused.")]);
  const { id, leads } = await newest();
  expect(leads).toBe(4100);
  expect(output()).toContain(`${server.url}/imports/leads/LeadImport:${id}/rejects.csv`);
  expect(await query(database.pool, "SELECT DISTINCT trigger, consent_source FROM leads WHERE import_id = $1", [id])).toEqual([{ trigger: "a_start,b_start", consent_source: "web form" }]);
});

test("npm run import: what is wrong is said, and the exit code is 1", async () => {
  const file = join(dir, "wrong.csv");
  await writeFile(file, "number\n1\n");
  const wrong = run(file);
  expect([await wrong.ended, wrong.output()]).toEqual([1, expect.stringContaining("'phone' is missing")]);
  const missing = run(join(dir, "nowhere.csv"));
  expect([await missing.ended, missing.output()]).toEqual([1, `There is no file ${join(dir, "nowhere.csv")}.\n`]);
  await writeFile(file, 'phone,name\n+60123456701,Ali\n+60123456702,"Siti\n');
  const broken = run(file);
  expect([await broken.ended, broken.output()]).toEqual([1, expect.stringContaining("2 rows: 1 new leads, 0 updated, 1 refused.")]);
  const unanswered = run(file, "--url", `http://127.0.0.1:${await freePort()}`);
  expect([await unanswered.ended, unanswered.output()]).toEqual([1, expect.stringContaining("start the server first")]);
});

test("npm run import: Ctrl-C cancels the import, and what is shown is what is there", async () => {
  const file = join(dir, "long.csv");
  await writeFile(file, `phone,name\n${rows(200_000, 10_000_000)}`);
  const before = (await query(database.pool, "SELECT FROM lead_imports")).length;
  // The import's next batch waits here, so that it is surely in the middle.
  const locker = await database.pool.connect();
  try {
    const { child, output, ended } = run(file);
    await eventually(async () => (await query(database.pool, "SELECT FROM lead_imports")).length > before && (await newest()).rows_read >= 2000, "the first batch");
    await locker.query("BEGIN; LOCK TABLE leads IN SHARE MODE");
    await eventually(() => output().includes(" %, "), "a bar");
    process.kill(-(child.pid as number), "SIGINT");
    await eventually(async () => (await newest()).status === "CANCELLED", "the cancelling");
    await locker.query("COMMIT");
    expect(await ended).toBe(130);
    const { status, rows_read, rows_created, leads, rows_rejected, rejects } = await newest();
    expect([status, rows_created, rows_rejected]).toEqual(["CANCELLED", leads, rejects]);
    expect(rows_read).toBeLessThan(200_000);
    expect(output()).toContain(`${rows_read.toLocaleString("en")} rows: `);
    expect(output()).toContain("The import was cancelled. What was imported before stays.");
  } finally {
    locker.release(true);
  }
});

test("npm run import: a server that dies is no end of an import, and the exit code is 1", async () => {
  const file = join(dir, "cut.csv");
  await writeFile(file, `phone,name\n${rows(200_000, 20_000_000)}`);
  const before = (await query(database.pool, "SELECT FROM lead_imports")).length;
  const { output, ended } = run(file);
  await eventually(async () => (await query(database.pool, "SELECT FROM lead_imports")).length > before && output().includes(" %, "), "a bar");
  await server.end("SIGKILL");
  expect([await ended, output()]).toEqual([1, expect.stringContaining("The connection broke off. What was imported stays; importing the file again does no harm.")]);
});
