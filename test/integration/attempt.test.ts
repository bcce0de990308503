import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createPool } from "../../src/db/client.ts";
import { type AttemptRequest, attemptFlows } from "../../src/dispatcher/attempt.ts";
import { settleFlows } from "../../src/flows/settle.ts";
import { pauseEnrollments } from "../../src/sequences/pause.ts";
import { stopEnrollments } from "../../src/sequences/stop.ts";
import { transaction } from "../../src/db/transaction.ts";
import { accepted, attemptAll, hindranceOf, holdLease, requestFor, settlementsOf, UNKNOWN, waitingFlows } from "../support/attempts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addEnrolled, addWorkspace, one, query, setActive } from "../support/factories.ts";

let database: TestDatabase;
let pool: pg.Pool;
let lease: string;
let workspaceId: string;
let deviceId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
  lease = await holdLease(pool);
});
afterAll(() => database.drop());
beforeEach(async () => {
  workspaceId = await addWorkspace(pool);
  deviceId = await addDevice(pool, workspaceId);
});

const STEPS = { steps: [{ trigger: "one" }, { trigger: "two" }] };

/** A flow that could be attempted, and the request for it. */
async function attemptable(): Promise<{ request: AttemptRequest; flowId: string; leadId: string; enrollmentId: string; sequenceId: string }> {
  const { sequenceId, leadIds } = await addEnrolled(pool, workspaceId, STEPS);
  const [flow] = await waitingFlows(pool, workspaceId);
  if (flow === undefined || leadIds[0] === undefined) throw new Error("no flow waits");
  const { id } = await one<{ id: string }>(pool, "SELECT id FROM enrollments WHERE lead_id = $1", [leadIds[0]]);
  return { request: requestFor(flow, deviceId), flowId: flow.id, leadId: leadIds[0], enrollmentId: id, sequenceId };
}

const attemptOne = async (request: AttemptRequest, by: string = lease) => hindranceOf((await attemptFlows(pool, by, [request]))[0]);

const flowRow = (id: string) =>
  one<{ queued: boolean; status: string; attempt_id: string | null; text: string | null; device_id: string | null; node_id: string | null }>(
    pool,
    "SELECT queued, status, attempt_id, text, device_id, node_id FROM flows WHERE id = $1",
    [id],
  );

const countedAttempts = (flowIds: readonly string[]) =>
  query<{ flow_id: string }>(pool, "SELECT flow_id FROM device_attempts WHERE flow_id = ANY ($1::uuid[]) ORDER BY flow_id", [flowIds]);

test("takes a flow from the queue, writes down by whom and with what text, and counts it for the limits", async () => {
  const { request, flowId } = await attemptable();
  expect(await attemptOne(request)).toBeNull();
  expect(await flowRow(flowId)).toEqual({
    queued: false,
    status: "PROCESSING",
    attempt_id: request.attemptId,
    text: request.text,
    device_id: deviceId,
    node_id: lease,
  });
  expect(await countedAttempts([flowId])).toHaveLength(1);
});

test("lets each of 500 flows be attempted by one of two who race for all of them", async () => {
  await addEnrolled(pool, workspaceId, STEPS, 500);
  const flows = await waitingFlows(pool, workspaceId);
  const other = createPool(database.url, { max: 5, idle: 0, lifetimeSeconds: 0, onError: () => {} });
  const race = async (through: pg.Pool, order: readonly (typeof flows)[number][]) => {
    const batches = Array.from({ length: 5 }, (_, n) => order.slice(n * 100, n * 100 + 100).map((flow) => requestFor(flow, deviceId)));
    const answers = await Promise.all(batches.map((batch) => retryingDeadlocks(() => attemptFlows(through, lease, batch))));
    return batches.flat().filter((_, index) => answers.flat()[index]?.attempted);
  };
  const [ours, theirs] = await Promise.all([race(pool, flows), race(other, flows.toReversed())]);
  await other.end();
  const won = [...ours, ...theirs];
  expect(won.map(({ flowId }) => flowId).sort()).toEqual(flows.map(({ id }) => id).sort());
  const rows = await query<{ id: string; attempt_id: string }>(pool, "SELECT id, attempt_id FROM flows WHERE workspace_id = $1", [workspaceId]);
  expect(new Map(rows.map((row) => [row.id, row.attempt_id]))).toEqual(new Map(won.map((request) => [request.flowId, request.attemptId])));
  expect(await countedAttempts(flows.map(({ id }) => id))).toHaveLength(500);
});

async function retryingDeadlocks<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if ((error as { code?: string }).code !== "40P01") throw error;
    return retryingDeadlocks(run);
  }
}

describe("does not attempt what must not be sent now, and says why:", () => {
  const hindrances: [string, string, (flow: Awaited<ReturnType<typeof attemptable>>) => Promise<unknown>][] = [
    ["attempted by another", "gone", ({ request }) => attemptFlows(pool, lease, [{ ...request, attemptId: crypto.randomUUID() }])],
    ["deleted", "gone", ({ flowId }) => pool.query("DELETE FROM flows WHERE id = $1", [flowId])],
    ["in a paused sequence", "not_now", ({ sequenceId }) => setActive(pool, sequenceId, false)],
    ["put off", "not_now", ({ flowId }) => pool.query("UPDATE flows SET due_at = clock_timestamp() + interval '1 minute' WHERE id = $1", [flowId])],
    ["of a changed sequence", "edited", () => pool.query("UPDATE sequence_steps SET message_text = 'New' WHERE workspace_id = $1", [workspaceId])],
    ["of a sequence that greets from now on", "edited", ({ sequenceId }) => pool.query("UPDATE sequences SET greeting = true WHERE id = $1", [sequenceId])],
    ["of a sequence whose texts vary from now on", "edited", ({ sequenceId }) => pool.query("UPDATE sequences SET visible_variation = true WHERE id = $1", [sequenceId])],
    ["of a workspace that greets otherwise", "edited", () => pool.query("UPDATE workspaces SET form_of_address = 'Tuan' WHERE id = $1", [workspaceId])],
    ["of a lead who opted out", "opted_out", ({ leadId }) => pool.query("UPDATE leads SET opted_out_at = now() WHERE id = $1", [leadId])],
    ["of a lead whose consent is required and not recorded", "no_consent", () => pool.query("UPDATE workspaces SET require_consent = true WHERE id = $1", [workspaceId])],
    ["of a lead who was erased", "erased", ({ leadId }) => pool.query("DELETE FROM leads WHERE id = $1", [leadId])],
    ["of an enrolment that went on", "stopped", ({ enrollmentId }) => pool.query("UPDATE enrollments SET current_flow_id = uuid_v7() WHERE id = $1", [enrollmentId])],
    ["of an enrolment that ended", "stopped", ({ enrollmentId }) => pool.query("UPDATE enrollments SET status = 'STOPPED' WHERE id = $1", [enrollmentId])],
    ["of a paused enrolment", "not_now", ({ enrollmentId }) => pool.query("UPDATE enrollments SET status = 'PAUSED' WHERE id = $1", [enrollmentId])],
  ];
  test.each(hindrances)("one %s is %s", async (_what, hindrance, hinder) => {
    const flow = await attemptable();
    await hinder(flow);
    expect(await attemptOne(flow.request)).toBe(hindrance);
    expect(await query(pool, "SELECT FROM flows WHERE id = $1 AND attempt_id = $2", [flow.flowId, flow.request.attemptId])).toEqual([]);
    expect(await query(pool, "SELECT FROM device_attempts WHERE flow_id = $1 AND device_id <> $2", [flow.flowId, deviceId])).toEqual([]);
  });

  test("one that was parked by a pause of its enrolment, or skipped by its stop", async () => {
    const paused = await attemptable();
    await transaction(pool, (client) => pauseEnrollments(client, [paused.enrollmentId]));
    expect((await attemptFlows(pool, lease, [paused.request]))[0]?.attempted).toBe(false);
    await transaction(pool, (client) => stopEnrollments(client, [paused.enrollmentId], "OPERATOR"));
    expect(await attemptOne(paused.request)).toBe("gone");
  });

  test("one that its node has no lease for any more", async () => {
    const { request } = await attemptable();
    expect(await attemptOne(request, crypto.randomUUID())).toBe("lease_lost");
  });

  test("while the rest of its batch is attempted", async () => {
    await addEnrolled(pool, workspaceId, STEPS, 3);
    const requests = (await waitingFlows(pool, workspaceId)).map((flow) => requestFor(flow, deviceId));
    await pool.query("UPDATE leads SET opted_out_at = now() WHERE id = (SELECT lead_id FROM flows WHERE id = $1)", [requests[1]?.flowId]);
    expect((await attemptFlows(pool, lease, requests)).map(hindranceOf)).toEqual([null, "opted_out", null]);
  });
});

test("says that the sequence was archived, where that is why an enrolment ended", async () => {
  const { request, enrollmentId } = await attemptable();
  await pool.query("UPDATE enrollments SET status = 'STOPPED', stop_reason = 'SEQUENCE_ARCHIVED' WHERE id = $1", [enrollmentId]);
  expect(await attemptFlows(pool, lease, [request])).toEqual([{ attempted: false, hindrance: "stopped", stopReason: "SEQUENCE_ARCHIVED" }]);
});

describe("repeated because its answer was lost", () => {
  test("is attempted still, and counts once", async () => {
    const { request, flowId } = await attemptable();
    expect(await attemptOne(request)).toBeNull();
    const { attempted_at: first } = await one<{ attempted_at: Date }>(pool, "SELECT attempted_at FROM flows WHERE id = $1", [flowId]);
    await pool.query("SELECT pg_sleep(0.002)"); // past the millisecond of the first
    expect(await attemptOne(request)).toBeNull();
    expect(await countedAttempts([flowId])).toHaveLength(1);
    expect(await one(pool, "SELECT attempted_at FROM flows WHERE id = $1", [flowId])).toEqual({ attempted_at: first });
  });

  // It would be left behind as attempted, and end as OUTCOME_UNKNOWN five minutes later, though not a byte of it was written.
  test.each([
    ["the person has opted out meanwhile", () => pool.query("UPDATE leads SET opted_out_at = now() WHERE workspace_id = $1", [workspaceId])],
    ["its sequence was paused meanwhile", () => pool.query("UPDATE sequences SET is_active = false WHERE workspace_id = $1", [workspaceId])],
    ["its sequence was edited meanwhile", () => pool.query("UPDATE sequences SET name = 'New' WHERE workspace_id = $1", [workspaceId])],
  ])("it is attempted still where %s: it was before", async (_what, change) => {
    const { request } = await attemptable();
    expect(await attemptOne(request)).toBeNull();
    await change();
    expect(await attemptOne(request)).toBeNull();
  });

  test("it is gone once it was settled as unknown", async () => {
    const { request } = await attemptable();
    expect(await attemptOne(request)).toBeNull();
    await settleFlows(pool, settlementsOf([request], UNKNOWN), 0);
    expect(await attemptOne(request)).toBe("gone");
  });
});

describe("against a takeover", () => {
  afterEach(async () => {
    lease = await holdLease(pool);
  });

  test("an attempt that has not committed holds the fence back until it has", async () => {
    const { request } = await attemptable();
    const client = await pool.connect();
    const order: string[] = [];
    await client.query("BEGIN");
    await attemptFlows(client as unknown as pg.Pool, lease, [request]);
    const fence = endLease().then(() => order.push("fenced"));
    await lockWaits();
    order.push("committed");
    await client.query("COMMIT");
    client.release();
    await fence;
    expect(order).toEqual(["committed", "fenced"]);
  });

  test("an attempt that comes while the lease is being ended waits for it, and is refused", async () => {
    const { request, flowId } = await attemptable();
    const client = await pool.connect();
    await client.query("BEGIN");
    await client.query("DELETE FROM nodes WHERE id = $1", [lease]);
    const attempt = attemptOne(request);
    await lockWaits();
    await client.query("COMMIT");
    client.release();
    expect(await attempt).toBe("lease_lost");
    expect(await flowRow(flowId)).toMatchObject({ queued: true, attempt_id: null });
  });

  const endLease = () => pool.query("DELETE FROM nodes WHERE id = $1", [lease]);

  const lockWaits = () =>
    eventually(
      async () => (await query(pool, "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).length > 0,
      "somebody waits for a lock",
    );
});

test("writes nothing of a batch where one of its texts cannot be stored", async () => {
  await addEnrolled(pool, workspaceId, STEPS, 2);
  const [good, bad] = (await waitingFlows(pool, workspaceId)).map((flow) => requestFor(flow, deviceId));
  if (good === undefined || bad === undefined) throw new Error("no flows");
  await expect(attemptFlows(pool, lease, [good, { ...bad, text: "\0" }])).rejects.toThrow(/invalid byte sequence|encoding/);
  expect(await waitingFlows(pool, workspaceId)).toHaveLength(2);
});

test("can be followed by settling, once", async () => {
  await addEnrolled(pool, workspaceId, { steps: [{ trigger: "only" }] }, 3);
  const requests = await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId);
  expect((await settleFlows(pool, settlementsOf(requests, accepted()), 0)).size).toBe(3);
  expect((await settleFlows(pool, settlementsOf(requests, accepted()), 0)).size).toBe(0);
});
