import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { transaction } from "../../src/db/transaction.ts";
import { attemptFlows } from "../../src/dispatcher/attempt.ts";
import { claimFlows } from "../../src/dispatcher/claim.ts";
import { WHOLE } from "../../src/dispatcher/slices.ts";
import { settleFlows } from "../../src/flows/settle.ts";
import { pauseEnrollments, resumeEnrollments } from "../../src/sequences/pause.ts";
import { stopEnrollments } from "../../src/sequences/stop.ts";
import { accepted, attemptAll, hindranceOf, holdLease, NOBODY, requestFor, settlementsOf, waitingFlows } from "../support/attempts.ts";
import { expectCountsTrue } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addEnrolled, addLeads, addWorkspace, enrolAll, one, query, setActive } from "../support/factories.ts";

const HOUR_MS = 3_600_000;
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

const TWO = { steps: [{ trigger: "one" }, { trigger: "two" }] };
const claimable = async () => (await claimFlows(pool, [{ workspaceId, flows: 1000, slice: WHOLE }], NOBODY, [])).flows.length;
const enrollmentIds = async () => (await query<{ id: string }>(pool, "SELECT id FROM enrollments WHERE workspace_id = $1 ORDER BY id", [workspaceId])).map(({ id }) => id);
const pause = async () => transaction(pool, async (client) => pauseEnrollments(client, await enrollmentIds()));
const resume = async () => transaction(pool, async (client) => resumeEnrollments(client, await enrollmentIds()));
/** As if all that is written of the workspace's pauses had been written so much earlier. */
const letPassInPauses = (interval: string) =>
  pool.query(
    `WITH l AS (UPDATE lanes SET paused_at = paused_at - $2::interval WHERE workspace_id = $1),
          f AS (UPDATE flows SET due_at = due_at - $2::interval WHERE workspace_id = $1 AND settled_at IS NULL)
     UPDATE enrollments SET paused_lane_time = paused_lane_time - $2::interval WHERE workspace_id = $1`,
    [workspaceId, interval],
  );
/** In how many ms the workspace's one waiting flow will be sent, as things stand. */
const dueIn = async () =>
  (
    await one<{ ms: number }>(
      pool,
      `SELECT extract(epoch FROM wall_time(f.due_at, l.paused_at, l.pause_offset) - clock_timestamp())::float8 * 1000 AS ms
         FROM flows f JOIN lanes l ON l.id = f.lane_id WHERE f.workspace_id = $1 AND f.settled_at IS NULL`,
      [workspaceId],
    )
  ).ms;
const about = (ms: number) => ({ asymmetricMatch: (actual: number) => Math.abs(actual - ms) < 5000, toString: () => `about ${ms}` });
const putOff = (interval: string) => pool.query("UPDATE flows SET due_at = clock_timestamp() + $2::interval WHERE workspace_id = $1", [workspaceId, interval]);

describe("a sequence that is paused", () => {
  test("offers nothing from then on, writes no flow, and offers all again when it goes on", async () => {
    const { sequenceId } = await addEnrolled(pool, workspaceId, TWO, 200);
    const versions = () => query(pool, "SELECT id, xmin::text, ctid::text FROM flows WHERE workspace_id = $1 ORDER BY id", [workspaceId]);
    const before = await versions();
    expect(await claimable()).toBe(200);
    const [flow] = await waitingFlows(pool, workspaceId);
    await setActive(pool, sequenceId, false);
    expect(await claimable()).toBe(0);
    expect(flow && hindranceOf((await attemptFlows(pool, lease, [requestFor(flow, deviceId)]))[0])).toBe("not_now");
    await setActive(pool, sequenceId, true);
    expect(await claimable()).toBe(200);
    expect(await versions()).toEqual(before);
  });

  test("keeps each lead's remaining delay, over several pauses", async () => {
    const { sequenceId } = await addEnrolled(pool, workspaceId, TWO);
    await putOff("5 hours");
    for (const interval of ["3 hours", "30 hours"]) {
      await setActive(pool, sequenceId, false);
      expect(await dueIn()).toEqual(about(5 * HOUR_MS));
      await letPassInPauses(interval);
      expect(await dueIn()).toEqual(about(5 * HOUR_MS));
      await setActive(pool, sequenceId, true);
      expect(await dueIn()).toEqual(about(5 * HOUR_MS));
    }
  });

  test("stands still once, however often it is paused", async () => {
    const { sequenceId } = await addEnrolled(pool, workspaceId, TWO);
    await putOff("5 hours");
    await setActive(pool, sequenceId, false);
    await letPassInPauses("2 hours");
    await pool.query("UPDATE sequences SET status = 'PAUSED', name = 'Again' WHERE id = $1", [sequenceId]);
    await pool.query("UPDATE sequences SET status = 'DRAFT' WHERE id = $1", [sequenceId]);
    await setActive(pool, sequenceId, true);
    expect(await dueIn()).toEqual(about(5 * HOUR_MS));
  });

  test("still settles what was on its way, and what follows waits for the delay from then on", async () => {
    const { sequenceId } = await addEnrolled(pool, workspaceId, { ...TWO, delayHours: 24 });
    const requests = await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId);
    await setActive(pool, sequenceId, false);
    await settleFlows(pool, settlementsOf(requests, accepted()), 0);
    await letPassInPauses("10 hours");
    await setActive(pool, sequenceId, true);
    expect(await dueIn()).toEqual(about(24 * HOUR_MS));
  });
});

describe("an enrolment that is paused", () => {
  test("offers nothing until it is resumed, and keeps its remaining delay", async () => {
    await addEnrolled(pool, workspaceId, TWO);
    await putOff("5 hours");
    expect(await pause()).toBe(1);
    expect(await pause()).toBe(0);
    expect(await waitingFlows(pool, workspaceId)).toEqual([]);
    await letPassInPauses("7 hours");
    expect(await resume()).toBe(1);
    expect(await resume()).toBe(0);
    expect(await dueIn()).toEqual(about(5 * HOUR_MS));
    expect(await waitingFlows(pool, workspaceId)).toHaveLength(1);
  });

  test("and stands before others in the queue keeps none of them from being offered", async () => {
    await addEnrolled(pool, workspaceId, TWO, 20);
    const ids = await enrollmentIds();
    await transaction(pool, (client) => pauseEnrollments(client, ids.slice(0, 19)));
    expect((await claimFlows(pool, [{ workspaceId, flows: 1, slice: WHOLE }], NOBODY, [])).flows).toHaveLength(1);
    expect(await claimable()).toBe(1);
  });

  test("while its message is on its way goes no further, and goes on when it is resumed", async () => {
    await addEnrolled(pool, workspaceId, { ...TWO, delayHours: 0 });
    const requests = await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId);
    await pause();
    await settleFlows(pool, settlementsOf(requests, accepted()), 0);
    expect(await claimable()).toBe(0);
    await resume();
    expect(await claimable()).toBe(1);
  });

  test("and resumed while its message is on its way goes on as if nothing had been", async () => {
    await addEnrolled(pool, workspaceId, { ...TWO, delayHours: 24 });
    const requests = await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId);
    await pause();
    await resume();
    await settleFlows(pool, settlementsOf(requests, accepted()), 0);
    expect(await waitingFlows(pool, workspaceId)).toHaveLength(1);
    expect(await dueIn()).toEqual(about(24 * HOUR_MS));
  });

  test("while its sequence is paused, too, loses none of its delay to either", async () => {
    const { sequenceId } = await addEnrolled(pool, workspaceId, TWO);
    await putOff("5 hours");
    await setActive(pool, sequenceId, false);
    await pool.query("UPDATE lanes SET paused_at = paused_at - interval '1 hour' WHERE workspace_id = $1", [workspaceId]);
    const before = await dueIn();
    await pause();
    await setActive(pool, sequenceId, true); // the enrolment alone stands still from here on
    await pool.query("UPDATE enrollments SET paused_lane_time = paused_lane_time - interval '2 hours' WHERE workspace_id = $1", [workspaceId]);
    await resume();
    expect(await dueIn()).toEqual(about(before + 2 * HOUR_MS));
    expect(await waitingFlows(pool, workspaceId)).toHaveLength(1);
  });

  test("and then stopped counts as paused no more", async () => {
    await addEnrolled(pool, workspaceId, TWO, 3);
    await pause();
    await transaction(pool, async (client) => stopEnrollments(client, await enrollmentIds(), "OPERATOR"));
    expect(await query(pool, "SELECT active, paused, stopped FROM sequence_totals WHERE workspace_id = $1", [workspaceId])).toEqual([{ active: 0, paused: 0, stopped: 3 }]);
  });

  test("many at once, against settling, each ends up parked or in the queue as its status says", async () => {
    await addEnrolled(pool, workspaceId, { ...TWO, delayHours: 0 }, 200);
    const flows = await waitingFlows(pool, workspaceId);
    const ids = await enrollmentIds();
    const requests = await attemptAll(pool, lease, flows, deviceId);
    await Promise.all([
      ...[0, 1, 2, 3].map((n) => transaction(pool, (client) => pauseEnrollments(client, ids.filter((_, index) => index % 8 === n * 2)))),
      ...[0, 1, 2, 3].map((n) => settleFlows(pool, settlementsOf(requests.slice(n * 50, n * 50 + 50), accepted()), 0)),
    ]);
    const states = await query(
      pool,
      `SELECT e.status, f.queued, count(*) FROM enrollments e JOIN flows f ON f.id = e.current_flow_id WHERE e.workspace_id = $1 AND f.settled_at IS NULL GROUP BY 1, 2 ORDER BY 1`,
      [workspaceId],
    );
    expect(states).toEqual([
      { status: "ACTIVE", queued: true, count: 100 },
      { status: "PAUSED", queued: false, count: 100 },
    ]);
  });
});

test("a lane is made as its sequence is: closed where it is paused", async () => {
  const { sequenceId } = await addEnrolled(pool, workspaceId, TWO);
  await setActive(pool, sequenceId, false);
  await pool.query("SELECT lane_of($1, 'Europe/London')", [sequenceId]);
  expect(await one(pool, "SELECT paused_at IS NOT NULL AS paused FROM lanes WHERE sequence_id = $1 AND time_zone = 'Europe/London'", [sequenceId])).toEqual({ paused: true });
});

test("a lane that is made while its sequence is being paused waits for that, and is closed", async () => {
  const { sequenceId } = await addEnrolled(pool, workspaceId, TWO);
  const pausing = await pool.connect();
  await pausing.query("BEGIN");
  await setActive(pausing, sequenceId, false);
  const made = pool.query("SELECT lane_of($1, 'Europe/London')", [sequenceId]);
  const waits = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
  await Promise.race([made, eventually(async () => (await query(pool, waits)).length > 0, "it waits")]);
  await pausing.query("COMMIT");
  pausing.release();
  await made;
  expect(await query(pool, "SELECT paused_at IS NOT NULL AS paused FROM lanes WHERE sequence_id = $1", [sequenceId])).toEqual([{ paused: true }, { paused: true }]);
});

test("a lane of a sequence that is gone is refused, instead of being looked for without end", async () => {
  await expect(pool.query("SELECT lane_of($1, 'Europe/London')", [crypto.randomUUID()])).rejects.toThrow(/sequence .* is gone/);
});

test("leads of another time zone go through a lane of their own, which the pause closes too", async () => {
  const { sequenceId } = await addEnrolled(pool, workspaceId, TWO, 2);
  const [leadId] = await addLeads(pool, workspaceId, 1);
  await pool.query("UPDATE leads SET time_zone = 'America/Lima', trigger = 'one' WHERE id = $1", [leadId]);
  await enrolAll(pool);
  expect(await claimable()).toBe(3);
  expect(await query(pool, "SELECT time_zone FROM lanes WHERE sequence_id = $1 ORDER BY 1", [sequenceId])).toEqual([{ time_zone: "America/Lima" }, { time_zone: "Asia/Kuala_Lumpur" }]);
  await setActive(pool, sequenceId, false);
  expect(await claimable()).toBe(0);
});
