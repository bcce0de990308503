import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { AttemptRequest } from "../../src/dispatcher/attempt.ts";
import { correctFlows, type FlowReceipt } from "../../src/dispatcher/correct.ts";
import { createReceipts } from "../../src/dispatcher/receipts.ts";
import { type Ending, type Settlement, settleFlows } from "../../src/flows/settle.ts";
import { accepted, attemptAll, holdLease, REFUSED, settlementsOf, UNKNOWN, waitingFlows } from "../support/attempts.ts";
import { createManualClock } from "../support/clocks.ts";
import { expectCountsTrue } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addEnrolled, addWorkspace, one, query, silent } from "../support/factories.ts";
import { messageIdsOf } from "../support/node.ts";

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
afterEach(() => expectCountsTrue(pool));

const T1 = new Date("2026-05-01T10:00:00.001Z");
const T2 = new Date("2026-05-01T10:00:05.002Z");
const T3 = new Date("2026-05-01T10:01:00.003Z");

const settleAll = async (settlements: readonly Settlement[]) => void (await settleFlows(pool, settlements, 0));
const correct = (...receipts: FlowReceipt[]) => correctFlows(pool, receipts, settleAll);

async function attemptOne(): Promise<AttemptRequest> {
  await addEnrolled(pool, workspaceId, { steps: [{ trigger: "one" }, { trigger: "two" }] });
  const [request] = await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId);
  if (request === undefined) throw new Error("nothing was attempted");
  return request;
}
async function settled(ending: Ending): Promise<string> {
  const request = await attemptOne();
  await settleAll(settlementsOf([request], ending));
  return request.flowId;
}
const flow = (id: string) => one(pool, "SELECT status, failure_code, sent_at, delivered_at, read_at FROM flows WHERE id = $1", [id]);
const events = async (id: string) => (await query<{ type: string }>(pool, "SELECT type FROM events WHERE flow_id = $1 ORDER BY xid, id", [id])).map(({ type }) => type);

describe("an acknowledgement that comes late", () => {
  test("turns OUTCOME_UNKNOWN to sent, with an event of its own, and the enrolment goes on once only", async () => {
    const id = await settled(UNKNOWN);
    expect(await correct({ flowId: id, kind: "accepted", at: T1 })).toBe(1);
    expect(await flow(id)).toEqual({ status: "SENT", failure_code: null, sent_at: T1, delivered_at: null, read_at: null });
    expect(await query(pool, "SELECT FROM flows WHERE id = $1 AND failed_at IS NULL AND failure_message IS NULL", [id])).toHaveLength(1);
    expect(await events(id)).toEqual(["FLOW_ACTIVATED", "FLOW_FAILED", "FLOW_SENT"]);
    expect(await waitingFlows(pool, workspaceId)).toHaveLength(1);
    expect(await correct({ flowId: id, kind: "accepted", at: T2 })).toBe(0);
    expect(await events(id)).toHaveLength(3);
  });

  test("changes nothing where the message was surely not sent", async () => {
    const id = await settled(REFUSED);
    expect(await correct({ flowId: id, kind: "accepted", at: T1 }, { flowId: id, kind: "read", at: T2 })).toBe(0);
    expect(await flow(id)).toMatchObject({ status: "FAILED", failure_code: "REJECTED" });
  });

  test("keeps the time at which it was sent first", async () => {
    const id = await settled(accepted(T1));
    await correct({ flowId: id, kind: "delivered", at: T3 });
    expect(await flow(id)).toMatchObject({ sent_at: T1, delivered_at: T3 });
  });

  test("of a message that is none of ours changes nothing", async () => {
    expect(await correct({ flowId: crypto.randomUUID(), kind: "read", at: T1 })).toBe(0);
  });

  test("and another that waits for it turn it once", async () => {
    const waited = await settled(UNKNOWN);
    const client = await pool.connect();
    await client.query("BEGIN");
    expect(await correctFlows(client as unknown as pg.Pool, [{ flowId: waited, kind: "accepted", at: T1 }], settleAll)).toBe(1);
    const second = correct({ flowId: waited, kind: "accepted", at: T1 });
    const waits = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    await eventually(async () => (await query(pool, waits)).length > 0, "the second waits");
    await client.query("COMMIT");
    client.release();
    expect(await second).toBe(0);
    expect(await events(waited)).toEqual(["FLOW_ACTIVATED", "FLOW_FAILED", "FLOW_SENT"]);
  });

  test("three times at once turns it once", async () => {

    const id = await settled(UNKNOWN);
    const done = await Promise.all([1, 2, 3].map(() => correct({ flowId: id, kind: "accepted", at: T1 })));
    expect(done.reduce((sum, n) => sum + n)).toBe(1);
    expect(await events(id)).toEqual(["FLOW_ACTIVATED", "FLOW_FAILED", "FLOW_SENT"]);
  });
});

describe("delivered and read", () => {
  test("are kept as they were first heard of, each an event, and never go backwards", async () => {
    const id = await settled(accepted(T1));
    expect(await correct({ flowId: id, kind: "read", at: T2 })).toBe(1);
    expect(await correct({ flowId: id, kind: "delivered", at: T3 }, { flowId: id, kind: "accepted", at: T3 }, { flowId: id, kind: "read", at: T3 })).toBe(0);
    expect(await flow(id)).toMatchObject({ status: "SENT", sent_at: T1, delivered_at: T2, read_at: T2 });
    expect(await events(id)).toEqual(["FLOW_ACTIVATED", "FLOW_SENT", "FLOW_DELIVERED", "FLOW_READ"]);
  });

  test("heard of again with what is new, keep their first time", async () => {
    const id = await settled(accepted(T1));
    await correct({ flowId: id, kind: "delivered", at: T2 });
    expect(await correct({ flowId: id, kind: "delivered", at: T3 }, { flowId: id, kind: "read", at: T3 })).toBe(1);
    expect(await flow(id)).toMatchObject({ delivered_at: T2, read_at: T3 });
    expect(await events(id)).toEqual(["FLOW_ACTIVATED", "FLOW_SENT", "FLOW_DELIVERED", "FLOW_READ"]);
  });

  test("in one batch, in whatever order, are three changes in theirs", async () => {
    const id = await settled(UNKNOWN);
    expect(await correct({ flowId: id, kind: "read", at: T3 }, { flowId: id, kind: "accepted", at: T1 }, { flowId: id, kind: "delivered", at: T2 })).toBe(1);
    expect(await flow(id)).toEqual({ status: "SENT", failure_code: null, sent_at: T1, delivered_at: T2, read_at: T3 });
    expect(await events(id)).toEqual(["FLOW_ACTIVATED", "FLOW_FAILED", "FLOW_SENT", "FLOW_DELIVERED", "FLOW_READ"]);
  });
});

test("a receipt that comes before its attempt is settled settles it, as of the first that was heard", async () => {
  const request = await attemptOne();
  await correct({ flowId: request.flowId, kind: "accepted", at: T1 }, { flowId: request.flowId, kind: "read", at: T2 });
  expect(await flow(request.flowId)).toMatchObject({ status: "SENT", sent_at: T1, read_at: T2 });
  expect((await settleFlows(pool, settlementsOf([request], UNKNOWN), 0)).size).toBe(0);
  expect(await flow(request.flowId)).toMatchObject({ status: "SENT" });
  expect(await waitingFlows(pool, workspaceId)).toHaveLength(1);
});

test("a receipt for a flow that waits still changes nothing", async () => {
  await addEnrolled(pool, workspaceId, { steps: [{ trigger: "one" }] });
  const [waiting] = await waitingFlows(pool, workspaceId);
  expect(await correct({ flowId: waiting?.id ?? "", kind: "read", at: T1 })).toBe(0);
  expect(await waitingFlows(pool, workspaceId)).toHaveLength(1);
});

describe("what a transport hears", () => {
  test("is gathered, found by message id, and worked in; ids of others are ignored", async () => {
    const id = await settled(UNKNOWN);
    const clock = createManualClock();
    const messageIds = await messageIdsOf(pool);
    let rings = 0;
    const receipts = createReceipts({ pool, clock, logger: silent, messageIds, settleAll, onCorrected: () => (rings += 1) });
    receipts.add({ messageId: "3EB0SOMEBODY ELSE", kind: "read", at: T1 });
    expect(clock.pending()).toBe(0);
    receipts.add({ messageId: messageIds.messageIdOf(id), kind: "accepted", at: T1 });
    receipts.add({ messageId: messageIds.messageIdOf(id), kind: "read", at: T2 });
    expect(clock.pending()).toBe(1);
    await clock.advance(50);
    await eventually(() => rings === 1, "the receipts are worked in");
    expect(await flow(id)).toMatchObject({ status: "SENT", sent_at: T1, read_at: T2 });
  });

  test("is kept while Postgres is away, and worked in when it is back", async () => {
    const id = await settled(UNKNOWN);
    const clock = createManualClock();
    const messageIds = await messageIdsOf(pool);
    let away = true;
    const flaky = { query: (...args: [never]) => (away ? Promise.reject(new Error("away")) : pool.query(...args)) } as unknown as pg.Pool;
    const receipts = createReceipts({ pool: flaky, clock, logger: silent, messageIds, settleAll, onCorrected: () => {} });
    receipts.add({ messageId: messageIds.messageIdOf(id), kind: "accepted", at: T1 });
    await receipts.flush();
    expect(await flow(id)).toMatchObject({ status: "FAILED" });
    away = false;
    await clock.advance(1000);
    await receipts.flush();
    expect(await flow(id)).toMatchObject({ status: "SENT", sent_at: T1 });
  });
});
