import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HOUR_MS, MINUTE_MS, SECOND_MS, systemClock } from "../../src/lib/clock.ts";
import { createSimulator } from "../../src/transports/simulator.ts";
import { createJumpingClock, type JumpingClock } from "../support/clocks.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addSequence, addWorkspace, one, query } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { createPuppet, type Puppet } from "../support/puppet.ts";
import { mostInAnyWindow, readWitness, shortestGap } from "../support/witness.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;
let clock: JumpingClock;
let puppet: Puppet;
let node: TestNode | undefined;

beforeEach(async () => {
  database = await testDatabase();
  pool = database.pool;
  workspaceId = await addWorkspace(pool);
  clock = createJumpingClock();
  puppet = createPuppet(clock);
});
afterEach(async () => {
  await node?.stop();
  node = undefined;
  await database.drop();
});

const start = async (settings = {}) => {
  node = await startTestNode({ pool, clock, transport: puppet, settings });
  return node;
};
const addWork = async (count: number, pace: { minDelaySeconds?: number; maxDelaySeconds?: number } = {}) => {
  await addSequence(pool, workspaceId, { steps: [{ trigger: "one" }], ...pace });
  return addLeads(pool, workspaceId, count, "one");
};
const times = (deviceId?: string) => puppet.wire.filter((written) => deviceId === undefined || written.deviceId === deviceId).map(({ at }) => at);
const ticks = async () => {
  const read = async () => (await one<{ at: Date | null }>(pool, "SELECT last_tick_at AS at FROM nodes")).at?.getTime() ?? 0;
  const before = await read();
  await eventually(async () => {
    clock.jump(SECOND_MS / 2);
    return (await read()) > before;
  }, "a cycle passes");
};

describe("a device's limits", () => {
  test("hold in any hour and any day on the wire, while all devices together send everything", async () => {
    const devices = [await addDevice(pool, workspaceId, { hourlyLimit: 3, dailyLimit: 7 }), await addDevice(pool, workspaceId, { hourlyLimit: 5, dailyLimit: 30 })];
    await addWork(45);
    const { fleet } = await start();
    await eventually(() => puppet.wire.length === 8, "as many as the first hour takes");
    const waiting = async (status: string) => (await one<{ count: number }>(pool, "SELECT count(*) FROM flows WHERE status = $1", [status])).count;
    for (let n = 0; n < 60 && (await waiting("ACTIVE")) > 0; n++) {
      // What is on its way in this moment would miss its deadline, and count all the same.
      await eventually(() => devices.every((device) => (fleet.worker(device)?.currentProcessing ?? 0) === 0), "nothing is on its way");
      clock.jump(40 * MINUTE_MS);
      await ticks();
    }
    expect(await waiting("ACTIVE")).toBe(0);
    expect(puppet.wire.length).toBeGreaterThan(35);
    expect(new Set(puppet.wire.map(({ phone }) => phone)).size).toBe(puppet.wire.length);
    const [first, second] = devices.map((device) => times(device));
    expect(mostInAnyWindow(first ?? [], HOUR_MS)).toBe(3);
    expect(mostInAnyWindow(second ?? [], HOUR_MS)).toBe(5);
    expect(mostInAnyWindow(first ?? [], 24 * HOUR_MS)).toBeLessThanOrEqual(7);
    expect(mostInAnyWindow(second ?? [], 24 * HOUR_MS)).toBeLessThanOrEqual(30);
  });

  test("count answers that belong to no flow, and leave no room for one where there is none", async () => {
    const deviceId = await addDevice(pool, workspaceId, { hourlyLimit: 3 });
    await start();
    const listener = await eventually(() => puppet.sessions.get(deviceId), "the device is opened");
    expect([listener.mayAnswer(), listener.mayAnswer()]).toEqual([true, true]);
    await addWork(5);
    await eventually(() => puppet.wire.length === 1, "what the answers leave room for is sent");
    expect(listener.mayAnswer()).toBe(false);
    await ticks();
    expect(puppet.wire).toHaveLength(1);
    clock.jump(HOUR_MS + MINUTE_MS);
    expect(listener.mayAnswer()).toBe(true);
  });

  test("hold across a restart: what was sent before it counts", async () => {
    await addDevice(pool, workspaceId, { hourlyLimit: 4 });
    await addWork(20);
    const before = await start();
    await eventually(() => puppet.wire.length === 4, "the hour's four");
    await before.stop();
    await start();
    await eventually(() => puppet.sessions.size === 1, "it has the device again");
    await ticks();
    await ticks();
    expect(puppet.wire).toHaveLength(4);
    clock.jump(59 * MINUTE_MS);
    await ticks();
    expect(puppet.wire).toHaveLength(4);
    clock.jump(2 * MINUTE_MS);
    await eventually(() => puppet.wire.length === 8, "the next four");
    expect(mostInAnyWindow(times(), HOUR_MS)).toBe(4);
  });

  test("count what was refused or lost, but not what was never attempted", async () => {
    await addDevice(pool, workspaceId, { hourlyLimit: 4 });
    await addWork(12);
    puppet.setFate(() => "refuse");
    await start();
    const failed = async () => (await one<{ count: number }>(pool, "SELECT count(*) FROM flows WHERE status = 'FAILED'")).count;
    await eventually(async () => (await failed()) === 4, "four are refused");
    await ticks();
    expect(await failed()).toBe(4);
    expect((await one<{ count: number }>(pool, "SELECT count(*) FROM device_attempts")).count).toBe(4);
  });

  test("that are raised let it go on", async () => {
    await addDevice(pool, workspaceId, { hourlyLimit: 2 });
    await addWork(6);
    const { bell } = await start();
    await eventually(() => puppet.wire.length === 2, "two");
    await pool.query("UPDATE devices SET hourly_limit = 5");
    bell.ring("devices");
    await eventually(() => puppet.wire.length === 5, "three more");
    await ticks();
    expect(puppet.wire).toHaveLength(5);
  });
});

describe("the pace", () => {
  test("of a device: between two messages lies the sequence's minimum at least, and its maximum at most where nothing else is waited for", async () => {
    const file = join(tmpdir(), `rentak-pace-${crypto.randomUUID()}.log`);
    const device = await addDevice(pool, workspaceId);
    await addWork(4, { minDelaySeconds: 1, maxDelaySeconds: 2 });
    node = await startTestNode({ pool, clock: systemClock, transport: createSimulator({ clock: systemClock, logFile: file }), settings: { dispatchIntervalMs: 20_000 } });
    const witnessed = await eventually(async () => {
      const lines = await readWitness(file);
      return lines.length === 4 && lines;
    }, "all are sent");
    expect(witnessed.every(({ deviceId }) => deviceId === device)).toBe(true);
    const at = witnessed.map((line) => Date.parse(line.at));
    expect(shortestGap(at)).toBeGreaterThanOrEqual(1000);
    expect(Math.max(...at) - Math.min(...at)).toBeLessThan(3 * 2500);
  });

  test("goes on after a restart, counted from the last message", async () => {
    await addDevice(pool, workspaceId);
    await addWork(2, { minDelaySeconds: 30 });
    const before = await start();
    await eventually(() => puppet.wire.length === 1, "the first");
    await before.stop();
    await start();
    await eventually(() => puppet.sessions.size === 1, "it has the device again");
    clock.jump(25 * SECOND_MS);
    await ticks();
    expect(puppet.wire).toHaveLength(1);
    clock.jump(6 * SECOND_MS);
    await eventually(() => puppet.wire.length === 2, "the second");
    expect(shortestGap(times())).toBeGreaterThanOrEqual(30 * SECOND_MS);
  });

  test("is not kept for what was never sent: a template that cannot be rendered costs its device no time", async () => {
    await addDevice(pool, workspaceId);
    await addSequence(pool, workspaceId, { steps: [{ trigger: "good" }], minDelaySeconds: 30, name: "Good" });
    await addSequence(pool, workspaceId, { steps: [{ trigger: "bad", text: "{{name}}" }], minDelaySeconds: 30, name: "Bad" });
    const bad = await addLeads(pool, workspaceId, 1, "bad");
    await pool.query("UPDATE leads SET name = NULL WHERE id = ANY ($1::uuid[])", [bad]);
    await start();
    await eventually(async () => (await query(pool, "SELECT FROM flows WHERE failure_code = 'TEMPLATE_ERROR'")).length === 1, "the bad one fails");
    await addLeads(pool, workspaceId, 1, "good");
    node?.bell.ring("enrollment");
    await eventually(() => puppet.wire.length === 1, "the good one goes out at once");
  });
});

describe("a device", () => {
  test("has 50 in processing at most, however many wait", async () => {
    const device = await addDevice(pool, workspaceId, { hourlyLimit: 1000 });
    await addWork(120);
    puppet.setFate(() => "hold");
    const { fleet } = await start({ dispatchIntervalMs: 10 });
    await eventually(() => puppet.held.length === 1, "one is on its way");
    for (let n = 0; n < 5; n++) await ticks();
    expect(fleet.worker(device)?.currentProcessing).toBe(50);
    puppet.setFate(() => "accept");
    puppet.held[0]?.answer({ kind: "accepted", at: new Date() });
    await eventually(() => puppet.wire.length === 120, "all are sent");
  });

  test("that is paused finishes what is on its way, sends nothing more, and its flows go to others", async () => {
    const [paused, other] = [await addDevice(pool, workspaceId), await addDevice(pool, workspaceId)];
    await pool.query("UPDATE devices SET paused_at = now() WHERE id = $1", [other]);
    await addWork(20);
    puppet.setFate(() => "hold");
    const { bell } = await start();
    await eventually(() => puppet.held.length === 1, "one is on its way");
    await pool.query("UPDATE devices SET paused_at = CASE id WHEN $1 THEN now() END", [paused]);
    puppet.setFate(() => "accept");
    bell.ring("devices");
    await eventually(() => times(other).length === 19, "the other sends the rest");
    puppet.held[0]?.answer({ kind: "accepted", at: new Date() });
    await eventually(async () => (await query(pool, "SELECT FROM flows WHERE status = 'SENT'")).length === 20, "all are sent");
    expect(times(paused)).toHaveLength(1);
  });

  test("that a lead prefers sends to it, also where another is less loaded", async () => {
    const [preferred] = [await addDevice(pool, workspaceId), await addDevice(pool, workspaceId)];
    await addSequence(pool, workspaceId, { steps: [{ trigger: "one" }] });
    const leadIds = await addLeads(pool, workspaceId, 20);
    await pool.query("UPDATE leads SET preferred_device_id = $1, trigger = 'one' WHERE id = ANY ($2::uuid[])", [preferred, leadIds]);
    await start();
    await eventually(() => puppet.wire.length === 20, "all are sent");
    expect(times(preferred)).toHaveLength(20);
  });

  test("that is removed is closed, and what it held goes to others", async () => {
    const [removed, other] = [await addDevice(pool, workspaceId), await addDevice(pool, workspaceId)];
    await addWork(40);
    puppet.setFate((_message, deviceId) => (deviceId === removed ? "hold" : "accept"));
    const { bell } = await start();
    await eventually(() => puppet.held.length === 1, "one is on its way");
    puppet.setFate(() => "accept");
    await pool.query("DELETE FROM devices WHERE id = $1", [removed]);
    puppet.held[0]?.answer({ kind: "accepted", at: new Date() });
    bell.ring("devices");
    await eventually(async () => (await query(pool, "SELECT FROM flows WHERE status = 'SENT'")).length === 40, "all are sent");
    expect(times(removed).length + times(other).length).toBe(40);
    expect([...puppet.sessions.keys()]).toEqual([other]);
  });

  test("shares its workspace's work evenly with the others", async () => {
    const devices = await Promise.all(Array.from({ length: 5 }, () => addDevice(pool, workspaceId)));
    await addWork(100);
    await start();
    await eventually(() => puppet.wire.length === 100, "all are sent");
    const shares = devices.map((device) => times(device).length);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(8);
  });

  test("has its worker ended after the idle time, and a new one when there is work again", async () => {
    const device = await addDevice(pool, workspaceId);
    await addWork(1);
    const { fleet, bell } = await start({ workerIdleMs: 5 * MINUTE_MS });
    await eventually(() => fleet.worker(device)?.processed === 1, "it has sent");
    clock.jump(5 * MINUTE_MS);
    await eventually(() => fleet.worker(device) === null, "its worker ends");
    await addLeads(pool, workspaceId, 1, "one");
    bell.ring("enrollment");
    await eventually(() => puppet.wire.length === 2 && fleet.worker(device) !== null, "it sends again");
  });
});
