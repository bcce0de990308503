// What people get wrong on their first day: each mistake gets an answer that says what would be right, and leaves no trace in the database.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { freePort, type ServerProcess, startServerProcess } from "../support/server-process.ts";

const TABLES = ["leads", "lead_imports", "lead_import_rejects", "sequences", "sequence_steps", "devices", "enrollments", "flows", "events", "idempotency_keys"];

let dir: string;
let server: ServerProcess;
let token: string;
let database: pg.Client;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "rentak-refusals-"));
  server = await startServerProcess({ PORT: String(await freePort()), RENTAK_DATA_DIR: join(dir, "data") });
  token = (await readFile(join(dir, "data/admin-token"), "utf8")).trim();
  database = new pg.Client({ connectionString: (await readFile(join(dir, "data/database-url"), "utf8")).trim() });
  await database.connect();
  // Something that could be changed.
  await ask('mutation { createLead(input: { phone: "+447700900001", name: "Present" }) { lead { id } } }');
  await createSequence('{ dayNumber: 1, trigger: "present_start", isEntryPoint: true, text: "Hi {{name}}" }', "Present");
  // The review of what was made writes, too; once it is through, nothing moves by itself.
  const unreviewed = "SELECT FROM workspaces WHERE graph_revision <> reviewed_revision";
  await eventually(async () => (await database.query(unreviewed)).rowCount === 0, "the review of the new sequence");
});

afterAll(async () => {
  await database?.end();
  await server?.end("SIGTERM");
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
});

type Answer = { data?: Record<string, { userErrors: { message: string; field: string[] | null }[] }> | null; errors?: { message: string; extensions: { code: string } }[] };

async function post(path: string, body: BodyInit, headers: Record<string, string> = {}): Promise<{ status: number; answer: Answer }> {
  const response = await fetch(`${server.url}${path}`, { method: "POST", body, headers: { authorization: `Bearer ${token}`, ...headers } });
  return { status: response.status, answer: (await response.json()) as Answer };
}

const ask = async (query: string) => (await post("/graphql", JSON.stringify({ query }), { "content-type": "application/json" })).answer;

const createSequence = (steps: string, name = "New") => ask(`mutation { createSequence(input: { name: "${name}", steps: [${steps}] }) { sequence { id } userErrors { message field } } }`);

const userErrors = (answer: Answer) => Object.values(answer.data ?? {}).flatMap((payload) => payload.userErrors);

/** Everything that stands in the tables. */
async function contents(): Promise<Record<string, unknown>> {
  const sums = TABLES.map((table) => `SELECT '${table}' AS name, count(*)::int AS rows, md5(string_agg(t::text, ',' ORDER BY t::text)) AS sum FROM ${table} t`);
  return Object.fromEntries((await database.query(sums.join(" UNION ALL "))).rows.map((row) => [row.name, row]));
}

async function leavingNoTrace<T>(run: () => Promise<T>): Promise<T> {
  const before = await contents();
  const result = await run();
  expect(await contents()).toEqual(before);
  return result;
}

describe("a mistake is answered with what would be right, and nothing is written", () => {
  test("an impossible phone number", async () => {
    const answer = await leavingNoTrace(() => ask('mutation { createLead(input: { phone: "12" }) { lead { id } userErrors { message field } } }'));
    expect(userErrors(answer)).toEqual([{ message: expect.stringMatching(/12.* is too short .*\+60/), field: ["input", "phone"] }]);
  });

  test("an unknown next trigger", async () => {
    const steps = '{ dayNumber: 1, trigger: "a_start", nextTrigger: "a_day2", isEntryPoint: true, text: "Hi" }';
    const answer = await leavingNoTrace(() => createSequence(steps));
    expect(userErrors(answer)).toEqual([{ message: expect.stringMatching(/^Step 1 \(a_start\).*"?'?a_day2/), field: ["input", "steps", "0", "nextTrigger"] }]);
  });

  test("a loop of steps", async () => {
    const steps = `{ dayNumber: 1, trigger: "b_start", nextTrigger: "b_day2", isEntryPoint: true, text: "Hi" }
                   { dayNumber: 2, trigger: "b_day2", nextTrigger: "b_start", text: "Again" }`;
    const answer = await leavingNoTrace(() => createSequence(steps));
    expect(userErrors(answer)[0]?.message).toMatch(/b_start → b_day2 → b_start/);
  });

  test("a broken template", async () => {
    const steps = '{ dayNumber: 1, trigger: "c_start", isEntryPoint: true, text: "Hi {{name}, welcome" }';
    const answer = await leavingNoTrace(() => createSequence(steps));
    expect(userErrors(answer)).toEqual([{ message: expect.stringMatching(/^Step 1 \(c_start\)/), field: ["input", "steps", "0", "text"] }]);
  });

  test("a CSV file with a wrong header, streamed", async () => {
    const { status, answer } = await leavingNoTrace(() => post("/imports/leads", "telephone,name\n+447700900002,Ann\n", { "content-type": "text/csv" }));
    expect(status).toBe(400);
    expect(answer.errors?.[0]?.message).toMatch(/'phone' is missing\. Right would be: phone,name,niche,trigger/);
  });

  test("a CSV file with a wrong header, by multipart", async () => {
    const answer = await leavingNoTrace(() => upload("telephone,name\n+447700900002,Ann\n"));
    expect(userErrors(answer)[0]?.message).toMatch(/'phone' is missing\. Right would be: phone,name,niche,trigger/);
  });

  test("a multipart CSV over 25 MB is sent to POST /imports/leads, which takes it", async () => {
    const row = `+447700900003,${"x".repeat(990)}\n`;
    const csv = `phone,note\n${row.repeat(Math.ceil((26 * 1024 * 1024) / row.length))}`;
    const answer = await leavingNoTrace(() => upload(csv));
    expect(answer.errors?.[0]?.message).toMatch(/larger than 25 MB.*POST \/imports\/leads/);

    const taken = await post("/imports/leads", csv, { "content-type": "text/csv" });
    expect(taken).toMatchObject({ status: 201, answer: { status: "COMPLETED", rowsRejected: 0 } });
  }, 60_000);

  test.each(["/graphql", "/imports/leads"])("a missing token, at %s", async (path) => {
    const { status, answer } = await leavingNoTrace(() => post(path, '{"query":"{ viewer { workspace { id } } }"}', { "content-type": "application/json", authorization: "" }));
    expect(status).toBe(401);
    expect(answer.errors?.[0]?.message).toMatch(/Authorization: Bearer .*\.rentak\/admin-token/);
    expect(JSON.stringify(answer)).toContain('"code":"UNAUTHENTICATED"');
  });
});

async function upload(csv: string): Promise<Answer> {
  const form = new FormData();
  form.set("operations", JSON.stringify({ query: "mutation ($file: File!) { importLeads(file: $file) { leadImport { id } userErrors { message field } } }", variables: { file: null } }));
  form.set("map", JSON.stringify({ 0: ["variables.file"] }));
  form.set("0", new File([csv], "leads.csv", { type: "text/csv" }));
  return (await post("/graphql", form)).answer;
}
