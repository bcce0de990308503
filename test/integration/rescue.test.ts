import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { moveSettledUntil, rescueAttempts } from "../../src/dispatcher/rescue.ts";
import { type Settlement, settleFlows } from "../../src/flows/settle.ts";
import { accepted, attemptAll, holdLease, settlementsOf, waitingFlows } from "../support/attempts.ts";
import { expectCountsTrue, expectOneEventPerChange } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addEnrolled, addWorkspace, one, query } from "../support/factories.ts";

const STUCK_MS = 300_000;
let database: TestDatabase;
let pool: pg.Pool;
let lease: string;
let workspaceId: string;
let deviceId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
});
afterAll(() => database.drop());
beforeEach(async () => {
  lease = await holdLease(pool);
  workspaceId = await addWorkspace(pool);
  deviceId = await addDevice(pool, workspaceId);
});

const settleAll = async (settlements: readonly Settlement[]) => void (await settleFlows(pool, settlements, 0));
const rescue = async () => {
  const rescued = await rescueAttempts(pool, STUCK_MS, settleAll);
  await moveSettledUntil(pool, lease);
  return rescued;
};
const settledUntil = async () => (await one<{ ago: number }>(pool, "SELECT extract(epoch FROM clock_timestamp() - settled_until)::float8 AS ago FROM coordinator")).ago;

/** As if all attempts of the workspace had been made so much earlier. */
async function age(interval: string): Promise<void> {
  await pool.query("UPDATE flows SET attempted_at = attempted_at - $2::interval WHERE workspace_id = $1", [workspaceId, interval]);
  await pool.query("UPDATE device_attempts SET at = at - $2::interval WHERE workspace_id = $1", [workspaceId, interval]);
}

async function attemptSome(leads: number) {
  await addEnrolled(pool, workspaceId, { steps: [{ trigger: "one" }, { trigger: "two" }] }, leads);
  return attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId);
}

test("ends as OUTCOME_UNKNOWN what was attempted longer ago than the limit, puts nothing back, and leads on to the next step", async () => {
  const requests = await attemptSome(3);
  await age("6 minutes");
  expect(await rescue()).toBe(3);
  const ended = await query(pool, "SELECT queued, status, failure_code FROM flows WHERE id = ANY ($1::uuid[])", [requests.map(({ flowId }) => flowId)]);
  expect(ended).toEqual(requests.map(() => ({ queued: false, status: "FAILED", failure_code: "OUTCOME_UNKNOWN" })));
  expect(await waitingFlows(pool, workspaceId)).toHaveLength(3);
  expect(await rescue()).toBe(0);
  await expectCountsTrue(pool);
  await expectOneEventPerChange(pool, workspaceId);
});

test("leaves alone what was attempted a moment ago, and what was settled", async () => {
  const requests = await attemptSome(2);
  await age("4 minutes 50 seconds");
  expect(await rescue()).toBe(0);
  await settleAll(settlementsOf(requests, accepted()));
  await age("10 minutes");
  expect(await rescue()).toBe(0);
});

test("finds what a node before left unsettled for a day", async () => {
  await attemptSome(1);
  await rescue(); // has searched up to now
  await age("24 hours");
  lease = await holdLease(pool);
  expect(await rescue()).toBe(1);
});

test("searches on from the oldest attempt that is not settled, with an overlap", async () => {
  await rescue();
  expect(await settledUntil()).toBeGreaterThan(29);
  expect(await settledUntil()).toBeLessThan(35);
  await attemptSome(1);
  await pool.query("UPDATE coordinator SET settled_until = '-infinity'");
  await age("2 minutes");
  await rescue();
  expect(await settledUntil()).toBeGreaterThan(119);
  expect(await settledUntil()).toBeLessThan(125);
});

test("does not move that on for who is not the elected one any more", async () => {
  const lost = lease;
  lease = await holdLease(pool);
  await moveSettledUntil(pool, lost);
  expect(await settledUntil()).toBeGreaterThan(24 * 3600);
});

test("comes to an end where one cannot be settled, settles all others, and searches for that one again", async () => {
  const requests = await attemptSome(5);
  await age("6 minutes");
  const settleAllButOne = (settlements: readonly Settlement[]) => settleAll(settlements.filter(({ flowId }) => flowId !== requests[2]?.flowId));
  expect(await rescueAttempts(pool, STUCK_MS, settleAllButOne)).toBe(4);
  await moveSettledUntil(pool, lease);
  expect(await settledUntil()).toBeGreaterThan(360);
  expect(await rescue()).toBe(1);
});
