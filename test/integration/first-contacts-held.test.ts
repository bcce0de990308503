// Where more than a tenth of a workspace's devices are restricted, nobody is written to who has not written before, until an operator has looked.

import type pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { releaseFirstContacts } from "../../src/access/workspaces.ts";
import { uncached } from "../../src/cache/cache.ts";
import { workspaceDb } from "../../src/db/workspace.ts";
import { attemptFlows } from "../../src/dispatcher/attempt.ts";
import { holdFirstContacts } from "../../src/dispatcher/first-contacts.ts";
import { createBell } from "../../src/events/bell.ts";
import { HOUR_MS, systemClock } from "../../src/lib/clock.ts";
import { createLogger } from "../../src/lib/logger.ts";
import { hindranceOf, holdLease, requestFor, waitingFlows } from "../support/attempts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addEnrolled, addLeads, addSequence, addWorkspace, enrolAll, one, query } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { createPuppet } from "../support/puppet.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;
let node: TestNode | undefined;

beforeEach(async () => {
  database = await testDatabase();
  pool = database.pool;
  workspaceId = await addWorkspace(pool);
});
afterEach(async () => {
  await node?.stop();
  node = undefined;
  await database.drop();
});

const addDevices = async (count: number, transport: "WHATSAPP" | "SIMULATOR" = "WHATSAPP") => {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push(await addDevice(pool, workspaceId, { transport }));
  return ids;
};
const restrict = (id: string | undefined, status = "RESTRICTED") =>
  pool.query("UPDATE devices SET status = $2, restricted_at = clock_timestamp(), restricted_until = now() + interval '1 hour' WHERE id = $1", [id, status]);
const release = (bell = createBell()) => releaseFirstContacts({ db: workspaceDb(pool, workspaceId), bell, cache: uncached });
const isHeld = async () => (await one<{ held: boolean }>(pool, "SELECT first_contacts_held_at IS NOT NULL AS held FROM workspaces WHERE id = $1", [workspaceId])).held;

describe("first contacts are held", () => {
  test("by more than one restricted device in ten, also where these are away; simulated ones do not count", async () => {
    const [first, second] = await addDevices(10);
    const simulated = await addDevices(5, "SIMULATOR");
    for (const id of simulated) await restrict(id);
    await restrict(first);
    expect(await holdFirstContacts(pool)).toEqual([]);
    await restrict(second, "OFFLINE");
    expect(await holdFirstContacts(pool)).toEqual([{ id: workspaceId, devices: 2 }]);
    expect(await isHeld()).toBe(true);
    expect(await holdFirstContacts(pool)).toEqual([]);
  });

  test("not by restrictions that are over", async () => {
    const [first] = await addDevices(1);
    await restrict(first, "OFFLINE");
    await pool.query("UPDATE devices SET restricted_until = now() - interval '1 second'");
    expect(await holdFirstContacts(pool)).toEqual([]);
  });

  test("once released, by the next device that becomes restricted alone", async () => {
    const [first, second] = await addDevices(2);
    await restrict(first);
    await holdFirstContacts(pool);
    expect(await release()).toMatchObject({ ok: true });
    expect(await isHeld()).toBe(false);
    expect(await holdFirstContacts(pool)).toEqual([]);
    await restrict(second);
    expect(await holdFirstContacts(pool)).toEqual([{ id: workspaceId, devices: 2 }]);
  });

  test("at the attempt, too: what was claimed before stays in the queue, and takes no ration", async () => {
    const [deviceId = ""] = await addDevices(1);
    const nodeId = await holdLease(pool);
    const { leadIds } = await addEnrolled(pool, workspaceId, { steps: [{ trigger: "one" }] }, 3);
    await pool.query("UPDATE workspaces SET first_contacts_held_at = now()");
    await pool.query("UPDATE leads SET last_replied_at = now() WHERE id = $1", [leadIds[0]]);
    const attempt = async () => (await attemptFlows(pool, nodeId, (await waitingFlows(pool, workspaceId)).map((flow) => requestFor(flow, deviceId)))).map(hindranceOf);
    expect(await attempt()).toEqual([null, "not_now", "not_now"]);

    await pool.query("UPDATE workspaces SET hourly_ceiling = 5, cap_messages = 1, cap_hours = 1");
    expect(await attempt()).toEqual(["not_now", "not_now"]);
    expect(await query(pool, "SELECT FROM lead_pace")).toEqual([]);
    await pool.query("UPDATE leads SET last_replied_at = now() WHERE id = $1", [leadIds[1]]);
    expect(await attempt()).toEqual([null, "not_now"]);
  });
});

test("a workspace that is held writes to those who have written, over all its devices, and to the others once it is released", async () => {
  const puppet = createPuppet(systemClock);
  const log: string[] = [];
  const devices = await addDevices(3);
  node = await startTestNode({ pool, transport: puppet, logger: createLogger("warn", { write: (line: string) => void log.push(line) }) });
  await eventually(() => puppet.sessions.size === 3, "all are connected");
  puppet.sessions.get(devices[0] ?? "")?.status("RESTRICTED", "It is.", new Date(Date.now() + HOUR_MS));
  await eventually(isHeld, "it is held");
  expect(log.filter((line) => line.includes("first contacts are held"))).toHaveLength(1);

  await addSequence(pool, workspaceId, { steps: [{ trigger: "one", text: "{{name}}" }] });
  const leadIds = await addLeads(pool, workspaceId, 8);
  const set = (name: string, preferred: string | undefined, wroteTo: string | undefined) =>
    pool.query("UPDATE leads SET name = $2, preferred_device_id = $3, replied_device_id = $4, last_replied_at = CASE WHEN $4::uuid IS NULL THEN NULL ELSE now() END, trigger = 'one' WHERE id = $1", [
      leadIds.shift(),
      name,
      preferred ?? null,
      wroteTo ?? null,
    ]);
  await set("first", undefined, undefined);
  await set("first of 1", devices[1], undefined);
  await set("first of 0", devices[0], undefined);
  await set("wrote to 0", devices[0], devices[0]);
  await set("of 0, wrote to 1", devices[0], devices[1]);
  await set("of 1, wrote to 1", devices[1], devices[1]);
  await set("of 2, wrote to 1", devices[2], devices[1]);
  await set("wrote to one that is gone", undefined, crypto.randomUUID());
  await enrolAll(pool);
  await eventually(() => puppet.wire.length === 4, "those who have written are written to");
  const byDevice = () => puppet.wire.map(({ text, deviceId }) => `${text}: ${devices.indexOf(deviceId)}`).toSorted();
  expect(byDevice()).toEqual(["of 1, wrote to 1: 1", "of 2, wrote to 1: 2", "wrote to 0: 0", expect.stringMatching(/^wrote to one that is gone: [12]$/)]);

  await release(node.bell);
  await eventually(() => puppet.wire.length === 6, "the others follow, but for those of the restricted device");
  expect(byDevice().filter((text) => text.startsWith("first"))).toEqual([expect.stringMatching(/^first of 1: 1/), expect.stringMatching(/^first: [12]/)]);
  expect(await query(pool, "SELECT l.name FROM flows f JOIN leads l ON l.id = f.lead_id WHERE f.status = 'ACTIVE' ORDER BY 1")).toEqual([{ name: "first of 0" }, { name: "of 0, wrote to 1" }]);
});
