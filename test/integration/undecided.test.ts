// What waits behind a step with branches, seen from outside: it is shown, counted, held and ended like anything else that waits.

import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { attemptFlows } from "../../src/dispatcher/attempt.ts";
import { transaction } from "../../src/db/transaction.ts";
import { decideDue } from "../../src/sequences/decide.ts";
import { pauseEnrollments, resumeEnrollments } from "../../src/sequences/pause.ts";
import { stopEnrollments } from "../../src/sequences/stop.ts";
import { accepted, hindranceOf, holdLease, requestFor, sendAll } from "../support/attempts.ts";
import { expectCountsTrue } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addEnrolled, addWorkspace, one, query, setActive } from "../support/factories.ts";

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

type Waiting = { readonly sequenceId: string; readonly leadId: string; readonly flowId: string; readonly enrollmentId: string };

/** A lead that does yoga and was sent `one`: it waits for two days, as due then. */
async function waiting(): Promise<Waiting> {
  const { sequenceId, leadIds } = await addEnrolled(pool, workspaceId, { delayHours: 48, steps: [{ trigger: "one" }, { trigger: "two", next: null }, { trigger: "yoga", entry: true }] });
  const branches = [{ condition: "NICHE_IN", value: { niches: ["yoga"] }, nextTrigger: "yoga" }];
  await pool.query("UPDATE sequence_steps SET branches = $1 WHERE workspace_id = $2 AND trigger = 'one'", [JSON.stringify(branches), workspaceId]);
  await pool.query("UPDATE leads SET niche = 'yoga' WHERE id = $1", [leadIds[0]]);
  await sendAll(pool, node, workspaceId, deviceId, accepted());
  const flow = await one<{ id: string; enrollment_id: string }>(pool, "SELECT id, enrollment_id FROM flows WHERE workspace_id = $1 AND undecided", [workspaceId]);
  return { sequenceId, leadId: leadIds[0] ?? "", flowId: flow.id, enrollmentId: flow.enrollment_id };
}

const makeDue = () => pool.query("UPDATE flows SET due_at = clock_timestamp() - interval '1 second' WHERE workspace_id = $1 AND undecided", [workspaceId]);
const decideAll = async () => {
  while ((await decideDue(pool)) > 0);
};
const flowOf = (id: string) => one(pool, "SELECT f.status, f.queued, f.undecided, st.trigger FROM flows f LEFT JOIN sequence_steps st ON st.id = f.step_id WHERE f.id = $1", [id]);
const DECIDED = { status: "ACTIVE", queued: true, undecided: false, trigger: "yoga" };

test("the views show it, once, with what it waits for", async () => {
  const { flowId } = await waiting();
  expect(await query(pool, "SELECT current_trigger, status FROM sequence_contacts WHERE workspace_id = $1 ORDER BY status", [workspaceId])).toEqual([
    { current_trigger: "one", status: "active" },
    { current_trigger: "one", status: "sent" },
  ]);
  expect(await query(pool, "SELECT id, content, status, scheduled_at > now() + interval '47 hours' AS later FROM broadcast_messages WHERE workspace_id = $1 AND status <> 'sent'", [workspaceId])).toEqual([
    { id: flowId, content: null, status: "pending", later: true },
  ]);
  await makeDue();
  await decideAll();
  expect(await query(pool, "SELECT content FROM broadcast_messages WHERE workspace_id = $1 AND status = 'pending'", [workspaceId])).toEqual([{ content: "Hello {{name}}" }]);
  expect(await query(pool, "SELECT FROM sequence_contacts WHERE workspace_id = $1", [workspaceId])).toHaveLength(2);
});

test("nobody attempts it before it is decided, however due it is", async () => {
  const { flowId } = await waiting();
  await makeDue();
  const flow = await one<{ lead_id: string; step_id: string; revision: number }>(pool, "SELECT f.lead_id, f.step_id, s.revision + w.greetings_revision AS revision FROM flows f JOIN sequences s ON s.id = f.sequence_id JOIN workspaces w ON w.id = f.workspace_id WHERE f.id = $1", [flowId]);
  const attempt = async () => hindranceOf((await attemptFlows(pool, node, [requestFor({ ...flow, id: flowId, campaign_id: null, is_rationed: false }, deviceId)]))[0]);
  expect(await attempt()).toBe("gone");
  await decideAll();
  expect(await attempt()).toBeNull();
});

test("it is not decided before its delay is over, nor while its sequence is paused", async () => {
  const { sequenceId, flowId } = await waiting();
  await decideAll();
  expect(await flowOf(flowId)).toMatchObject({ undecided: true });
  await makeDue();
  await setActive(pool, sequenceId, false);
  await decideAll();
  expect(await flowOf(flowId)).toMatchObject({ undecided: true });
  await setActive(pool, sequenceId, true);
  await decideAll();
  expect(await flowOf(flowId)).toEqual(DECIDED);
});

test("who is stopped meanwhile is sent nothing more, and is counted as stopped", async () => {
  const { flowId, enrollmentId } = await waiting();
  await transaction(pool, (client) => stopEnrollments(client, [enrollmentId], "OPTED_OUT"));
  await makeDue();
  await decideAll();
  expect(await flowOf(flowId)).toMatchObject({ status: "SKIPPED", queued: false, undecided: false });
  expect(await one(pool, "SELECT status, stop_reason FROM enrollments WHERE id = $1", [enrollmentId])).toEqual({ status: "STOPPED", stop_reason: "OPTED_OUT" });
  await expectCountsTrue(pool);
});

test("branches that are changed meanwhile decide as they are when it is due", async () => {
  const { flowId } = await waiting();
  await pool.query("UPDATE sequence_steps SET branches = '[]' WHERE workspace_id = $1 AND trigger = 'one'", [workspaceId]);
  await makeDue();
  await decideAll();
  expect(await flowOf(flowId)).toEqual({ ...DECIDED, trigger: "two" });
});

test("a step that is removed while leads wait behind it leads on to the step that followed it", async () => {
  const { flowId } = await waiting();
  await pool.query("DELETE FROM sequence_steps WHERE workspace_id = $1 AND trigger = 'one'", [workspaceId]);
  await makeDue();
  await decideAll();
  expect(await flowOf(flowId)).toEqual({ ...DECIDED, trigger: "two" });
  await expectCountsTrue(pool);
});

test("deciding while the enrolment is being paused leaves it to be decided after it is resumed, whoever comes first", async () => {
  const { flowId, enrollmentId } = await waiting();
  await makeDue();
  const pause = async () => transaction(pool, (client) => pauseEnrollments(client, [enrollmentId]), { isPatient: true });
  await Promise.all([decideAll(), pause(), decideAll()]);
  expect(await flowOf(flowId)).toMatchObject({ queued: false, undecided: false });
  await transaction(pool, (client) => resumeEnrollments(client, [enrollmentId]));
  await decideAll();
  expect(await flowOf(flowId)).toEqual(DECIDED);
  await expectCountsTrue(pool);
});

test("a lead that is carried over is due there as of the end of its delay, not as of when somebody came to decide it", async () => {
  const { leadId } = await waiting();
  await addEnrolled(pool, workspaceId, { steps: [{ trigger: "other" }], name: "Other" }, 0);
  await pool.query(`UPDATE sequence_steps SET branches = '[{"condition": "NICHE_IN", "value": {"niches": ["yoga"]}, "nextTrigger": "other"}]' WHERE workspace_id = $1 AND trigger = 'one'`, [workspaceId]);
  await pool.query("UPDATE flows SET due_at = clock_timestamp() - interval '90 minutes' WHERE workspace_id = $1 AND undecided", [workspaceId]);
  await decideAll();
  const carried = await one<{ minutes: number; trigger: string }>(pool, "SELECT round(extract(epoch FROM clock_timestamp() - f.due_at) / 60)::int AS minutes, e.trigger FROM flows f JOIN enrollments e ON e.current_flow_id = f.id WHERE f.lead_id = $1 AND f.queued", [leadId]);
  expect(carried).toEqual({ minutes: 90, trigger: "other" });
});
