// At most so many attempts an hour over all devices of a workspace, whichever nodes hold them.

import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { attemptFlows } from "../../src/dispatcher/attempt.ts";
import { hindranceOf, holdLease, requestFor, waitingFlows, type WaitingFlow } from "../support/attempts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addLeads, addSequence, addWorkspace, enrolAll, one, query } from "../support/factories.ts";

let database: TestDatabase;
let pool: pg.Pool;
let node: string;
let workspaceId: string;
let deviceId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
  node = await holdLease(pool);
});
afterAll(() => database.drop());
beforeEach(async () => {
  workspaceId = await addWorkspace(pool);
  deviceId = await addDevice(pool, workspaceId);
});

const ceiling = (attempts: number | null) => pool.query("UPDATE workspaces SET hourly_ceiling = $2 WHERE id = $1", [workspaceId, attempts]);

/** So many flows that are due. */
async function due(count: number): Promise<WaitingFlow[]> {
  await addLeads(pool, workspaceId, count);
  await addSequence(pool, workspaceId, { steps: [{ trigger: "word" }] });
  await pool.query("UPDATE leads SET trigger = 'word' WHERE workspace_id = $1", [workspaceId]);
  await enrolAll(pool);
  return waitingFlows(pool, workspaceId);
}

const attempt = async (flows: readonly WaitingFlow[]) => (await attemptFlows(pool, node, flows.map((flow) => requestFor(flow, deviceId)))).map(hindranceOf);
const attempted = async () => (await query(pool, "SELECT FROM device_attempts WHERE workspace_id = $1", [workspaceId])).length;
const counted = async () => (await one<{ count: number }>(pool, "SELECT hour_attempts($1) AS count", [workspaceId])).count;
/** As if so much time had passed since. */
const age = (slots: number) => pool.query("UPDATE workspace_pace SET slot = slot - $2 WHERE workspace_id = $1", [workspaceId, slots]);

test("a batch is let through as far as there is room, the first in it first", async () => {
  await ceiling(3);
  const flows = await due(5);
  expect(await attempt(flows.slice(0, 2))).toEqual([null, null]);
  expect(await attempt(flows.slice(2))).toEqual([null, "not_now", "not_now"]);
  expect(await attempt(flows.slice(3))).toEqual(["not_now", "not_now"]);
  expect(await counted()).toBe(3);
});

test("several nodes that try at the same time take no more than there is between them", async () => {
  await ceiling(7);
  const flows = await due(40);
  const nodes = [node, await holdLease(pool), await holdLease(pool)];
  const parts = flows.map((flow, index) => ({ flow, of: nodes[index % nodes.length] ?? "" }));
  await Promise.all(parts.map(({ flow, of }) => attemptFlows(pool, of, [requestFor(flow, deviceId)])));
  expect(await attempted()).toBe(7);
});

test("an attempt counts for an hour and the send deadline, and no longer", async () => {
  await ceiling(1);
  const flows = await due(2);
  expect(await attempt(flows.slice(0, 1))).toEqual([null]);
  await age(361);
  expect(await attempt(flows.slice(1))).toEqual(["not_now"]);
  await age(1);
  expect(await attempt(flows.slice(1))).toEqual([null]);
});

test("what was attempted before there was a ceiling counts as well", async () => {
  const flows = await due(4);
  expect(await attempt(flows.slice(0, 2))).toEqual([null, null]);
  await ceiling(3);
  const claimedAnew = await waitingFlows(pool, workspaceId);
  expect((await attempt(claimedAnew)).filter((answer) => answer === null)).toHaveLength(1);
  await ceiling(null);
  expect(await attempt(await waitingFlows(pool, workspaceId))).toEqual([null]);
  await ceiling(5);
  expect(await counted()).toBe(4);
});

test("a ceiling that was set since the claim holds", async () => {
  const flows = await due(1);
  await ceiling(1);
  expect(await attempt(flows)).toEqual(["not_now"]);
  expect(await attempt(await waitingFlows(pool, workspaceId))).toEqual([null]);
});

test("a person under a cap pays no room for what the hour has no room for", async () => {
  await ceiling(1);
  await pool.query("UPDATE workspaces SET cap_messages = 1, cap_hours = 24 WHERE id = $1", [workspaceId]);
  const flows = await due(2);
  expect(await attempt(flows)).toEqual([null, "not_now"]);
  expect(await query(pool, "SELECT FROM lead_pace WHERE workspace_id = $1", [workspaceId])).toHaveLength(1);
  expect(await query(pool, "SELECT FROM flows WHERE workspace_id = $1 AND deferred_from IS NOT NULL", [workspaceId])).toEqual([]);
  await age(362);
  expect(await attempt(flows.slice(1))).toEqual([null]);
});

test("a repeat of an attempt whose answer was lost counts once; one that is refused for another reason, not at all", async () => {
  await ceiling(2);
  const [first, second, third] = (await due(3)) as [WaitingFlow, WaitingFlow, WaitingFlow];
  const request = requestFor(first, deviceId);
  for (let n = 0; n < 2; n++) expect((await attemptFlows(pool, node, [request])).map(hindranceOf)).toEqual([null]);
  expect(await attempt([{ ...second, revision: second.revision - 1 }])).toEqual(["edited"]);
  await pool.query("UPDATE workspaces SET form_of_address = 'Tuan' WHERE id = $1", [workspaceId]);
  expect(await attempt([second])).toEqual(["edited"]);
  const anew = (flow: WaitingFlow) => ({ ...flow, revision: flow.revision + 1 });
  expect(await attempt([anew(second), anew(third)])).toEqual([null, "not_now"]);
});
