// A device that WhatsApp restricts goes on with the people who have written to it. Its first contacts wait, and nobody else writes to them meanwhile.

import type pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AssignableDevice } from "../../src/dispatcher/assign.ts";
import { createRepliedClaim } from "../../src/dispatcher/claim-replied.ts";
import { gather } from "../../src/dispatcher/gather.ts";
import { NO_OBSERVER } from "../../src/dispatcher/observer.ts";
import { HOUR_MS, SECOND_MS, systemClock } from "../../src/lib/clock.ts";
import { holdLease } from "../support/attempts.ts";
import { createJumpingClock, type JumpingClock } from "../support/clocks.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addSequence, addWorkspace, enrolAll, one, query } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { createPuppet, type Puppet } from "../support/puppet.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;
let own: string;
let other: string;
let clock: JumpingClock;
let puppet: Puppet;
let node: TestNode | undefined;

beforeEach(async () => {
  database = await testDatabase();
  pool = database.pool;
  workspaceId = await addWorkspace(pool);
  [own, other] = [await addDevice(pool, workspaceId), await addDevice(pool, workspaceId)];
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
  await eventually(() => puppet.sessions.size === 2, "both are connected");
};
const tell = async (deviceId: string, status: "RESTRICTED" | "OFFLINE" | "LOGGED_OUT" | "ONLINE", hours = 5) => {
  puppet.sessions.get(deviceId)?.status(status, `It is ${status}.`, status === "RESTRICTED" ? new Date(clock.now() + hours * HOUR_MS) : undefined);
  await eventually(async () => (await one<{ status: string }>(pool, "SELECT status FROM devices WHERE id = $1", [deviceId])).status === status, `it is ${status}`);
};
const ONE = { steps: [{ trigger: "one", text: "{{name}}" }] };

/** Leads of these names, that hear from `preferred` and have written to `wroteTo`. */
async function add(names: readonly string[], preferred: string | null, wroteTo: string | null = null): Promise<void> {
  const ids = await addLeads(pool, workspaceId, names.length);
  await pool.query(
    `UPDATE leads l SET name = w.name, preferred_device_id = $3, replied_device_id = $4, last_replied_at = CASE WHEN $4::uuid IS NULL THEN NULL ELSE now() END, trigger = 'one'
       FROM unnest($1::uuid[], $2::text[]) AS w(id, name) WHERE l.id = w.id`,
    [ids, names, preferred, wroteTo],
  );
  node?.bell.ring("enrollment");
}

const enrolled = (count: number) => eventually(async () => (await query(pool, "SELECT FROM flows")).length === count, "they are enrolled");
const written = () => puppet.wire.map(({ text, deviceId }) => `${text} ${deviceId === own ? "own" : "other"}`).toSorted();
/** Two cycles have come to their end since. */
const cycles = async () => {
  for (let n = 0; n < 2; n++) {
    const before = await one<{ at: Date }>(pool, "SELECT max(last_tick_at) AS at FROM nodes");
    node?.bell.ring("devices");
    await eventually(async () => (await one<{ at: Date }>(pool, "SELECT max(last_tick_at) AS at FROM nodes")).at > before.at, "a cycle ends");
  }
};

test("it goes on with those who have written to it; first contacts that are bound to it wait, and all others are written to by others", async () => {
  await addSequence(pool, workspaceId, ONE);
  await start();
  await tell(own, "RESTRICTED");
  await add(["first", "second"], own);
  await add(["wrote", "wrote too"], own, own);
  await add(["wrote elsewhere"], own, other);
  await add(["unbound"], null);
  await add(["unbound, wrote"], null, own);
  await enrolled(7);
  await eventually(() => puppet.wire.length === 4, "four are written to");
  await cycles();
  expect(written()).toEqual(["unbound other", "unbound, wrote other", "wrote own", "wrote too own"]);

  await tell(own, "ONLINE");
  await eventually(() => puppet.wire.length === 7, "all are written to");
  expect(written().slice(0, 2)).toEqual(["first own", "second own"]);
});

test("they wait for it while it is away, too, until the restriction is over or the device does not come back by itself", async () => {
  await addSequence(pool, workspaceId, ONE);
  await start();
  await tell(own, "RESTRICTED", 5);
  await tell(own, "OFFLINE");
  await add(["first"], own);
  await add(["wrote"], own, own);
  await enrolled(2);
  await cycles();
  expect(written()).toEqual([]);
  clock.jump(6 * HOUR_MS);
  await pool.query("UPDATE devices SET restricted_until = now() - interval '1 second'"); // Postgres's clock has not jumped
  await eventually(() => puppet.wire.length === 2, "the other writes to them");
  expect(written()).toEqual(["first other", "wrote other"]);

  await tell(own, "RESTRICTED");
  await add(["third"], own);
  await enrolled(3);
  await cycles();
  expect(puppet.wire).toHaveLength(2);
  await tell(own, "LOGGED_OUT");
  await eventually(() => puppet.wire.length === 3, "the other writes to the third");
});

test("at 50 messages in the hour it does not give up its people either", async () => {
  await addSequence(pool, workspaceId, ONE);
  await pool.query("INSERT INTO device_attempts (workspace_id, device_id, flow_id, at) SELECT $1, $2, uuid_v7(), now() - interval '5 minutes' FROM generate_series(1, 60)", [workspaceId, own]);
  await start();
  await tell(own, "RESTRICTED");
  await add(["first"], own);
  await add(["wrote"], own, own);
  await enrolled(2);
  await eventually(() => puppet.wire.length === 1, "who has written is written to");
  await cycles();
  expect(written()).toEqual(["wrote own"]);
});

test("what waits for its pace in the worker of a device that is restricted is not sent by it any more", async () => {
  await addSequence(pool, workspaceId, { ...ONE, minDelaySeconds: 20 });
  await start({ dispatchIntervalMs: 60 * SECOND_MS });
  await pool.query("UPDATE devices SET paused_at = now() WHERE id = $1", [other]);
  await add(["a", "b", "c"], own);
  await enrolled(3);
  node?.bell.ring("devices");
  await eventually(() => puppet.wire.length === 1 && node?.fleet.worker(own)?.queueDepth === 2, "one is sent, and two wait for their time");
  await tell(own, "RESTRICTED");
  expect(node?.fleet.worker(own)?.queueDepth).toBe(0);
  clock.jump(30 * SECOND_MS);
  await cycles();
  expect(puppet.wire).toHaveLength(1);
});

test("what stands in line for its turn when its device is restricted is not attempted", async () => {
  await addSequence(pool, workspaceId, ONE);
  puppet.setFate((_message, deviceId) => (deviceId === other ? "hold" : "accept"));
  await start({ sendConcurrency: 1 });
  await add(["long"], other);
  await eventually(() => puppet.held.length === 1, "one takes the only place");
  await add(["first"], own);
  await eventually(() => node?.fleet.worker(own)?.currentProcessing === 1, "the other stands in line");
  await tell(own, "RESTRICTED");
  puppet.held[0]?.answer({ kind: "accepted", at: new Date() });
  await eventually(async () => (await query(pool, "SELECT FROM flows WHERE status = 'SENT'")).length === 1, "the place is free");
  await cycles();
  expect(written()).toEqual(["long other"]);
  expect(await query(pool, "SELECT status, attempted_at FROM flows WHERE status <> 'SENT'")).toEqual([{ status: "ACTIVE", attempted_at: null }]);
});

test("a node leaves to a restricted device what is bound to it, though nobody holds that device", async () => {
  await addSequence(pool, workspaceId, ONE);
  await add(["first"], own);
  await enrolAll(pool);
  const nodeId = await holdLease(pool);
  await pool.query("UPDATE devices SET node_id = $2 WHERE id = $1", [other, nodeId]);
  const device: AssignableDevice = { id: other, workspaceId, messagesHour: 0, currentProcessing: 0, room: 50, freeInMs: 0, gapMs: 0, isRestricted: false };
  const look = async () =>
    (await gather({ pool, clock: systemClock, observer: NO_OBSERVER, nodeId, claimReplied: createRepliedClaim(pool), devices: [device], horizon: { horizonMs: 1000, sendMs: 0 }, claimBatch: 100, keepers: [], held: [], processing: () => 0 })).length;
  await pool.query("UPDATE devices SET status = 'OFFLINE', restricted_until = now() + interval '1 hour' WHERE id = $1", [own]);
  expect(await look()).toBe(0);
  await pool.query("UPDATE devices SET restricted_until = now() - interval '1 second' WHERE id = $1", [own]);
  expect(await look()).toBe(1);
});

test("those who have written are gone through in turns, those first who wrote last, and none is passed over", async () => {
  await addSequence(pool, workspaceId, ONE);
  await add(["a", "b", "c", "d", "e"], own, own);
  await enrolAll(pool);
  // Two of the same moment.
  await pool.query("UPDATE leads SET last_replied_at = date_trunc('minute', now()) - CASE name WHEN 'a' THEN 0 WHEN 'b' THEN 1 WHEN 'c' THEN 1 WHEN 'd' THEN 2 ELSE 3 END * interval '1 minute'");
  await pool.query("UPDATE flows SET due_at = now() + interval '1 hour' WHERE lead_id = (SELECT id FROM leads WHERE name = 'd')");
  const claim = createRepliedClaim(pool);
  // So many that only one lead of each is looked at in a call.
  const strangers = Array.from({ length: 2000 }, () => ({ workspaceId, deviceId: crypto.randomUUID(), flows: 1 }));
  const names = async () => (await claim({ sources: [{ workspaceId, deviceId: own, flows: 9 }, ...strangers], takers: [], busy: [], held: [] })).map(({ lead }) => lead?.name).toSorted();
  const seen: unknown[] = [];
  for (let call = 0; call < 6; call++) seen.push(await names());
  expect(seen).toEqual([["a"], ["b", "c"], [], ["e"], [], ["a"]]);
});
