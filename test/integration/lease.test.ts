import type pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { joinNodes } from "../../src/dispatcher/lease.ts";
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
let workspaceId: string;
let nodes: Started[];

beforeEach(async () => {
  database = await testDatabase();
  pool = database.pool;
  workspaceId = await addWorkspace(pool);
  nodes = [];
});
afterEach(async () => {
  for (const { clock } of nodes) clock.thaw();
  await Promise.all(nodes.map(({ node }) => node.stop()));
  await database.drop();
});

type Started = { readonly name: string; readonly node: TestNode; readonly clock: JumpingClock; readonly puppet: Puppet; readonly fatal: unknown[] };

async function start(name: string): Promise<Started> {
  const clock = createJumpingClock();
  const puppet = createPuppet(clock);
  const fatal: unknown[] = [];
  const node = await startTestNode({ pool, clock, transport: puppet, settings: { nodeName: name }, onFatal: (error) => fatal.push(error) });
  const started = { name, node, clock, puppet, fatal };
  nodes.push(started);
  return started;
}

const lease = () => one<{ name: string | null; epoch: number }>(pool, "SELECT n.name, l.epoch FROM dispatch_lease l LEFT JOIN nodes n ON n.id = l.node_id");
const holder = async () => (await lease()).name;
const holds = ({ name, puppet }: Started) => eventually(async () => (await holder()) === name && puppet.sessions.size > 0, `${name} dispatches`);
const sentBy = ({ puppet }: Started) => puppet.wire.length;

/** A step of `count` new leads, to be sent at once. */
let words = 0;
async function addWork(count: number, minDelaySeconds = 0): Promise<void> {
  const trigger = `word_${(words += 1)}`;
  await addSequence(pool, workspaceId, { steps: [{ trigger }], minDelaySeconds });
  await addLeads(pool, workspaceId, count, trigger);
}

/** Some of its beats, in no time: an observer sees whether another's beat stands still. */
async function beats({ clock, name }: Started, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const { beat } = await one<{ beat: number }>(pool, "SELECT beat FROM nodes WHERE name = $1", [name]);
    await eventually(
      async () => {
        clock.jump(SECOND_MS / 4);
        return (await one<{ beat: number }>(pool, "SELECT beat FROM nodes WHERE name = $1", [name])).beat > beat;
      },
      `${name} beats`,
    );
  }
}

/** Lets time pass for `observer` alone until it has taken the lease of a node whose beat stands still. */
async function takesOver(observer: Started): Promise<void> {
  await eventually(async () => {
    observer.clock.jump(SECOND_MS / 2);
    return (await holder()) === observer.name;
  }, `${observer.name} takes the lease`);
}

describe("of two nodes on one database", () => {
  test("one dispatches, and the other opens no device", async () => {
    await addDevice(pool, workspaceId);
    const [first, second] = [await start("first"), await start("second")];
    await holds(first);
    await addWork(20);
    await eventually(() => sentBy(first) === 20, "all are sent");
    expect([sentBy(second), second.puppet.opened()]).toEqual([0, 0]);
    expect(await holder()).toBe("first");
  });

  test("the second takes over at its next beat when the first is stopped", async () => {
    const deviceId = await addDevice(pool, workspaceId);
    const [first, second] = [await start("first"), await start("second")];
    await holds(first);
    await first.node.stop();
    expect(await one(pool, "SELECT status FROM devices WHERE id = $1", [deviceId])).toEqual({ status: "OFFLINE" });
    expect(await query(pool, "SELECT name FROM nodes")).toEqual([{ name: "second" }]);
    await beats(second, 1);
    await holds(second);
    await addWork(5);
    await eventually(() => sentBy(second) === 5, "the second sends");
    expect((await lease()).epoch).toBe(2);
  });

  test("the second leaves the first alone while its beat goes on, whatever the second's own clock says", async () => {
    const [first, second] = [await start("first"), await start("second")];
    for (let n = 0; n < 4; n++) {
      await beats(first, 1);
      second.clock.jump(9 * SECOND_MS);
      await beats(second, 1);
    }
    expect(await holder()).toBe("first");
  });

  test("the second takes over once the first's beat has stood still for 10 seconds, and sends after one more deadline", async () => {
    await addDevice(pool, workspaceId);
    const [first, second] = [await start("first"), await start("second")];
    await holds(first);
    first.clock.freeze(); // as kill -9, or SIGSTOP
    await beats(second, 2);
    const from = second.clock.now();
    await takesOver(second);
    expect(second.clock.now() - from).toBeGreaterThan(6 * SECOND_MS); // some of the ten had passed in the beats before
    expect(second.puppet.opened()).toBe(0); // the first may have a message on its way to the wire
    await addDevice(pool, workspaceId);
    second.clock.jump(10 * SECOND_MS);
    await holds(second);
  });

  test("the first, when it comes back, writes nothing to the wire, lets go of its devices, and leaves their state to the second", async () => {
    const deviceId = await addDevice(pool, workspaceId);
    const [first, second] = [await start("first"), await start("second")];
    await holds(first);
    await addWork(3, 60);
    await eventually(() => sentBy(first) === 1, "the first has sent one, and holds the next for a minute");
    first.clock.freeze();
    await takesOver(second);
    second.clock.jump(10 * SECOND_MS);
    await holds(second);
    first.clock.jump(2 * MINUTE_MS);
    first.clock.thaw();
    await eventually(() => first.puppet.sessions.size === 0, "the first lets go");
    await eventually(() => (second.clock.jump(SECOND_MS / 2), sentBy(second) === 2), "the second sends the rest");
    expect(sentBy(first)).toBe(1);
    const { status } = await one<{ status: string }>(pool, "SELECT status FROM devices WHERE id = $1", [deviceId]);
    expect(status).toBe("ONLINE");
    expect(first.fatal).toEqual([]);
  });

  test("the first lets go when it comes back, though it has nothing to send", async () => {
    await addDevice(pool, workspaceId);
    const [first, second] = [await start("first"), await start("second")];
    await holds(first);
    first.clock.freeze();
    await takesOver(second);
    first.clock.thaw();
    await beats(first, 2);
    await eventually(() => first.puppet.sessions.size === 0, "the first lets go");
  });
});

test("of three nodes, the third lets the second be while that waits to begin in the place of the dead first", async () => {
  await addDevice(pool, workspaceId);
  const [first, second, third] = [await start("first"), await start("second"), await start("third")];
  await holds(first);
  first.clock.freeze();
  await takesOver(second);
  await beats(third, 2);
  for (let n = 0; n < 2; n++) {
    third.clock.jump(7 * SECOND_MS);
    await beats(second, 1);
    await beats(third, 2);
  }
  expect([await holder(), second.puppet.opened()]).toEqual(["second", 0]); // it waits still
  second.clock.jump(10 * SECOND_MS);
  await holds(second);
});

test("a node that waits to begin stops at once when it is told to", async () => {
  const [first, second] = [await start("first"), await start("second")];
  first.clock.freeze();
  await takesOver(second);
  await second.node.stop();
  expect(await holder()).toBeNull();
  expect(second.puppet.opened()).toBe(0);
});

test("a node that is started again under its name goes on at once, and the one before it is told", async () => {
  await addDevice(pool, workspaceId);
  const before = await start("same");
  await holds(before);
  before.clock.freeze();
  const after = await start("same");
  expect(await holder()).toBe("same");
  await eventually(() => after.puppet.sessions.size === 1, "it opens the device");
  await addWork(3);
  await eventually(() => sentBy(after) === 3, "it sends");
  before.clock.jump(3 * SECOND_MS);
  before.clock.thaw();
  const [error] = await eventually(() => before.fatal.length > 0 && before.fatal, "the one before hears of it");
  expect(error).toBeInstanceOf(OperatorError);
  expect((error as Error).message).toBe("Another process has started under this one's name, same. Give each process on a database its own RENTAK_NODE_NAME.");
});

test("only one of many who see the same holder dead takes the lease from it", async () => {
  const clock = createJumpingClock();
  const dead = await joinNodes(pool, "dead", clock);
  await dead.takeOver();
  const others = await Promise.all(["a", "b", "c", "d"].map((name) => joinNodes(pool, name, clock)));
  expect(await Promise.all(others.map((other) => other.takeOver()))).toEqual([null, null, null, null]);
  clock.jump(10 * SECOND_MS);
  const taken = (await Promise.all(others.map((other) => other.takeOver()))).filter((takeover) => takeover !== null);
  expect(taken).toMatchObject([{ from: "dead", lease: { epoch: 2 } }]);
});

test("a node that was suspended while it looked at another's beat does not take that one for dead", async () => {
  const clock = createJumpingClock();
  await (await joinNodes(pool, "alive", clock)).takeOver();
  const answering = { connect: () => pool.connect(), query: (...args: [string]) => pool.query(...args).then((result) => (clock.jump(MINUTE_MS), result)) };
  const suspended = await joinNodes(answering as unknown as pg.Pool, "suspended", clock);
  expect(await suspended.takeOver()).toBeNull();
  expect(await suspended.takeOver()).toBeNull();
});

test("nodes that have been dead for a minute are swept from the table by who takes over", async () => {
  const clock = createJumpingClock();
  await joinNodes(pool, "old", clock);
  await pool.query("UPDATE nodes SET heartbeat_at = heartbeat_at - interval '61 seconds'");
  const membership = await joinNodes(pool, "new", clock);
  expect(await membership.takeOver()).toMatchObject({ from: "nobody" });
  expect(await query(pool, "SELECT name FROM nodes")).toEqual([{ name: "new" }]);
});
