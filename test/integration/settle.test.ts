import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createPool } from "../../src/db/client.ts";
import { transaction } from "../../src/db/transaction.ts";
import { type Ending, settleFlows } from "../../src/flows/settle.ts";
import { KNOWN_DEVICE } from "../../src/leads/known-device.ts";
import { pauseEnrollments, resumeEnrollments } from "../../src/sequences/pause.ts";
import { stopEnrollments } from "../../src/sequences/stop.ts";
import { accepted, attemptAll, holdLease, makeDue, REFUSED, sendAll, settlementsOf, UNKNOWN, waitingFlows } from "../support/attempts.ts";
import { expectCountsTrue, expectOneEventPerChange } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addEnrolled, addLeads, addSequence, addWorkspace, enrolAll, one, query, type SequenceSpec, setActive } from "../support/factories.ts";

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
afterEach(async () => {
  await expectCountsTrue(pool);
  await expectOneEventPerChange(pool, workspaceId);
});

const THREE = { steps: [{ trigger: "one" }, { trigger: "two" }, { trigger: "three" }] };

/** Attempts what waits, due now, and returns the settlements that `ending` asks for. */
const attempted = async (ending: Ending) => {
  await makeDue(pool, workspaceId);
  return settlementsOf(await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId), ending);
};
const send = (ending: Ending = accepted(), minStepDelayHours = 0) => sendAll(pool, lease, workspaceId, deviceId, ending, minStepDelayHours);
const settleWaiting = async (ending: Ending) => {
  const flows = await waitingFlows(pool, workspaceId);
  return settleFlows(pool, flows.map(({ id }) => ({ flowId: id, attemptId: null, ending })), 0);
};
const steps = async () =>
  (await query<{ trigger: string }>(pool, "SELECT st.trigger FROM flows f LEFT JOIN sequence_steps st ON st.id = f.step_id WHERE f.workspace_id = $1 ORDER BY f.id", [workspaceId])).map((row) => row.trigger);
const enrollments = () =>
  query<{ name: string; status: string; stop_reason: string | null }>(
    pool,
    "SELECT s.name, e.status, e.stop_reason FROM enrollments e JOIN sequences s ON s.id = e.sequence_id WHERE e.workspace_id = $1 ORDER BY e.id",
    [workspaceId],
  );
const triggerOf = async (leadId: string | undefined) => (await one<{ trigger: string | null }>(pool, "SELECT trigger FROM leads WHERE id = $1", [leadId])).trigger;
/** How long after `since` the workspace's one waiting flow is due, in ms of its lane's time. */
const dueIn = async (since: Date) => {
  const { due } = await one<{ due: Date }>(pool, "SELECT due_at AS due FROM flows WHERE workspace_id = $1 AND attempted_at IS NULL AND settled_at IS NULL", [workspaceId]);
  return due.getTime() - since.getTime();
};
const now = async () => (await one<{ now: Date }>(pool, "SELECT clock_timestamp() AS now")).now;

describe("writes down how a flow ended:", () => {
  const endings: [string, Ending, Record<string, unknown>][] = [
    ["accepted", accepted(new Date("2026-03-04T05:06:07.089Z")), { status: "SENT", sent_at: new Date("2026-03-04T05:06:07.089Z"), failure_code: null, failure_message: null, failed: false }],
    ["refused", REFUSED, { status: "FAILED", sent_at: null, failure_code: "REJECTED", failure_message: "The other side said no.", failed: true }],
    ["unknown", UNKNOWN, { status: "FAILED", sent_at: null, failure_code: "OUTCOME_UNKNOWN", failure_message: "Nothing was heard.", failed: true }],
  ];
  test.each(endings)("%s, and goes on to the next step", async (_name, ending, row) => {
    await addEnrolled(pool, workspaceId, THREE);
    const [flow] = await send(ending);
    const columns = "status, sent_at, failure_code, failure_message, failed_at IS NOT NULL AS failed";
    expect(await one(pool, `SELECT ${columns} FROM flows WHERE id = $1 AND settled_at IS NOT NULL AND NOT queued`, [flow?.id])).toEqual(row);
    expect(await steps()).toEqual(["one", "two"]);
  });

  test("unrenderable, without an attempt, and goes on to the next step", async () => {
    await addEnrolled(pool, workspaceId, THREE);
    await settleWaiting({ kind: "unrenderable", message: "Brace." });
    const failed = "SELECT failure_code, failure_message, attempted_at FROM flows WHERE workspace_id = $1 AND status = 'FAILED'";
    expect(await one(pool, failed, [workspaceId])).toEqual({ failure_code: "TEMPLATE_ERROR", failure_message: "Brace.", attempted_at: null });
    expect(await steps()).toEqual(["one", "two"]);
  });

  test.each(["OPTED_OUT", "OPERATOR", "SEQUENCE_ARCHIVED"] as const)("skipped because of %s, which ends the enrolment", async (reason) => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE);
    await settleWaiting({ kind: "skipped", reason });
    expect(await query(pool, "SELECT status, skip_reason FROM flows WHERE workspace_id = $1", [workspaceId])).toEqual([{ status: "SKIPPED", skip_reason: reason }]);
    expect(await enrollments()).toEqual([{ name: "Sequence", status: "STOPPED", stop_reason: reason }]);
    expect(await triggerOf(leadIds[0])).toBeNull();
  });
});

describe("settles once:", () => {
  test("two who settle the same 300 flows at once make each next flow once", async () => {
    await addEnrolled(pool, workspaceId, THREE, 300);
    const settlements = await attempted(accepted());
    const other = createPool(database.url, { max: 2, idle: 0, lifetimeSeconds: 0, onError: () => {} });
    const [ours, theirs] = await Promise.all([settleFlows(pool, settlements, 0), retry(() => settleFlows(other, settlements.toReversed(), 0))]);
    await other.end();
    expect(ours.size + theirs.size).toBe(300);
    expect(await waitingFlows(pool, workspaceId)).toHaveLength(300);
  });

  test("an attempt is not settled by who did not make it", async () => {
    await addEnrolled(pool, workspaceId, THREE);
    const settlements = await attempted(accepted());
    const others = settlements.map((settlement) => ({ ...settlement, attemptId: crypto.randomUUID() }));
    expect((await settleFlows(pool, others, 0)).size).toBe(0);
    expect((await settleFlows(pool, settlements.map((s) => ({ ...s, attemptId: null, ending: { kind: "skipped", reason: "OPERATOR" } as const })), 0)).size).toBe(0);
    expect((await settleFlows(pool, settlements, 0)).size).toBe(1);
  });

  test("an enrolment that was stopped while its message was on its way goes nowhere", async () => {
    await addEnrolled(pool, workspaceId, THREE);
    const settlements = await attempted(accepted());
    await transaction(pool, async (client) => stopEnrollments(client, [await enrollmentId()], "OPERATOR"));
    await settleFlows(pool, settlements, 0);
    expect(await query(pool, "SELECT status FROM flows WHERE workspace_id = $1", [workspaceId])).toEqual([{ status: "SENT" }]);
    expect(await enrollments()).toEqual([{ name: "Sequence", status: "STOPPED", stop_reason: "OPERATOR" }]);
  });

  test("a flow whose enrolment has gone on makes no other one", async () => {
    await addEnrolled(pool, workspaceId, THREE);
    const settlements = await attempted(accepted());
    await pool.query("UPDATE enrollments SET current_flow_id = uuid_v7() WHERE workspace_id = $1", [workspaceId]);
    await settleFlows(pool, settlements, 0);
    expect(await waitingFlows(pool, workspaceId)).toEqual([]);
  });
});

const enrollmentId = async () => (await one<{ id: string }>(pool, "SELECT id FROM enrollments WHERE workspace_id = $1", [workspaceId])).id;

async function retry<T>(run: () => Promise<T>): Promise<T> {
  return run().catch((error: { code?: string }) => (error.code === "40P01" ? retry(run) : Promise.reject(error)));
}

describe("the next step is due", () => {
  const single = (spec: Partial<SequenceSpec> = {}) => addEnrolled(pool, workspaceId, { ...THREE, ...spec });

  test("its delay after the last was due, not after it was sent", async () => {
    await single({ delayHours: 24 });
    const due = new Date((await now()).getTime() - 2 * HOUR_MS);
    await pool.query("UPDATE flows SET due_at = $2 WHERE workspace_id = $1", [workspaceId, due]);
    await send(accepted(), 1);
    expect(await dueIn(due)).toBe(24 * HOUR_MS);
  });

  test("after the step's own delay where it sets one", async () => {
    await single({ steps: [{ trigger: "one", delayHours: 7 }, { trigger: "two" }] });
    const due = await now(); // in whole milliseconds, so that a microsecond in the reckoning does not make one of them
    await pool.query("UPDATE flows SET due_at = $2 WHERE workspace_id = $1", [workspaceId, due]);
    await settleFlows(pool, settlementsOf(await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId), accepted()), 1);
    expect(await dueIn(due)).toBe(7 * HOUR_MS);
  });

  test("not sooner than the minimum delay after a backlog of days", async () => {
    await single({ delayHours: 24 });
    await pool.query("UPDATE flows SET due_at = clock_timestamp() - interval '9 days' WHERE workspace_id = $1", [workspaceId]);
    const from = await now();
    await send(accepted(), 1);
    expect(await dueIn(from)).toBeGreaterThanOrEqual(HOUR_MS);
    expect(await dueIn(from)).toBeLessThan(HOUR_MS + 5000);
  });

  test("sooner than the minimum where the step's own delay is shorter, in a trial", async () => {
    await single({ delayHours: 0.1 });
    await pool.query("UPDATE flows SET due_at = clock_timestamp() - interval '9 days' WHERE workspace_id = $1", [workspaceId]);
    const from = await now();
    await send(accepted(), 1);
    expect(await dueIn(from)).toBeLessThan(0.1 * HOUR_MS + 5000);
  });

  test.each([
    ["1e300", 8760],
    ["NaN", 8760],
    ["-1e300", 0],
  ])("within a year, and not before now, where SQL wrote a delay of %s hours: the flow before it has to end", async (written, hours) => {
    const { sequenceId } = await single();
    await pool.query("UPDATE sequence_steps SET trigger_delay_hours = $2::float8 WHERE sequence_id = $1", [sequenceId, written]);
    const from = await now();
    await send();
    expect(Math.abs((await dueIn(from)) - hours * HOUR_MS)).toBeLessThan(5000);
  });

  test("in the time of a lane that stands still: the pause is added to it when the lane goes on", async () => {
    const { sequenceId } = await single({ delayHours: 24 });
    const settlements = await attempted(accepted());
    await setActive(pool, sequenceId, false);
    await pool.query("UPDATE lanes SET paused_at = paused_at - interval '3 hours', pause_offset = '30 hours' WHERE sequence_id = $1", [sequenceId]);
    const { lane_now: laneNow } = await one<{ lane_now: Date }>(pool, "SELECT lane_time(clock_timestamp(), paused_at, pause_offset) AS lane_now FROM lanes WHERE sequence_id = $1", [sequenceId]);
    await pool.query("UPDATE flows SET due_at = $2::timestamptz - interval '1 hour' WHERE workspace_id = $1", [workspaceId, laneNow]);
    await settleFlows(pool, settlements, 0);
    expect(await dueIn(laneNow)).toBe(23 * HOUR_MS);
  });

  test("the remaining delay after the enrolment is resumed, where it was made during the pause", async () => {
    await single({ delayHours: 24 });
    const settlements = await attempted(accepted());
    const id = await enrollmentId();
    await transaction(pool, (client) => pauseEnrollments(client, [id]));
    await pool.query("UPDATE enrollments SET paused_lane_time = paused_lane_time - interval '5 hours' WHERE id = $1", [id]); // five hours ago
    const { due_at: due } = await one<{ due_at: Date }>(pool, "SELECT due_at FROM flows WHERE workspace_id = $1", [workspaceId]);
    await settleFlows(pool, settlements, 0);
    expect(await waitingFlows(pool, workspaceId)).toEqual([]); // it waits apart
    await transaction(pool, (client) => resumeEnrollments(client, [id]));
    expect(await waitingFlows(pool, workspaceId)).toHaveLength(1);
    expect(await dueIn(due)).toBeGreaterThanOrEqual(24 * HOUR_MS);
    expect(await dueIn(due)).toBeLessThan(24 * HOUR_MS + 5000); // resumed at once after it was made: the pause before counts for nothing
  });
});

describe("at the end of a sequence", () => {
  test.each([
    ["one", null],
    [" one , one", null],
    ["other,one", "other"],
    [" first ,one, second,one", "first,second"],
    ["one_more, one", "one_more"],
  ])("takes its word off a lead that carries '%s', and no other", async (stored, left) => {
    const { leadIds } = await addEnrolled(pool, workspaceId, { steps: [{ trigger: "one" }] });
    await pool.query("UPDATE leads SET trigger = $2 WHERE id = $1", [leadIds[0], stored]);
    await send();
    expect(await triggerOf(leadIds[0])).toBe(left);
    expect(await enrollments()).toEqual([{ name: "Sequence", status: "COMPLETED", stop_reason: null }]);
  });

  test("takes both words off a lead whose two sequences end in the same batch", async () => {
    const [leadId] = await addLeads(pool, workspaceId, 1, "one, keep,two");
    await addSequence(pool, workspaceId, { name: "A", steps: [{ trigger: "one" }] });
    await addSequence(pool, workspaceId, { name: "B", steps: [{ trigger: "two" }] });
    await enrolAll(pool);
    expect(await send()).toHaveLength(2);
    expect(await triggerOf(leadId)).toBe("keep");
  });

  test("takes the word off whose enrolment ends, and leaves it where the lead goes on in another", async () => {
    const [leadId] = await addLeads(pool, workspaceId, 1, "one,two");
    await addSequence(pool, workspaceId, { steps: [{ trigger: "one" }] });
    await addSequence(pool, workspaceId, { steps: [{ trigger: "two" }, { trigger: "two_b" }] });
    await enrolAll(pool);
    await send();
    expect(await triggerOf(leadId)).toBe("two");
  });

  test("lets the lead be enrolled anew by setting the word again", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, { steps: [{ trigger: "one" }] });
    await send();
    await pool.query("UPDATE leads SET trigger = 'one' WHERE id = $1", [leadIds[0]]);
    await enrolAll(pool);
    expect((await enrollments()).map(({ status }) => status)).toEqual(["COMPLETED", "ACTIVE"]);
  });

  test("a failure ends it where the sequence is to stop then, with the reason", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, { ...THREE, onFailure: "STOP" });
    await send(REFUSED);
    expect(await enrollments()).toEqual([{ name: "Sequence", status: "STOPPED", stop_reason: "FLOW_FAILED" }]);
    expect(await triggerOf(leadIds[0])).toBeNull();
    expect(await waitingFlows(pool, workspaceId)).toEqual([]);
  });
});

describe("COLD, WARM, HOT:", () => {
  const chain = async (spec: { warm?: Partial<SequenceSpec>; cold?: Partial<SequenceSpec> } = {}) => {
    const hot = await addSequence(pool, workspaceId, { name: "HOT", steps: [{ trigger: "hot_1" }] });
    const warm = await addSequence(pool, workspaceId, { name: "WARM", steps: [{ trigger: "warm_1", next: "hot_1" }], ...spec.warm });
    const cold = await addSequence(pool, workspaceId, { name: "COLD", steps: [{ trigger: "cold_1", next: "warm_1" }], ...spec.cold });
    return { hot, warm, cold };
  };

  test("a lead is led from one into the next, once each, and its first word is taken off on the way", async () => {
    await chain();
    const [leadId] = await addLeads(pool, workspaceId, 1, "cold_1,kept");
    await enrolAll(pool);
    for (let n = 0; n < 3; n++) expect(await send()).toHaveLength(1);
    expect(await send()).toEqual([]);
    expect(await enrollments()).toEqual(["COLD", "WARM", "HOT"].map((name) => ({ name, status: "COMPLETED", stop_reason: null })));
    expect(await triggerOf(leadId)).toBe("kept");
  });

  test("who comes into WARM from two sequences in the same batch is in it once", async () => {
    await chain();
    await addSequence(pool, workspaceId, { name: "COLD 2", steps: [{ trigger: "cold_2", next: "warm_1" }] });
    await addLeads(pool, workspaceId, 1, "cold_1,cold_2");
    await enrolAll(pool);
    expect(await send()).toHaveLength(2);
    expect((await enrollments()).filter(({ name }) => name === "WARM")).toHaveLength(1);
    expect(await waitingFlows(pool, workspaceId)).toHaveLength(1);
  });

  test("who comes into WARM from two sequences in two batches at once is in it once", async () => {
    await chain();
    await addSequence(pool, workspaceId, { name: "COLD 2", steps: [{ trigger: "cold_2", next: "warm_1" }] });
    await addLeads(pool, workspaceId, 100, "cold_1,cold_2");
    await enrolAll(pool);
    const settlements = await attempted(accepted());
    const isFirst = new Set((await query<{ id: string }>(pool, "SELECT f.id FROM flows f JOIN sequences s ON s.id = f.sequence_id WHERE s.name = 'COLD' AND f.workspace_id = $1", [workspaceId])).map(({ id }) => id));
    const [first, second] = [settlements.filter(({ flowId }) => isFirst.has(flowId)), settlements.filter(({ flowId }) => !isFirst.has(flowId))];
    await Promise.all([retry(() => settleFlows(pool, first, 0)), retry(() => settleFlows(pool, second, 0))]);
    expect((await enrollments()).filter(({ name }) => name === "WARM")).toHaveLength(100);
    expect(await waitingFlows(pool, workspaceId)).toHaveLength(100);
  });

  test("who is in WARM by its own word already is not enrolled there again", async () => {
    await chain();
    await addLeads(pool, workspaceId, 1, "cold_1,warm_1");
    await enrolAll(pool);
    await pool.query("UPDATE flows SET due_at = now() + interval '1 day' WHERE workspace_id = $1 AND sequence_id = (SELECT id FROM sequences WHERE name = 'WARM' AND workspace_id = $1)", [workspaceId]);
    const cold = (await waitingFlows(pool, workspaceId)).filter(async () => true);
    const due = await query<{ id: string }>(pool, "SELECT id FROM flows WHERE workspace_id = $1 AND due_at <= now()", [workspaceId]);
    const requests = await attemptAll(pool, lease, cold.filter(({ id }) => due.some((flow) => flow.id === id)), deviceId);
    await settleFlows(pool, settlementsOf(requests, accepted()), 0);
    expect((await enrollments()).filter(({ name }) => name === "WARM")).toHaveLength(1);
  });

  test("the first flow there is due after the last step's delay, also in a lane that was paused for long", async () => {
    const { warm } = await chain({ cold: { delayHours: 5 } });
    await addLeads(pool, workspaceId, 1, "cold_1");
    await pool.query("SELECT lane_of($1, (SELECT time_zone FROM workspaces WHERE id = $2))", [warm, workspaceId]);
    await pool.query("UPDATE lanes SET pause_offset = '100 hours' WHERE sequence_id = $1", [warm]);
    await enrolAll(pool);
    const { due_at: due } = await one<{ due_at: Date }>(pool, "SELECT due_at FROM flows WHERE workspace_id = $1", [workspaceId]);
    await settleFlows(pool, settlementsOf(await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId), accepted()), 0);
    // To the millisecond but for the moments between two looks at the clock.
    expect(Math.abs((await dueIn(due)) - (5 - 100) * HOUR_MS)).toBeLessThan(50);
  });

  test("one who comes into a paused sequence waits there, and goes on with the whole delay when it does", async () => {
    const { warm } = await chain({ warm: { active: false }, cold: { delayHours: 5 } });
    await addLeads(pool, workspaceId, 1, "cold_1");
    await enrolAll(pool);
    await send();
    const lane = await one<{ paused_at: Date | null }>(pool, "SELECT paused_at FROM lanes WHERE sequence_id = $1", [warm]);
    expect(lane.paused_at).toBeInstanceOf(Date);
    await pool.query("UPDATE lanes SET paused_at = paused_at - interval '40 hours', pause_offset = pause_offset - interval '40 hours' WHERE sequence_id = $1", [warm]);
    const from = await now();
    await setActive(pool, warm, true);
    const { wall } = await one<{ wall: Date }>(pool, "SELECT wall_time(f.due_at, l.paused_at, l.pause_offset) AS wall FROM flows f JOIN lanes l ON l.id = f.lane_id WHERE f.workspace_id = $1 AND f.queued", [workspaceId]);
    expect(Math.abs(wall.getTime() - from.getTime() - 5 * HOUR_MS)).toBeLessThan(5000);
  });

  test("who would come into an archived sequence is done", async () => {
    const { warm } = await chain();
    await addLeads(pool, workspaceId, 1, "cold_1");
    await enrolAll(pool);
    await pool.query("UPDATE sequences SET status = 'ARCHIVED' WHERE id = $1", [warm]);
    await send();
    expect(await enrollments()).toEqual([{ name: "COLD", status: "COMPLETED", stop_reason: null }]);
  });
});

describe("a step that is removed", () => {
  const FOUR = { steps: [{ trigger: "a" }, { trigger: "b" }, { trigger: "c" }, { trigger: "d" }], delayHours: 24 };
  const remove = (...triggers: string[]) => pool.query("DELETE FROM sequence_steps WHERE workspace_id = $1 AND trigger = ANY ($2)", [workspaceId, triggers]);
  const waitingStep = async () =>
    (await query<{ trigger: string }>(pool, "SELECT st.trigger FROM flows f JOIN sequence_steps st ON st.id = f.step_id WHERE f.workspace_id = $1 AND f.queued", [workspaceId])).map((row) => row.trigger);
  const skipRemoved = () => settleWaiting({ kind: "skipped", reason: "STEP_REMOVED" });
  /** A lead that waits on b. */
  const waitOnB = async () => {
    await addEnrolled(pool, workspaceId, FOUR);
    await send();
    expect(await waitingStep()).toEqual(["b"]);
  };

  test("moves the lead that waits on it on to the one that followed, at the same time", async () => {
    await waitOnB();
    const { due_at: due } = await one<{ due_at: Date }>(pool, "SELECT due_at FROM flows WHERE workspace_id = $1 AND queued", [workspaceId]);
    await remove("b");
    await skipRemoved();
    expect(await waitingStep()).toEqual(["c"]);
    expect(await dueIn(due)).toBe(0);
  });

  test.each([
    ["one after the other", [["b"], ["c"]]],
    ["one after the other, the later first", [["c"], ["b"]]],
    ["in one statement", [["b", "c"]]],
  ])("together with the next, %s, moves it on to the one after", async (_how, statements) => {
    await waitOnB();
    for (const triggers of statements) await remove(...triggers);
    await skipRemoved();
    expect(await waitingStep()).toEqual(["d"]);
  });

  test("is passed over by those who come to it later, though the step before it still names it", async () => {
    await addEnrolled(pool, workspaceId, FOUR);
    await remove("b", "c");
    await send();
    expect(await waitingStep()).toEqual(["d"]);
  });

  test("and those around it, put back in the same transaction, keep the lead where it was going", async () => {
    await waitOnB();
    await transaction(pool, async (client) => {
      const kept = await query(client, "SELECT * FROM sequence_steps WHERE workspace_id = $1", [workspaceId]);
      await client.query("DELETE FROM sequence_steps WHERE workspace_id = $1", [workspaceId]);
      await client.query("INSERT INTO sequence_steps SELECT * FROM jsonb_populate_recordset(NULL::sequence_steps, $1)", [
        JSON.stringify(kept.map((step) => ({ ...step, id: crypto.randomUUID() }))),
      ]);
    });
    await skipRemoved();
    expect(await waitingStep()).toEqual(["c"]);
  });

  test("in a loop of removed steps ends the enrolment", async () => {
    await waitOnB();
    await pool.query("UPDATE sequence_steps SET next_trigger = 'b' WHERE workspace_id = $1 AND trigger = 'c'", [workspaceId]);
    await remove("b", "c");
    await skipRemoved();
    expect(await enrollments()).toMatchObject([{ status: "COMPLETED" }]);
  });

  test("with all that follow it ends the enrolment", async () => {
    await waitOnB();
    await remove("d", "b", "c");
    await skipRemoved();
    expect(await enrollments()).toMatchObject([{ status: "COMPLETED" }]);
  });

  test("while its message was on its way is followed after the delay, not at once", async () => {
    await addEnrolled(pool, workspaceId, FOUR);
    const settlements = await attempted(accepted());
    const { due_at: due } = await one<{ due_at: Date }>(pool, "SELECT due_at FROM flows WHERE workspace_id = $1", [workspaceId]);
    await remove("a");
    await settleFlows(pool, settlements, 1);
    expect(await waitingStep()).toEqual(["b"]);
    expect(await dueIn(due)).toBe(24 * HOUR_MS);
  });

  test("and whose trigger is given to a new step leads those who come to it there", async () => {
    await addEnrolled(pool, workspaceId, FOUR);
    await remove("b");
    await pool.query("INSERT INTO sequence_steps (workspace_id, sequence_id, day_number, trigger, next_trigger, message_text) SELECT $1, id, 2, 'b', 'c', 'New b' FROM sequences WHERE workspace_id = $1", [workspaceId]);
    await send();
    expect(await waitingStep()).toEqual(["b"]);
  });
});

describe("the device", () => {
  const lastDevice = async (leadId: string | undefined) => (await one<{ device: string | null }>(pool, `SELECT ${KNOWN_DEVICE} AS device FROM leads l WHERE l.id = $1`, [leadId])).device;
  const bound = async () => (await one<{ bound_device_id: string | null }>(pool, "SELECT bound_device_id FROM flows WHERE workspace_id = $1 AND queued", [workspaceId])).bound_device_id;

  test("that sent is the lead's last, and the next flow is bound to it", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE);
    await send();
    expect([await lastDevice(leadIds[0]), await bound()]).toEqual([deviceId, deviceId]);
    for (let step = 0; step < 2; step++) await send();
    expect(await one(pool, "SELECT last_device_id FROM leads WHERE id = $1", [leadIds[0]])).toEqual({ last_device_id: deviceId });
  });

  test("that failed to send does not become it", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE);
    await send(REFUSED);
    expect([await lastDevice(leadIds[0]), await bound()]).toEqual([null, null]);
  });

  test("that the lead prefers is the one to be bound to, whoever sent the last", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE);
    const preferred = await addDevice(pool, workspaceId);
    await pool.query("UPDATE leads SET preferred_device_id = $2 WHERE id = $1", [leadIds[0], preferred]);
    await send();
    expect([await lastDevice(leadIds[0]), await bound()]).toEqual([preferred, preferred]);
  });
});

test("a batch of every kind of ending at once leaves each as if it had been alone", async () => {
  await addEnrolled(pool, workspaceId, THREE, 50);
  await makeDue(pool, workspaceId);
  const flows = await waitingFlows(pool, workspaceId);
  const requests = await attemptAll(pool, lease, flows.slice(0, 30), deviceId);
  const skipped = flows.slice(30, 40).map(({ id }) => ({ flowId: id, attemptId: null, ending: { kind: "skipped", reason: "OPERATOR" } as const }));
  const poison = flows.slice(40).map(({ id }) => ({ flowId: id, attemptId: null, ending: { kind: "unrenderable", message: "No." } as const }));
  const sent = settlementsOf(requests.slice(0, 10), accepted());
  const settled = await settleFlows(pool, [...sent, ...settlementsOf(requests.slice(10, 20), REFUSED), ...settlementsOf(requests.slice(20), UNKNOWN), ...skipped, ...poison], 0);
  expect(settled.size).toBe(50);
  const counted = await query(pool, "SELECT status, coalesce(failure_code, skip_reason) AS why, count(*) FROM flows WHERE workspace_id = $1 GROUP BY 1, 2 ORDER BY 1, 2", [workspaceId]);
  expect(counted).toEqual([
    { status: "ACTIVE", why: null, count: 40 },
    { status: "FAILED", why: "OUTCOME_UNKNOWN", count: 10 },
    { status: "FAILED", why: "REJECTED", count: 10 },
    { status: "FAILED", why: "TEMPLATE_ERROR", count: 10 },
    { status: "SENT", why: null, count: 10 },
    { status: "SKIPPED", why: "OPERATOR", count: 10 },
  ]);
});
