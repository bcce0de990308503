import type pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createNoDeviceSweeper } from "../../src/dispatcher/no-device.ts";
import type { Settlement } from "../../src/flows/settle.ts";
import { MINUTE_MS } from "../../src/lib/clock.ts";
import { createJumpingClock, type JumpingClock } from "../support/clocks.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addSequence, addWorkspace, enrolAll, query, silent } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { createPuppet } from "../support/puppet.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;
let clock: JumpingClock;
let node: TestNode | undefined;

beforeEach(async () => {
  database = await testDatabase();
  pool = database.pool;
  workspaceId = await addWorkspace(pool);
  clock = createJumpingClock();
});
afterEach(async () => {
  await node?.stop();
  node = undefined;
  await database.drop();
});

const start = async () => (node = await startTestNode({ pool, clock, transport: createPuppet(clock) }));
const addWork = async (graceMinutes = 0) => {
  const trigger = `word_${graceMinutes}`;
  const id = await addSequence(pool, workspaceId, { steps: [{ trigger }, { trigger: `${trigger}_next` }] });
  await pool.query("UPDATE sequences SET no_device_grace_minutes = $2 WHERE id = $1", [id, graceMinutes]);
  await addLeads(pool, workspaceId, 3, trigger);
  return id;
};
const flows = async (sequenceId: string) =>
  (await query<{ status: string; code: string | null; count: number }>(pool, "SELECT status, failure_code AS code, count(*)::int AS count FROM flows WHERE sequence_id = $1 GROUP BY 1, 2 ORDER BY 1", [sequenceId])).map(
    ({ status, code, count }) => `${count} ${status}${code ? ` ${code}` : ""}`,
  );
const waiting = (sequenceId: string) => eventually(async () => (await flows(sequenceId)).join() === "3 ACTIVE", "they are enrolled");

test("what is due in a workspace without devices fails, not before three minutes after the start, and the leads go on to the next step", async () => {
  await start();
  const sequenceId = await addWork();
  await waiting(sequenceId);
  clock.jump(2 * MINUTE_MS);
  await eventually(async () => (await query(pool, "SELECT FROM nodes WHERE last_tick_at > now() + interval '1 minute'")).length === 1, "cycles go on");
  expect(await flows(sequenceId)).toEqual(["3 ACTIVE"]);
  clock.jump(MINUTE_MS);
  await eventually(async () => (await flows(sequenceId)).includes("3 FAILED NO_DEVICE"), "they fail");
  expect(await flows(sequenceId)).toEqual(["3 ACTIVE", "3 FAILED NO_DEVICE"]);
});

test("a grace period is waited for, and a device that is only paused or away is no failure", async () => {
  const patient = await addWork(60);
  const other = await addWorkspace(pool);
  const away = await addDevice(pool, other);
  await pool.query("UPDATE devices SET paused_at = now() WHERE id = $1", [away]);
  const held = await addSequence(pool, other, { steps: [{ trigger: "held" }] });
  await addLeads(pool, other, 3, "held");
  await start();
  await waiting(patient);
  await waiting(held);
  clock.jump(4 * MINUTE_MS);
  const hopeless = await addWork(0);
  await eventually(async () => (await flows(hopeless)).includes("3 FAILED NO_DEVICE"), "those without grace fail");
  expect([await flows(patient), await flows(held)]).toEqual([["3 ACTIVE"], ["3 ACTIVE"]]);
  await pool.query("UPDATE flows SET due_at = due_at - interval '1 hour' WHERE sequence_id = $1", [patient]);
  await eventually(async () => (await flows(patient)).includes("3 FAILED NO_DEVICE"), "the grace is over");
});

test("what is due where every device is unpaired, logged out, replaced or banned fails, too; one that is being paired or restricted could come back", async () => {
  const lasting = ["UNPAIRED", "LOGGED_OUT", "REPLACED", "BANNED"];
  const add = async (...statuses: string[]) => {
    const workspace = await addWorkspace(pool);
    for (const status of statuses) await addDevice(pool, workspace, { status });
    const id = await addSequence(pool, workspace, { steps: [{ trigger: "word" }] });
    await addLeads(pool, workspace, 3, "word");
    return id;
  };
  const hopeless = await add(...lasting);

  for (const status of ["PAIRING", "CONNECTING", "OFFLINE", "RESTRICTED"]) await add(...lasting, status);
  await enrolAll(pool);
  const settled: Settlement[] = [];
  const settleAll = async (all: readonly Settlement[]) => void settled.push(...all);
  const sweeper = createNoDeviceSweeper({ pool, clock, logger: silent, intervalMs: 1000, settleAll });
  await sweeper.runOnce();
  expect(settled).toEqual([]);
  clock.jump(4 * MINUTE_MS);
  await sweeper.runOnce();
  const failed = await query<{ id: string }>(pool, "SELECT id FROM flows WHERE sequence_id = $1 ORDER BY id", [hopeless]);
  expect(settled.map(({ flowId }) => flowId).toSorted()).toEqual(failed.map(({ id }) => id));
  expect(settled[0]?.ending).toEqual({ kind: "no_device", message: "Every device of the workspace is unpaired, logged out, replaced or banned." });
});

test("what waits for a device that is deleted is sent by another, or fails with the rest", async () => {
  const [gone, left] = [await addDevice(pool, workspaceId), await addDevice(pool, workspaceId)];
  await pool.query("UPDATE devices SET paused_at = now()");
  const sequenceId = await addSequence(pool, workspaceId, { steps: [{ trigger: "one" }] });
  const leadIds = await addLeads(pool, workspaceId, 3);
  await pool.query("UPDATE leads SET preferred_device_id = $1, trigger = 'one' WHERE id = ANY ($2::uuid[])", [gone, leadIds]);
  await start();
  await waiting(sequenceId);
  await pool.query("DELETE FROM devices WHERE id = $1", [gone]);
  await pool.query("UPDATE devices SET paused_at = NULL WHERE id = $1", [left]);
  await eventually(async () => (await flows(sequenceId)).join() === "3 SENT", "the other sends them");
});
