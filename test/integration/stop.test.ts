import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { transaction } from "../../src/db/transaction.ts";
import { createSweep, createUpkeep } from "../../src/dispatcher/upkeep.ts";
import { workspaceDb } from "../../src/db/workspace.ts";
import { createBell } from "../../src/events/bell.ts";
import { retryFlow } from "../../src/flows/retry.ts";
import { settleFlows, type Settlement } from "../../src/flows/settle.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { openEnrollmentsOf, stopEnrollments, type StopReason } from "../../src/sequences/stop.ts";
import { accepted, attemptAll, holdLease, settlementsOf, waitingFlows } from "../support/attempts.ts";
import { expectCountsTrue, expectOneEventPerChange } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addEnrolled, addLeads, addSequence, addWorkspace, enrolAll, one, query, silent } from "../support/factories.ts";

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
afterEach(async () => {
  await expectCountsTrue(pool);
  await expectOneEventPerChange(pool, workspaceId);
});

const TWO = { steps: [{ trigger: "one" }, { trigger: "two" }] };
const stop = (ids: readonly string[], reason: StopReason = "OPERATOR") => transaction(pool, (client) => stopEnrollments(client, ids, reason));
const enrollmentIds = async () => (await query<{ id: string }>(pool, "SELECT id FROM enrollments WHERE workspace_id = $1 ORDER BY id", [workspaceId])).map(({ id }) => id);
const states = () =>
  query(
    pool,
    `SELECT e.status, e.stop_reason, f.status AS flow, f.skip_reason, l.trigger FROM enrollments e JOIN flows f ON f.id = e.current_flow_id JOIN leads l ON l.id = e.lead_id
      WHERE e.workspace_id = $1 ORDER BY e.id`,
    [workspaceId],
  );

test("a stop skips what waits, keeps the reason, and takes that word off the lead, and no other", async () => {
  const { leadIds } = await addEnrolled(pool, workspaceId, TWO);
  await pool.query("UPDATE leads SET trigger = 'x, one' WHERE id = $1", [leadIds[0]]);
  expect(await stop(await enrollmentIds())).toBe(1);
  expect(await states()).toEqual([{ status: "STOPPED", stop_reason: "OPERATOR", flow: "SKIPPED", skip_reason: "OPERATOR", trigger: "x" }]);
  expect(await stop(await enrollmentIds())).toBe(0);
});

test("all of a lead's enrolments stop together, each word is taken off", async () => {
  const [leadId] = await addLeads(pool, workspaceId, 1, "one,uno,kept");
  await addSequence(pool, workspaceId, TWO);
  await addSequence(pool, workspaceId, { steps: [{ trigger: "uno" }] });
  await enrolAll(pool);
  expect(await stop(await openEnrollmentsOf(pool, leadId ?? ""), "OPTED_OUT")).toBe(2);
  const stopped = { status: "STOPPED", stop_reason: "OPTED_OUT", flow: "SKIPPED", skip_reason: "OPTED_OUT", trigger: "kept" };
  expect(await states()).toEqual([stopped, stopped]);
});

test("what is on its way when it is stopped ends as it does, and nothing follows", async () => {
  await addEnrolled(pool, workspaceId, TWO);
  const requests = await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId);
  await stop(await enrollmentIds());
  expect(await states()).toMatchObject([{ status: "STOPPED", flow: "PROCESSING" }]);
  await settleFlows(pool, settlementsOf(requests, accepted()), 0);
  expect(await states()).toMatchObject([{ status: "STOPPED", stop_reason: "OPERATOR", flow: "SENT" }]);
  expect(await waitingFlows(pool, workspaceId)).toEqual([]);
});

test("stops that race with settling leave no lead with a flow that nobody would send", async () => {
  await addEnrolled(pool, workspaceId, { ...TWO, delayHours: 0 }, 200);
  const requests = await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId);
  const ids = await enrollmentIds();
  await Promise.all([
    ...[0, 1, 2, 3].map((n) => stop(ids.filter((_, index) => index % 8 === 2 * n))),
    ...[0, 1, 2, 3].map((n) => settleFlows(pool, settlementsOf(requests.slice(n * 50, n * 50 + 50), accepted()), 0)),
  ]);
  const open = await query(pool, "SELECT e.status, f.status AS flow, count(*) FROM flows f JOIN enrollments e ON e.id = f.enrollment_id WHERE e.workspace_id = $1 AND f.settled_at IS NULL GROUP BY 1, 2", [workspaceId]);
  expect(open).toEqual([{ status: "ACTIVE", flow: "ACTIVE", count: 100 }]);
});

const settleAll = async (settlements: readonly Settlement[]) => void (settlements.length > 0 && (await settleFlows(pool, settlements, 0)));
const upkeep = (onStopped = () => {}) => createUpkeep({ pool, clock: systemClock, logger: silent, settleAll, onStopped }).runOnce();

test("an archived sequence ends its enrolments, the paused ones too, at the next upkeep", async () => {
  const { sequenceId } = await addEnrolled(pool, workspaceId, TWO, 30);
  await pool.query("UPDATE sequences SET status = 'ARCHIVED' WHERE id = $1", [sequenceId]);
  let stopped = 0;
  await upkeep(() => (stopped += 1));
  expect(stopped).toBe(1);
  expect(new Set((await states()).map((state) => JSON.stringify(state)))).toEqual(
    new Set([JSON.stringify({ status: "STOPPED", stop_reason: "SEQUENCE_ARCHIVED", flow: "SKIPPED", skip_reason: "SEQUENCE_ARCHIVED", trigger: null })]),
  );
});

test("an archived sequence ends the retries that wait beside enrolments which are over", async () => {
  const { sequenceId } = await addEnrolled(pool, workspaceId, { steps: [{ trigger: "one" }] });
  const requests = await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId);
  await settleFlows(pool, settlementsOf(requests, { kind: "refused", code: "REJECTED", message: "no" }), 0);
  const retried = await retryFlow({ db: workspaceDb(pool, workspaceId), bell: createBell() }, requests[0]?.flowId ?? "", null);
  await pool.query("UPDATE sequences SET status = 'ARCHIVED' WHERE id = $1", [sequenceId]);
  await upkeep();
  expect(await query(pool, "SELECT status, skip_reason FROM flows WHERE id = $1", [retried.ok ? retried.value : null])).toEqual([{ status: "SKIPPED", skip_reason: "SEQUENCE_ARCHIVED" }]);
  expect(await states()).toMatchObject([{ status: "COMPLETED", flow: "FAILED" }]);
});

test("upkeep folds what was counted, without changing what is told", async () => {
  await addEnrolled(pool, workspaceId, TWO, 20);
  const before = await query(pool, "SELECT * FROM sequence_totals WHERE workspace_id = $1", [workspaceId]);
  await upkeep();
  expect((await one<{ count: number }>(pool, "SELECT count(*) FROM sequence_count_deltas")).count).toBe(0);
  expect(await query(pool, "SELECT * FROM sequence_totals WHERE workspace_id = $1", [workspaceId])).toEqual(before);
});

test("the sweep forgets attempts that no limit looks back to, and no others", async () => {
  const attempt = (ago: string) => pool.query("INSERT INTO device_attempts (workspace_id, device_id, flow_id, at) VALUES ($1, $2, uuid_v7(), now() - $3::interval)", [workspaceId, deviceId, ago]);
  await attempt("24 hours 10 seconds");
  await attempt("25 hours 10 seconds");
  await createSweep({ pool, clock: systemClock, logger: silent }).runOnce();
  expect(await query(pool, "SELECT round(extract(epoch FROM now() - at) / 3600)::int AS hours FROM device_attempts WHERE device_id = $1", [deviceId])).toEqual([{ hours: 24 }]);
});
