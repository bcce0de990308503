// A fleet and its leads go into service a part at a time.

import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { rampedLimit } from "../../src/devices/ramp.ts";
import { uncached } from "../../src/cache/cache.ts";
import { createBell } from "../../src/events/bell.ts";
import { updateWorkspace, type WorkspaceChange } from "../../src/access/workspaces.ts";
import { createDevice, deleteDevice, pauseDevice, resumeDevice } from "../../src/devices/service.ts";
import { workspaceDb } from "../../src/db/workspace.ts";
import { DAY_MS } from "../../src/lib/clock.ts";
import { triggerStates } from "../../src/leads/trigger-states.ts";
import { enrolQueued } from "../../src/sequences/enrol.ts";
import { reviewWorkspace } from "../../src/sequences/review.ts";
import { createSimulator } from "../../src/transports/simulator.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addSequence, addWorkspace, one, query } from "../support/factories.ts";
import { startTestNode } from "../support/node.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
});
afterAll(() => database.drop());
beforeEach(async () => {
  workspaceId = await addWorkspace(pool);
});

const writes = () => ({ db: workspaceDb(pool, workspaceId), bell: createBell(), cache: uncached });
const change = async (what: WorkspaceChange) => expect(await updateWorkspace(writes(), what)).toMatchObject({ ok: true });
const create = async (name: string) => {
  const made = await createDevice(writes(), { name, transport: "SIMULATOR", hourlyLimit: 80, dailyLimit: 800 });
  if (!made.ok) throw new Error("not made");
  return made.value;
};
/** By name: "held" back, "paused" by an operator, or "sends". */
const states = async () =>
  Object.fromEntries(
    (await query<{ name: string; state: string }>(pool, "SELECT name, CASE WHEN is_held_back THEN 'held' WHEN paused_at IS NOT NULL THEN 'paused' ELSE 'sends' END AS state FROM devices WHERE workspace_id = $1 ORDER BY name", [workspaceId])).map(({ name, state }) => [name, state]),
  );

describe("devices that are let send a part at a time", () => {
  test("are the oldest; one that an operator pauses or deletes gives its place to the next", async () => {
    const ids = [];
    for (const name of ["a", "b", "c", "d"]) ids.push(await create(name));
    const [a, b, c, d] = ids as [string, string, string, string];
    await change({ maxSendingDevices: 2 });
    expect(await states()).toEqual({ a: "sends", b: "sends", c: "held", d: "held" });
    await pauseDevice(writes(), a);
    expect(await states()).toEqual({ a: "paused", b: "sends", c: "sends", d: "held" });
    expect(await resumeDevice(writes(), d)).toMatchObject({ ok: false, errors: [{ code: "INVALID_STATE", message: expect.stringMatching(/maxSendingDevices/) }] });
    await resumeDevice(writes(), a);
    expect(await states()).toEqual({ a: "sends", b: "sends", c: "held", d: "held" });
    await deleteDevice(writes(), b);
    expect(await states()).toEqual({ a: "sends", c: "sends", d: "held" });
    await create("e");
    expect(await states()).toEqual({ a: "sends", c: "sends", d: "held", e: "held" });
    await pauseDevice(writes(), d); // the operator's word now
    await change({ maxSendingDevices: null });
    expect(await states()).toEqual({ a: "sends", c: "sends", d: "paused", e: "sends" });
    await change({ maxSendingDevices: 0 });
    expect(await states()).toEqual({ a: "held", c: "held", d: "paused", e: "held" });
    expect(c).toBeDefined();
  });

  test("stay as many as are allowed, however many changes come at once", async () => {
    await change({ maxSendingDevices: 3 });
    await Promise.all(["a", "b", "c", "d", "e", "f"].map(create));
    const sending = async () => Object.values(await states()).filter((state) => state === "sends").length;
    expect(await sending()).toBe(3);
    const ids = (await query<{ id: string }>(pool, "SELECT id FROM devices WHERE workspace_id = $1", [workspaceId])).map(({ id }) => id);
    await Promise.all([...ids.slice(0, 2).map((id) => pauseDevice(writes(), id)), change({ maxSendingDevices: 2 }), create("g")]);
    expect(await sending()).toBe(2);
  });
});

describe("limits that grow", () => {
  test("are the same in SQL as for the API", async () => {
    const cases = [80, 800, 1, 7, 100_000].flatMap((limit) => [0, 1, 9, 90].flatMap((days) => [null, -1, 0, 0.5, 1.5, 8.5, 90.5].map((age) => [limit, days, age] as const)));
    const rows = await query<{ limit: number; days: number; age: number | null; ramped: number }>(
      pool,
      `SELECT w.*, ramped_limit(w.limit, w.days, now() - make_interval(secs => 86400 * w.age)) AS ramped FROM unnest($1::int[], $2::int[], $3::float8[]) AS w ("limit", days, age)`,
      [cases.map(([limit]) => limit), cases.map(([, days]) => days), cases.map(([, , age]) => age)],
    );
    expect(rows).toHaveLength(cases.length);
    const now = Date.now();
    for (const { limit, days, age, ramped } of rows) expect([limit, days, age, ramped]).toEqual([limit, days, age, rampedLimit(limit, { rampDays: days, rampBeganAt: age === null ? null : new Date(now - age * DAY_MS) }, now)]);
  });

  test("hold on the wire, begin when the device is first online, and again with a number that is linked anew", async () => {
    await addDevice(pool, workspaceId, { hourlyLimit: 30, name: "New" });
    await pool.query("UPDATE devices SET ramp_days = 9 WHERE workspace_id = $1", [workspaceId]);
    await addSequence(pool, workspaceId, { steps: [{ trigger: "ramp_1", entry: true }] });
    await addLeads(pool, workspaceId, 10, "ramp_1");
    const node = await startTestNode({ pool, transport: createSimulator({ clock: systemClock, logFile: undefined }) });
    const sent = async () => (await one<{ count: number }>(pool, "SELECT count(*)::int AS count FROM flows WHERE workspace_id = $1 AND status = 'SENT'", [workspaceId])).count;
    try {
      await eventually(async () => (await sent()) >= 3, "the first day's messages are sent");
      const { began } = await one<{ began: Date | null }>(pool, "SELECT ramp_began_at AS began FROM devices WHERE workspace_id = $1", [workspaceId]);
      expect(began).toBeInstanceOf(Date);
      // A day later: one third more than what the first day allows, and then it is full again.
      await pool.query("UPDATE devices SET ramp_began_at = ramp_began_at - interval '1 day' WHERE workspace_id = $1", [workspaceId]);
      node.bell.ring("devices");
      await eventually(async () => (await sent()) >= 6, "the second day's messages are sent");
      const { idle } = await one<{ idle: boolean }>(pool, "SELECT NOT is_available AS idle FROM device_load_balance WHERE workspace_id = $1", [workspaceId]);
      expect(idle).toBe(true);
    } finally {
      await node.stop();
    }
    expect(await sent()).toBe(6);
  });
});

describe("leads that are enrolled a part at a time", () => {
  test("are always the same, more of them when more are admitted, and are told why they wait", async () => {
    await addSequence(pool, workspaceId, { steps: [{ trigger: "share_1", entry: true }] });
    await reviewWorkspace(pool, workspaceId, 0);
    await change({ enrollmentPercent: 10 });
    const leads = await addLeads(pool, workspaceId, 1000, "share_1");
    const drain = async () => {
      while ((await enrolQueued(pool, workspaceId, 1000)).taken > 0);
      return (await query<{ id: string }>(pool, "SELECT lead_id AS id FROM enrollments WHERE workspace_id = $1", [workspaceId])).map(({ id }) => id);
    };
    const tenth = await drain();
    expect(tenth.length).toBeGreaterThan(60);
    expect(tenth.length).toBeLessThan(145);
    const left = leads.find((id) => !tenth.includes(id)) as string;
    expect((await triggerStates(workspaceDb(pool, workspaceId), [left])).get(left)).toMatchObject([{ state: "NOT_ADMITTED", message: expect.stringMatching(/enrollmentPercent/) }]);

    await change({ enrollmentPercent: 50 });
    const half = await drain();
    expect(half).toEqual(expect.arrayContaining(tenth));
    expect(half.length).toBeGreaterThan(420);
    expect(half.length).toBeLessThan(580);
    await change({ enrollmentPercent: 20 }); // who is enrolled stays so
    expect(await drain()).toHaveLength(half.length);
    await change({ enrollmentPercent: 100 });
    expect(await drain()).toHaveLength(1000);
  });

  test("is refused beyond what there is", async () => {
    expect(await updateWorkspace(writes(), { enrollmentPercent: 101, maxSendingDevices: -1 })).toMatchObject({
      ok: false,
      errors: [{ field: ["input", "maxSendingDevices"] }, { field: ["input", "enrollmentPercent"] }],
    });
  });
});
