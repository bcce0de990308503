// Flows by outcome over a span, grouped.

import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { accepted, holdLease, REFUSED, sendAll } from "../support/attempts.ts";
import { addDevice, addEnrolled, addWorkspace } from "../support/factories.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

const ask = async (variables: Record<string, unknown>, secret?: string): Promise<Loose> =>
  server.query(
    `query ($from: DateTime!, $to: DateTime!, $groupBy: FlowStatsGroup!, $bucketSeconds: Int, $filter: FlowFilter) {
       flowStats(from: $from, to: $to, groupBy: $groupBy, bucketSeconds: $bucketSeconds, filter: $filter) { key at sent delivered read failed skipped } }`,
    variables,
    secret,
  );
const stats = async (variables: Record<string, unknown>, secret?: string): Promise<Loose[]> => (await ask(variables, secret)).data.flowStats;
const NONE = { sent: 0, delivered: 0, read: 0, failed: 0, skipped: 0 };

/** Events of a day long gone, `count` of a type at a time of it. */
const told = (workspaceId: string, at: string, type: string, count: number) =>
  server.database.pool.query(
    `INSERT INTO event_batches (id, workspace_id, type, at, flow_ids) SELECT (substr(uuid_v7_floor($2::timestamptz)::text, 1, 19) || substr(gen_random_uuid()::text, 20))::uuid, $1, $3, $2, array_agg(gen_random_uuid()) FROM generate_series(1, $4::int)`,
    [workspaceId, at, type, count],
  );

test("by time: each bucket of the span, what happened in it, and nothing of before and after", async () => {
  const today = new Date();
  const day = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate())).toISOString().slice(0, 10);
  const elsewhere = await addWorkspace(server.database.pool);
  const at = (time: string) => `${day}T${time}Z`;
  await told(DEFAULT_WORKSPACE_ID, at("00:59:59.999"), "FLOW_SENT", 9);
  await told(DEFAULT_WORKSPACE_ID, at("01:00:00.000"), "FLOW_SENT", 3);
  await told(DEFAULT_WORKSPACE_ID, at("01:59:59.000"), "FLOW_SENT", 4);
  await told(DEFAULT_WORKSPACE_ID, at("01:30:00.000"), "FLOW_DELIVERED", 2);
  await told(DEFAULT_WORKSPACE_ID, at("03:10:00.000"), "FLOW_READ", 1);
  await told(DEFAULT_WORKSPACE_ID, at("03:20:00.000"), "FLOW_FAILED", 5);
  await told(DEFAULT_WORKSPACE_ID, at("03:20:00.000"), "FLOW_ACTIVATED", 7);
  await told(DEFAULT_WORKSPACE_ID, at("04:00:00.000"), "FLOW_SKIPPED", 6);
  await told(elsewhere, at("01:10:00.000"), "FLOW_SENT", 100);
  const span = { from: at("01:00:00.000"), to: at("04:00:00.000") };
  expect(await stats({ ...span, groupBy: "TIME" })).toEqual([
    { ...NONE, key: at("01:00:00.000"), at: at("01:00:00.000"), sent: 7, delivered: 2 },
    { ...NONE, key: at("02:00:00.000"), at: at("02:00:00.000") },
    { ...NONE, key: at("03:00:00.000"), at: at("03:00:00.000"), read: 1, failed: 5 },
  ]);
  expect((await stats({ ...span, groupBy: "TIME", bucketSeconds: 7200 })).map(({ sent, failed }) => [sent, failed])).toEqual([[7, 0], [0, 5]]);
});

test("by sequence, device and failure code, and of those that a filter means", async () => {
  const { pool } = server.database;
  const workspaceId = await addWorkspace(pool);
  const secret = await server.tokenFor(["READ"], workspaceId);
  const nodeId = await holdLease(pool);
  const [first, second] = [await addDevice(pool, workspaceId), await addDevice(pool, workspaceId)];
  const from = new Date(Date.now() - 60_000).toISOString();
  const a = await addEnrolled(pool, workspaceId, { name: "A", steps: [{ trigger: "stats_a" }] }, 3);
  await sendAll(pool, nodeId, workspaceId, first, accepted());
  const b = await addEnrolled(pool, workspaceId, { name: "B", steps: [{ trigger: "stats_b" }] }, 2);
  await sendAll(pool, nodeId, workspaceId, second, REFUSED);
  const span = { from, to: new Date(Date.now() + 60_000).toISOString() };
  expect(await stats({ ...span, groupBy: "SEQUENCE" }, secret)).toEqual([
    { ...NONE, key: `Sequence:${a.sequenceId}`, at: null, sent: 3 },
    { ...NONE, key: `Sequence:${b.sequenceId}`, at: null, failed: 2 },
  ]);
  expect(await stats({ ...span, groupBy: "DEVICE" }, secret)).toEqual([
    { ...NONE, key: `Device:${first}`, at: null, sent: 3 },
    { ...NONE, key: `Device:${second}`, at: null, failed: 2 },
  ]);
  expect(await stats({ ...span, groupBy: "FAILURE_CODE" }, secret)).toEqual([{ ...NONE, key: "REJECTED", at: null, failed: 2 }]);
  expect(await stats({ ...span, groupBy: "CAMPAIGN" }, secret)).toEqual([]);
  const filter = { sequenceId: `Sequence:${a.sequenceId}` };
  expect(await stats({ ...span, groupBy: "DEVICE", filter }, secret)).toEqual([{ ...NONE, key: `Device:${first}`, at: null, sent: 3 }]);
  const overTime = await stats({ ...span, groupBy: "TIME", bucketSeconds: 120, filter: { status: ["FAILED"] } }, secret);
  expect(overTime.reduce((sum, { sent, failed }) => [sum[0] + sent, sum[1] + failed], [0, 0])).toEqual([0, 2]);
  // Another workspace sees nothing of it, whatever it names.
  expect(await stats({ ...span, groupBy: "DEVICE", filter })).toEqual([]);
});

test.each([
  [{ from: "2026-01-02T00:00:00Z", to: "2026-01-01T00:00:00Z", groupBy: "TIME" }, "from must be before to."],
  [{ from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z", groupBy: "TIME", bucketSeconds: 0 }, "bucketSeconds must be a whole number from 1 on, such as 3600 for hours."],
  [{ from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z", groupBy: "TIME", bucketSeconds: 1 }, "That would be 86400 buckets; at most 5000 are given. Choose larger ones, or a shorter span."],
])("refuses %j", async (variables, message) => {
  const { errors } = await ask(variables);
  expect(errors).toMatchObject([{ message, extensions: { code: "BAD_USER_INPUT" } }]);
});
