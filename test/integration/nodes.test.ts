// Several processes on one database: who has which devices, and what becomes of them when one stops, dies, or comes back from the dead.

import type pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { joinNodes } from "../../src/dispatcher/membership.ts";
import { MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { OperatorError } from "../../src/lib/errors.ts";
import { createJumpingClock, type JumpingClock } from "../support/clocks.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addSequence, addWorkspace, one, query } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { createPuppet, type Puppet } from "../support/puppet.ts";

let database: TestDatabase;
let pool: pg.Pool;
let nodes: Started[];

beforeEach(async () => {
  database = await testDatabase();
  pool = database.pool;
  nodes = [];
});
afterEach(async () => {
  for (const { clock } of nodes) clock.thaw();
  await Promise.all(nodes.map(({ node }) => node.stop()));
  await database.drop();
});

type Started = { readonly name: string; readonly node: TestNode; readonly clock: JumpingClock; readonly puppet: Puppet; readonly fatal: unknown[] };

async function start(name: string, { maxDevices = 3000, isGone = true, on = pool } = {}): Promise<Started> {
  const clock = createJumpingClock();
  const puppet = createPuppet(clock);
  const fatal: unknown[] = [];
  const process = { name: `${name}/${nodes.length}`, isGone: () => isGone };
  const node = await startTestNode({ pool: on, clock, transport: puppet, process, settings: { nodeName: name, maxDevices }, onFatal: (error) => fatal.push(error) });
  const started = { name, node, clock, puppet, fatal };
  nodes.push(started);
  return started;
}

const sentBy = ({ puppet }: Started) => puppet.wire.length;
const has = (node: Started, devices: number) => eventually(() => node.puppet.sessions.size === devices, `${node.name} has ${devices} devices`);
const heldIn = async (workspaceId: string) =>
  (await query<{ name: string | null; devices: number }>(
    pool,
    "SELECT n.name, count(*)::int AS devices FROM devices d LEFT JOIN nodes n ON n.id = d.node_id WHERE d.workspace_id = $1 GROUP BY n.name ORDER BY n.name",
    [workspaceId],
  )).map(({ name, devices }) => `${name} ${devices}`);

async function workspaceWith(devices: number): Promise<string> {
  const id = await addWorkspace(pool);
  for (let n = 0; n < devices; n++) await addDevice(pool, id);
  return id;
}

/** A step of `count` new leads, to be sent at once. */
let words = 0;
async function addWork(workspaceId: string, count: number, minDelaySeconds = 0): Promise<void> {
  const trigger = `word_${(words += 1)}`;
  await addSequence(pool, workspaceId, { steps: [{ trigger }], minDelaySeconds });
  await addLeads(pool, workspaceId, count, trigger);
}

/** Lets so many seconds pass for one node alone, with a beat in each, as when nothing keeps it from beating. */
async function passes({ clock, name }: Started, seconds: number): Promise<void> {
  const beatOf = async () => (await query<{ beat: number }>(pool, "SELECT beat::int FROM nodes WHERE name = $1", [name]))[0]?.beat ?? -1;
  for (let n = 0; n < seconds; n++) {
    const before = await beatOf();
    clock.jump(SECOND_MS);
    await eventually(async () => (await beatOf()) > before, `${name} beats`);
  }
}

describe("two nodes", () => {
  test("share the workspaces out, and each sends its own", async () => {
    const [a, b] = [await workspaceWith(3), await workspaceWith(3)];
    const [first, second] = [await start("first"), await start("second")];
    await has(first, 3);
    await has(second, 3);
    await addWork(a, 20);
    await addWork(b, 20);
    await eventually(() => sentBy(first) === 20 && sentBy(second) === 20, "all are sent");
    expect([await heldIn(a), await heldIn(b)].flat().toSorted()).toEqual(["first 3", "second 3"]);
  });

  test("leave a workspace where it is as long as it fits there: no live device is dropped for a node that joins", async () => {
    const workspaceId = await workspaceWith(4);
    const first = await start("first");
    await has(first, 4);
    const second = await start("second");
    await passes(second, 2);
    expect([first.puppet.opened(), second.puppet.opened()]).toEqual([4, 0]);
    expect(await heldIn(workspaceId)).toEqual(["first 4"]);
  });

  test("split a workspace that is too large for one, and both send it, each flow once", async () => {
    const workspaceId = await workspaceWith(5);
    const [first, second] = [await start("first", { maxDevices: 3 }), await start("second", { maxDevices: 3 })];
    // Also in Postgres: a node that knows of no other's devices takes all the work.
    await eventually(async () => (await query(pool, "SELECT FROM devices WHERE workspace_id = $1 AND status = 'ONLINE'", [workspaceId])).length === 5, "all devices are online");
    await addWork(workspaceId, 300);
    await eventually(() => sentBy(first) + sentBy(second) === 300, "all are sent");
    const flows = [...first.puppet.wire, ...second.puppet.wire].map(({ flowId }) => flowId);
    expect(new Set(flows).size).toBe(300);
    expect(Math.min(sentBy(first), sentBy(second))).toBeGreaterThan(60);
  });

  test("hand a workspace over to a node that joins, in order: the old session is closed before the new one is opened", async () => {
    const [a, b] = [await workspaceWith(2), await workspaceWith(2)];
    const first = await start("first");
    await has(first, 4);
    const second = await start("second");
    await has(second, 2);
    await has(first, 2);
    expect([await heldIn(a), await heldIn(b)].flat().toSorted()).toEqual(["first 2", "second 2"]);
    await eventually(async () => (await query(pool, "SELECT FROM devices WHERE status = 'ONLINE'")).length === 4, "all are online again");
    expect(await query(pool, "SELECT DISTINCT quarantined FROM devices")).toEqual([{ quarantined: false }]);
  });

  test("the second has the first's devices at once when that is stopped in order", async () => {
    const workspaceId = await workspaceWith(2);
    const first = await start("first");
    await has(first, 2);
    const second = await start("second");
    await first.node.stop();
    expect(await query(pool, "SELECT name FROM nodes")).toEqual([{ name: "second" }]);
    await passes(second, 1);
    await has(second, 2);
    await addWork(workspaceId, 5);
    await eventually(() => sentBy(second) === 5, "the second sends");
  });
});

describe("a node whose beat stands still", () => {
  test("loses its devices after ten seconds, and the next one opens them after one more send deadline", async () => {
    const workspaceId = await workspaceWith(2);
    const first = await start("first");
    await has(first, 2);
    const second = await start("second");
    await addWork(workspaceId, 3, 60);
    await eventually(() => sentBy(first) === 2, "each device has sent one, and waits for a minute");
    first.clock.freeze(); // as kill -9, or SIGSTOP
    await passes(second, 5); // the real time passes, too, and a loaded machine may take some of it
    expect(await heldIn(workspaceId)).toEqual(["first 2"]);
    while ((await heldIn(workspaceId)).join() !== "second 2") await passes(second, 1);
    expect(second.puppet.opened()).toBe(0); // the first may have a message on its way to the wire
    await passes(second, 4);
    expect(second.puppet.opened()).toBe(0);
    await passes(second, 7);
    await has(second, 2);
    for (let seconds = 0; seconds < 120 && sentBy(second) < 1; seconds += 5) await passes(second, 5);
    expect(sentBy(second)).toBe(1);
  });

  test("writes nothing to the wire when it comes back, lets go, and joins anew", async () => {
    const workspaceId = await workspaceWith(1);
    const first = await start("first");
    await has(first, 1);
    const second = await start("second");
    await addWork(workspaceId, 3, 20);
    await eventually(() => sentBy(first) === 1, "it has sent one, and holds the next");
    const [{ id: before }] = (await query<{ id: string }>(pool, "SELECT id FROM nodes WHERE name = 'first'")) as [{ id: string }];
    first.clock.freeze();
    await passes(second, 12);
    await passes(second, 11);
    await has(second, 1);
    first.clock.jump(2 * MINUTE_MS);
    first.clock.thaw();
    await has(first, 0);
    for (let seconds = 0; seconds < 300 && sentBy(second) < 2; seconds += 5) await passes(second, 5);
    expect(sentBy(second)).toBe(2);
    expect(sentBy(first)).toBe(1);
    const after = await eventually(async () => (await query<{ id: string }>(pool, "SELECT id FROM nodes WHERE name = 'first'"))[0]?.id, "it joins anew");
    expect(after).not.toBe(before);
    expect(await one(pool, "SELECT status FROM devices")).toEqual({ status: "ONLINE" });
    expect(first.fatal).toEqual([]);
  });

  test("lets go of its devices by itself where it cannot reach Postgres, before another could open them, and joins anew when it can", async () => {
    await workspaceWith(2);
    let isCutOff = false;
    const reached = <T extends unknown[]>(ask: (...asked: T) => unknown) => (...asked: T) => (isCutOff ? Promise.reject(new Error("cut off")) : ask(...asked));
    const on = new Proxy(pool, { get: (of, name) => (name === "query" || name === "connect" ? reached(of[name].bind(of)) : Reflect.get(of, name)) });
    const node = await start("alone", { on });
    await has(node, 2);
    isCutOff = true;
    const pass = async (seconds: number) => {
      for (let n = 0; n < seconds; n++) {
        node.clock.jump(SECOND_MS);
        await new Promise((resolve) => setImmediate(resolve)); // what it asks is refused
      }
    };
    await pass(13); // and what little real time that takes
    expect(node.puppet.sessions.size).toBe(2);
    await pass(6);
    await has(node, 0);
    isCutOff = false;
    node.clock.jump(SECOND_MS);
    await eventually(async () => (await query(pool, "SELECT FROM devices d JOIN nodes n ON n.id = d.node_id WHERE NOT quarantined")).length === 2, "it has them again");
    await has(node, 2);
    expect(node.fatal).toEqual([]);
  });

  test("is not seen so by one that could not beat itself: after Postgres was away nobody takes the others for dead", async () => {
    const workspaceId = await workspaceWith(1);
    const first = await start("first");
    await has(first, 1);
    const second = await start("second");
    await passes(second, 2);
    for (let n = 0; n < 3; n++) {
      second.clock.jump(20 * SECOND_MS); // nothing came through for so long
      await passes(second, 1);
    }
    expect(await heldIn(workspaceId)).toEqual(["first 1"]);
  });
});

describe("a node that is started under the name of another", () => {
  test("has its devices at once where that one's process is gone, and else after a send deadline", async () => {
    await workspaceWith(1);
    const before = await start("same");
    await has(before, 1);
    before.clock.freeze();
    await has(await start("same"), 1);
    nodes.at(-1)?.clock.freeze();
    const third = await start("same", { isGone: false });
    await eventually(async () => (await query(pool, "SELECT FROM devices d JOIN nodes n ON n.id = d.node_id WHERE quarantined")).length === 1, "the third holds it");
    await passes(third, 4);
    expect(third.puppet.opened()).toBe(0);
    await passes(third, 7);
    await has(third, 1);
  });

  test("tells that one, if it lives", async () => {
    const before = await start("same");
    await start("same");
    before.clock.jump(2 * SECOND_MS);
    const [error] = await eventually(() => before.fatal.length > 0 && before.fatal, "the one before hears of it");
    expect(error).toBeInstanceOf(OperatorError);
    expect((error as Error).message).toBe("Another process has started under this one's name, same. Give each process on a database its own RENTAK_NODE_NAME.");
  });
});

test("only one of many who see the same node dead takes its devices, and a beat in between keeps it alive", async () => {
  const clock = createJumpingClock();
  const join = (name: string) => joinNodes({ pool, clock, name, process: { name, isGone: () => false }, capacity: 1 });
  const dead = await join("dead");
  const others = await Promise.all(["a", "b", "c"].map(join));
  const report = { devices: 0, activeWorkers: 0, lastTickAt: null, lastTickMs: null };
  const second = async () => {
    clock.jump(SECOND_MS);
    await Promise.all(others.map((other) => other.beat(report)));
    return (await Promise.all(others.map((other) => other.fenceDead()))).flat();
  };
  const fenced: string[] = [];
  for (let n = 0; n < 9; n++) fenced.push(...(await second()));
  await dead.beat(report);
  for (let n = 0; n < 10; n++) fenced.push(...(await second()));
  expect(fenced).toEqual([]);
  for (let n = 0; n < 2; n++) fenced.push(...(await second()));
  expect(fenced).toEqual(["dead"]);
  expect(await dead.beat(report)).toBeNull();
});
