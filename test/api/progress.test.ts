// What is told at most once a second: sequences, the system, the devices' loads.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Client } from "graphql-ws";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addWorkspace, one } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { createPuppet, type Puppet } from "../support/puppet.ts";
import { entry, sequenceCalls } from "../support/sequences.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let node: TestNode;
let puppet: Puppet;
beforeAll(async () => {
  server = await testServer();
  puppet = createPuppet(systemClock);
  node = await startTestNode({ pool: server.database.pool, transport: puppet });
});
afterAll(async () => {
  await node.stop();
  await server.stop();
});

type Told = { readonly at: number; readonly data: Loose; readonly errors: Loose };

function follow(client: Client, query: string, variables: Record<string, unknown> = {}): { readonly told: Told[]; readonly ended: Promise<void>; readonly stop: () => void } {
  const told: Told[] = [];
  const ended = Promise.withResolvers<void>();
  const stop = client.subscribe(
    { query, variables },
    { next: ({ data, errors }) => void told.push({ at: performance.now(), data: data as Loose, errors }), error: ended.reject, complete: ended.resolve },
  );
  return { told, ended: ended.promise, stop };
}

const gaps = (told: readonly Told[]) => told.slice(1).map(({ at }, index) => at - (told[index]?.at ?? 0));

test("sequenceProgress tells of a sequence as it goes on, at most once a second, and ends when it is archived", async () => {
  const calls = sequenceCalls(server);
  const { pool } = server.database;
  await addDevice(pool, DEFAULT_WORKSPACE_ID, { hourlyLimit: 100_000, dailyLimit: 100_000 });
  const { sequence } = await calls.create({ minDelaySeconds: 0, maxDelaySeconds: 0, steps: [entry("progress")] });
  await calls.activate(sequence.id);
  const { told, ended } = follow(server.webSocket(), "subscription ($id: ID!) { sequenceProgress(id: $id) { status progress { enrolled completed flowsSent percent } } }", { id: sequence.id });
  await eventually(() => told.length === 1, "it is told as it is");
  await addLeads(pool, DEFAULT_WORKSPACE_ID, 20, "progress");
  node.bell.ring("enrollment");
  await eventually(() => told.at(-1)?.data.sequenceProgress.progress.completed === 20, "all are through");
  await calls.archive(sequence.id);
  await ended;
  expect(told[0]?.data).toEqual({ sequenceProgress: { status: "ACTIVE", progress: { enrolled: 0, completed: 0, flowsSent: 0, percent: 0 } } });
  expect(told.at(-1)?.data).toEqual({ sequenceProgress: { status: "ARCHIVED", progress: { enrolled: 20, completed: 20, flowsSent: 20, percent: 100 } } });
  for (const gap of gaps(told)) expect(gap).toBeGreaterThan(900);
  // Nothing is told twice.
  expect(new Set(told.map(({ data }) => JSON.stringify(data))).size).toBe(told.length);
});

test("sequenceProgress of another workspace's sequence is the same as of none", async () => {
  const { sequence } = await sequenceCalls(server).create({ steps: [entry("theirs")] });
  const token = await server.tokenFor(["READ"], await addWorkspace(server.database.pool));
  for (const id of [sequence.id, "Sequence:0198c7e2-5d4f-7cc1-a5a5-0123456789ab"]) {
    const { told, ended } = follow(server.webSocket(token), "subscription ($id: ID!) { sequenceProgress(id: $id) { id } }", { id });
    await ended;
    expect(told.map(({ errors }) => errors)).toMatchObject([[{ message: `There is no sequence ${id}; the query sequences lists them.` }]]);
  }
});

test("systemStatus tells of the system each second", async () => {
  const { told, stop } = follow(server.webSocket(), "subscription { systemStatus { version devicesOnline flowsDue nodes { name } } }");
  await eventually(() => told.length === 3, "it is told three times");
  stop();
  expect(told[0]?.data.systemStatus).toMatchObject({ version: "0.0.0-test", flowsDue: 0, nodes: [{ name: "node" }] });
  for (const gap of gaps(told)) expect(gap).toBeGreaterThan(900);
});

test("deviceLoads tells of the devices whose load or state has changed, and of no other workspace's", async () => {
  const { pool } = server.database;
  const elsewhere = await addWorkspace(pool);
  const [mine, idle, theirs] = [await addDevice(pool, DEFAULT_WORKSPACE_ID), await addDevice(pool, DEFAULT_WORKSPACE_ID), await addDevice(pool, elsewhere)];
  await eventually(async () => (await one<{ online: number }>(pool, "SELECT count(*)::int AS online FROM devices WHERE id = ANY ($1::uuid[]) AND status = 'ONLINE'", [[mine, idle, theirs]])).online === 3, "they are online");
  const { told, stop } = follow(server.webSocket(), "subscription { deviceLoads { id load { messagesHour } status pausedAt } }");
  await eventually(() => told.length === 1, "it has begun");
  expect(told[0]?.data.deviceLoads.filter(({ id }: Loose) => id === `Device:${idle}`)).toEqual([]);
  const attempt = (workspaceId: string, deviceId: string, at: string) =>
    pool.query("INSERT INTO device_attempts (workspace_id, device_id, flow_id, at) VALUES ($1, $2, gen_random_uuid(), clock_timestamp() + $3::interval)", [workspaceId, deviceId, at]);
  await attempt(elsewhere, theirs, "0");
  await attempt(DEFAULT_WORKSPACE_ID, mine, "0");
  const heard = (id: string) => told.flatMap(({ data }) => data.deviceLoads).filter((device: Loose) => device.id === `Device:${id}`);
  await eventually(() => heard(mine).length > 0, "the one that sent is told");
  expect(heard(mine)[0]).toEqual({ id: `Device:${mine}`, load: { messagesHour: 1 }, status: "ONLINE", pausedAt: null });
  // An hour later it counts no more.
  await attempt(DEFAULT_WORKSPACE_ID, idle, "-59 minutes -57 seconds");
  await eventually(() => heard(idle).some(({ load }: Loose) => load.messagesHour === 0), "the one whose load has gone is told");
  for (const isPaused of [true, false]) {
    await server.query(`mutation ($id: ID!) { change: ${isPaused ? "pauseDevice" : "resumeDevice"}(id: $id) { userErrors { code } } }`, { id: `Device:${idle}` });
    await eventually(() => heard(idle).at(-1)?.pausedAt !== null === isPaused, `the one that is ${isPaused ? "paused" : "resumed"} is told`);
  }
  stop();
  expect(heard(theirs)).toEqual([]);
});
