// What becomes of enrolments, and who opts out and in, as events: live, and from any cursor on.

import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { createBell } from "../../src/events/bell.ts";
import { startEventLog } from "../support/event-log.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addWorkspace } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { entry, sequenceCalls, step } from "../support/sequences.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let node: TestNode;
let calls: ReturnType<typeof sequenceCalls>;
let stopTailer: () => Promise<void>;
const bell = createBell();

beforeAll(async () => {
  server = await testServer(async ({ pool }) => {
    const log = await startEventLog(pool, bell);
    stopTailer = () => log.tailer.stop();
    return log;
  });
  calls = sequenceCalls(server);
  await addDevice(server.database.pool, DEFAULT_WORKSPACE_ID, { hourlyLimit: 100_000, dailyLimit: 100_000 });
  node = await startTestNode({ pool: server.database.pool, bell });
});
afterAll(async () => {
  await node.stop();
  await stopTailer();
  await server.stop();
});

/** Everything that it has told so far. */
function follow(query: string, variables: Record<string, unknown> = {}, secret?: string): Loose[] {
  const told: Loose[] = [];
  void (async () => {
    for await (const { data } of server.webSocket(secret).iterate({ query, variables })) told.push(Object.values(data as Loose)[0]);
  })();
  return told;
}

/** A place in the log: what follows is told of with certainty. */
async function now(): Promise<string> {
  const told = follow("subscription { leadEvents { cursor } }");
  const [lead] = await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 1);
  for (let n = 0; told.length === 0; n++) {
    await server.database.pool.query("UPDATE leads SET opted_out_at = CASE WHEN opted_out_at IS NULL THEN clock_timestamp() END WHERE id = $1", [lead]);
    bell.ring("events");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return told.at(-1).cursor;
}

const EVENTS = "subscription ($after: Cursor, $sequenceId: ID) { enrollmentEvents(after: $after, sequenceId: $sequenceId) { cursor status reason enrollment { id sequence { name } lead { id } } } }";

test("enrolments tell how they begin, stand still, go on and end, and into which sequence they lead", async () => {
  const after = await now();
  const second = await calls.create({ name: "Second", minDelaySeconds: 0, maxDelaySeconds: 0, steps: [entry("second1")] });
  await calls.activate(second.sequence.id);
  const first = await calls.create({ name: "First", minDelaySeconds: 0, maxDelaySeconds: 0, triggerDelayHours: 1, steps: [entry("first1", "first2"), step("first2", "second1")] });
  await calls.activate(first.sequence.id);
  const told = follow(EVENTS, { after });
  const mine = () => told.filter(({ enrollment }) => ["First", "Second"].includes(enrollment.sequence.name)).map(({ status, reason, enrollment }) => [enrollment.sequence.name, status, reason]);

  const [lead] = await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 1, "first1");
  bell.ring("enrollment");
  await eventually(() => mine().length === 1, "it has begun");
  const { id } = told.at(-1).enrollment;
  for (const field of ["pauseEnrollment", "resumeEnrollment"]) await server.query(`mutation { ${field}(id: "${id}") { userErrors { message } } }`);
  const makeDue = () => server.database.pool.query("UPDATE flows SET due_at = clock_timestamp() WHERE queued AND lead_id = $1", [lead]);
  await eventually(async () => (await makeDue(), mine().length === 6), "it has led on, and the second has ended");
  const next = told.at(-1).enrollment.id;
  expect(mine()).toEqual([
    ["First", "ACTIVE", null],
    ["First", "PAUSED", null],
    ["First", "ACTIVE", null],
    ["First", "COMPLETED", null],
    ["Second", "ACTIVE", null],
    ["Second", "COMPLETED", null],
  ]);
  expect(told.filter(({ enrollment }) => enrollment.id === next)).toHaveLength(2);
  // From the middle on: no gap, and of one sequence alone.
  const again = follow(EVENTS, { after: told.filter(({ enrollment }) => enrollment.id === id)[1].cursor, sequenceId: first.sequence.id });
  await eventually(() => again.length === 2, "the rest is told again");
  expect(again.map(({ status }) => status)).toEqual(["ACTIVE", "COMPLETED"]);
});

test("one that an operator stops says what the operator said", async () => {
  const after = await now();
  const { sequence } = await calls.create({ name: "Stopped", minDelaySeconds: 0, maxDelaySeconds: 0, steps: [entry("stopped1", "stopped2"), step("stopped2")] });
  await calls.activate(sequence.id);
  await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 2, "stopped1");
  bell.ring("enrollment");
  const told = follow(EVENTS, { after, sequenceId: sequence.id });
  await eventually(() => told.length === 2, "they have begun");
  const stop = (id: string, reason: string | null) =>
    server.query("mutation ($id: ID!, $reason: String) { stopEnrollment(id: $id, reason: $reason) { enrollment { status stopReason stopNote } userErrors { code message field } } }", { id, reason });
  const [noted, plain] = told.map(({ enrollment }) => enrollment.id);
  expect((await stop(noted, " Bought already ")).data.stopEnrollment).toEqual({ enrollment: { status: "STOPPED", stopReason: "OPERATOR", stopNote: "Bought already" }, userErrors: [] });
  await stop(plain, null);
  await eventually(() => told.length === 4, "both have ended");
  expect(told.slice(2).map(({ status, reason, enrollment }) => [enrollment.id, status, reason])).toEqual([
    [noted, "STOPPED", "Bought already"],
    [plain, "STOPPED", "OPERATOR"],
  ]);
  expect((await stop(plain, "x".repeat(501))).data.stopEnrollment.userErrors).toEqual([{ code: "INVALID", message: "The reason has 501 characters; at most 500 are allowed.", field: ["reason"] }]);
});

test("opt-outs and opt-ins are told, whoever writes them, to their workspace alone", async () => {
  const elsewhere = await addWorkspace(server.database.pool);
  const [lead] = await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 1);
  const after = await now();
  const told = follow("subscription ($after: Cursor) { leadEvents(after: $after) { cursor optedOut lead { id } } }", { after });
  const theirs = follow("subscription ($after: Cursor) { leadEvents(after: $after) { cursor } }", { after }, await server.tokenFor(["READ"], elsewhere));
  const mine = () => told.filter((event) => event.lead?.id === `Lead:${lead}`).map(({ optedOut }) => optedOut);
  await server.query(`mutation { optOutLead(id: "Lead:${lead}") { userErrors { message } } }`);
  await eventually(() => mine().length === 1, "the opt-out is told");
  const consent = { source: "shop", at: new Date(Date.now() + 1000).toISOString() };
  const { data } = await server.query(`mutation ($consent: ConsentInput!) { optInLead(id: "Lead:${lead}", consent: $consent) { userErrors { message } } }`, { consent });
  expect(data.optInLead.userErrors).toEqual([]);
  await server.database.pool.query("UPDATE leads SET opted_out_at = clock_timestamp() WHERE id = $1", [lead]);
  // Written once more, it is no news.
  await server.database.pool.query("UPDATE leads SET opted_out_at = clock_timestamp() WHERE id = $1", [lead]);
  await server.database.pool.query("UPDATE leads SET opted_out_at = NULL WHERE id = $1", [lead]);
  bell.ring("events");
  await eventually(() => mine().length === 4, "all are told");
  expect(mine()).toEqual([true, false, true, false]);
  expect(theirs).toEqual([]);
});
