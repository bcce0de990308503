// At most so many messages to one person in so many hours, whatever sequences, devices and nodes want them sent.

import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { attemptFlows } from "../../src/dispatcher/attempt.ts";
import { settleFlows } from "../../src/flows/settle.ts";
import { accepted, hindranceOf, holdLease, requestFor, settlementsOf, waitingFlows, type WaitingFlow } from "../support/attempts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addLeads, addSequence, addWorkspace, enrolAll, one, query } from "../support/factories.ts";

let database: TestDatabase;
let pool: pg.Pool;
let node: string;
let workspaceId: string;
let deviceId: string;
let leadId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
  node = await holdLease(pool);
});
afterAll(() => database.drop());
beforeEach(async () => {
  workspaceId = await addWorkspace(pool);
  deviceId = await addDevice(pool, workspaceId);
  [leadId = ""] = await addLeads(pool, workspaceId, 1);
});

const cap = (messages: number | null, hours: number | null) => pool.query("UPDATE workspaces SET cap_messages = $2, cap_hours = $3 WHERE id = $1", [workspaceId, messages, hours]);

/** Enrols the lead in new sequences, one after the other: the first is the oldest. Returns their flows in that order. */
async function enrolIn(sequences: number): Promise<WaitingFlow[]> {
  for (let n = 0; n < sequences; n++) {
    await addSequence(pool, workspaceId, { steps: [{ trigger: `word_${n}` }, { trigger: `next_${n}` }], name: `Sequence ${n}` });
    await pool.query("UPDATE leads SET trigger = concat_ws(',', trigger, $2::text) WHERE id = $1", [leadId, `word_${n}`]);
    await enrolAll(pool);
  }
  return (await waitingFlows(pool, workspaceId)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

const attempt = async (flows: readonly WaitingFlow[]) => (await attemptFlows(pool, node, flows.map((flow) => requestFor(flow, deviceId)))).map(hindranceOf);
/** As if it had happened so much earlier. */
const age = (interval: string) =>
  pool.query("UPDATE lead_pace SET attempted_at = ARRAY(SELECT at - $2::interval FROM unnest(attempted_at) AS at) WHERE lead_id = $1", [leadId, interval]);
const waits = async (flow: WaitingFlow | undefined) => (await one<{ hours: number | null }>(pool, "SELECT round(extract(epoch FROM due_at - now()) / 3600, 2)::float8 AS hours FROM flows WHERE id = $1", [flow?.id])).hours;

test("of two in one batch the older enrolment goes first, and the other is set aside when there is no room", async () => {
  await cap(1, 24);
  const [older, younger] = await enrolIn(2);
  expect(await attempt([younger, older] as WaitingFlow[])).toEqual(["not_now", null]);
  await pool.query("UPDATE flows SET due_at = now() WHERE id = $1", [younger?.id]);
  expect(await attempt([younger] as WaitingFlow[])).toEqual(["not_now"]);
  expect(await waits(younger)).toBeCloseTo(24, 1);
});

test("the younger one alone is not sent before an older one that is due, too", async () => {
  await cap(1, 24);
  const [older, younger] = await enrolIn(2);
  expect(await attempt([younger] as WaitingFlow[])).toEqual(["not_now"]);
  expect(await waits(younger)).toBeCloseTo(0, 2); // it is next, and not set aside; but behind the older one, or a device that takes one at a time would be given it for ever
  expect(await query(pool, "SELECT FROM flows WHERE id = $1 AND due_at > now()", [younger?.id])).toHaveLength(1);
  await pool.query("UPDATE flows SET due_at = now() + interval '1 hour' WHERE id = $1", [older?.id]);
  await pool.query("UPDATE flows SET due_at = now() WHERE id = $1", [younger?.id]);
  expect(await attempt([younger] as WaitingFlow[])).toEqual([null]);
});

test("counts any hours on end, with the send deadline on top", async () => {
  await cap(2, 3);
  const flows = await enrolIn(4);
  expect(await attempt(flows.slice(0, 1))).toEqual([null]);
  await age("1 hour");
  expect(await attempt(flows.slice(1, 2))).toEqual([null]);
  expect(await attempt(flows.slice(2, 3))).toEqual(["not_now"]);
  expect(await waits(flows[2])).toBeCloseTo(2, 1);
  await age("2 hours");
  await pool.query("UPDATE flows SET due_at = now() WHERE queued AND workspace_id = $1", [workspaceId]);
  expect(await attempt(flows.slice(2, 3))).toEqual(["not_now"]); // three hours, but the first may have been on the wire ten seconds late
  await age("11 seconds");
  await pool.query("UPDATE flows SET due_at = now() WHERE queued AND workspace_id = $1", [workspaceId]);
  expect(await attempt(flows.slice(2, 3))).toEqual([null]);
  expect(await attempt(flows.slice(3, 4))).toEqual(["not_now"]);
});

test("two nodes that try at the same time do not both pass", async () => {
  await cap(1, 24);
  const flows = await enrolIn(2);
  for (let round = 0; round < 20; round++) {
    await pool.query("DELETE FROM lead_pace");
    await pool.query("UPDATE flows SET queued = true, status = 'ACTIVE', attempt_id = NULL, attempted_at = NULL, due_at = now(), deferred_from = NULL WHERE workspace_id = $1", [workspaceId]);
    const answers = (await Promise.all([attempt(flows.slice(0, 1)), attempt(flows.slice(0, 1)), attempt(flows.slice(1, 2))])).flat();
    expect(answers.filter((answer) => answer === null)).toHaveLength(1);
  }
});

test("a repeat of an attempt whose answer was lost counts once, and is answered as before", async () => {
  await cap(1, 24);
  const [flow] = await enrolIn(1);
  const request = requestFor(flow as WaitingFlow, deviceId);
  for (let n = 0; n < 2; n++) expect((await attemptFlows(pool, node, [request])).map(hindranceOf)).toEqual([null]);
  expect(await query(pool, "SELECT cardinality(attempted_at) AS count FROM lead_pace WHERE lead_id = $1", [leadId])).toEqual([{ count: 1 }]);
});

test("what is not attempted for another reason takes no room: a text from before an edit, a person who has opted out", async () => {
  await cap(1, 24);
  const [flow] = (await enrolIn(1)) as [WaitingFlow];
  expect(await attempt([{ ...flow, revision: flow.revision - 1 }])).not.toEqual([null]);
  expect(await query(pool, "SELECT FROM lead_pace WHERE lead_id = $1", [leadId])).toEqual([]);
});

test("a cap that was set since the claim holds", async () => {
  const [flow] = await enrolIn(1);
  await cap(1, 24);
  expect(await attempt([flow as WaitingFlow])).toEqual(["not_now"]); // claimed as one without: the next claim knows
  expect(await waits(flow)).toBeLessThanOrEqual(0);
});

test("what was put off does not put off what follows: the next step counts from when it was due", async () => {
  await cap(1, 5);
  const flows = await enrolIn(2);
  expect(await attempt(flows)).toEqual([null, "not_now"]);
  expect(await attempt(flows.slice(1))).toEqual(["not_now"]);
  await pool.query("UPDATE flows SET due_at = now() - interval '1 second' WHERE id = $1", [flows[1]?.id]);
  await age("6 hours");
  const requests = flows.slice(1).map((flow) => requestFor(flow, deviceId));
  expect((await attemptFlows(pool, node, requests)).map(hindranceOf)).toEqual([null]);
  await settleFlows(pool, settlementsOf(requests, accepted()), 1);
  const [next] = await query<{ hours: number }>(pool, "SELECT extract(epoch FROM due_at - now())::float8 / 3600 AS hours FROM flows WHERE workspace_id = $1 AND queued ORDER BY id DESC LIMIT 1", [workspaceId]);
  expect(next?.hours).toBeCloseTo(24, 1);
});
