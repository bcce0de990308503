import { afterAll, beforeAll, expect, test } from "vitest";
import { createFleet } from "../../src/dispatcher/fleet.ts";
import { MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { SEND_DEADLINE_MS, type SessionListener, type Transport } from "../../src/transports/transport.ts";
import { holdLease } from "../support/attempts.ts";
import { createManualClock } from "../support/clocks.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { addDevice, addWorkspace, silent } from "../support/factories.ts";
import { createPuppet } from "../support/puppet.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

test.for(["devices_of_node", "device_attempts"])("a process that was stopped after it had read %s opens nothing upon it", async (statement) => {
  const { pool } = database;
  const clock = createManualClock();
  const puppet = createPuppet(clock);
  const nodeId = await holdLease(pool);
  const deviceId = await addDevice(pool, await addWorkspace(pool));
  await pool.query("UPDATE devices SET node_id = $2 WHERE id = $1", [deviceId, nodeId]);

  let stoppedMs = SEND_DEADLINE_MS;
  const stopping = {
    async query(...asked: unknown[]) {
      const answer = await (pool.query as (...all: unknown[]) => Promise<unknown>).apply(pool, asked);
      if (JSON.stringify(asked[0]).includes(statement)) await clock.advance(stoppedMs);
      return answer;
    },
  };
  const fleet = createFleet({
    pool: stopping as unknown as typeof pool,
    nodeId,
    clock,
    random: seededRandom("fleet"),
    logger: silent,
    transports: { SIMULATOR: puppet },
    workerIdleMs: 1000,
    statusLog: { add: () => {}, flush: async () => {} },
    send: () => {},
    onReceipt: () => {},
    onReady: () => {},
  });

  await fleet.sync();
  expect(puppet.opened()).toBe(0);
  stoppedMs = SECOND_MS;
  await fleet.sync();
  expect(puppet.sessions.has(deviceId)).toBe(true);
  await fleet.close();
});

test("a node that has let go opens no session anew in the place of one that was stuck", async () => {
  const { pool } = database;
  const clock = createManualClock();
  const puppet = createPuppet(clock);
  const nodeId = await holdLease(pool);
  const workspaceId = await addWorkspace(pool);
  const deviceId = await addDevice(pool, workspaceId);
  await pool.query("UPDATE devices SET node_id = $2 WHERE id = $1", [deviceId, nodeId]);
  const fleet = createFleet({
    pool,
    nodeId,
    clock,
    random: seededRandom("fleet"),
    logger: silent,
    transports: { SIMULATOR: puppet },
    workerIdleMs: 1000,
    statusLog: { add: () => {}, flush: async () => {} },
    send: () => {}, // and never an end of it
    onReceipt: () => {},
    onReady: () => {},
  });
  await fleet.sync();
  const flow = { id: "f", workspaceId, boundDeviceId: null, repliedDeviceId: null, minDelaySeconds: 0, maxDelaySeconds: 0, isOfCampaign: false, isRationed: false, revision: 0, template: "", variant: null, media: null, greeter: null, isVaried: false, lead: null };
  fleet.give([{ flow, deviceId }]);
  await clock.advance(3 * MINUTE_MS);
  const opened = puppet.opened();
  fleet.abandon();
  fleet.mendStuck();
  expect(puppet.opened()).toBe(opened);
  expect(puppet.sessions.size).toBe(0);
});

test("a stuck session has ended before another one is opened, and has no say any more", async () => {
  const { pool } = database;
  const clock = createManualClock();
  const nodeId = await holdLease(pool);
  const workspaceId = await addWorkspace(pool);
  const deviceId = await addDevice(pool, workspaceId);
  await pool.query("UPDATE devices SET node_id = $2 WHERE id = $1", [deviceId, nodeId]);
  const sessions: { readonly listener: SessionListener; readonly closed: PromiseWithResolvers<void> }[] = [];
  const transport: Transport = {
    open(_device, listener) {
      const closed = Promise.withResolvers<void>();
      sessions.push({ listener, closed });
      listener.status("ONLINE", null);
      return { prepare: () => new Promise(() => {}), send: () => new Promise(() => {}), refresh() {}, close: () => closed.promise };
    },
  };
  const statuses: string[] = [];
  const fleet = createFleet({
    pool,
    nodeId,
    clock,
    random: seededRandom("fleet"),
    logger: silent,
    transports: { SIMULATOR: transport },
    workerIdleMs: 1000,
    statusLog: { add: ({ status }) => void statuses.push(status), flush: async () => {} },
    send: () => {}, // and never an end of it
    onReceipt: () => {},
    onReady: () => {},
  });
  await fleet.sync();
  const flow = { id: "f", workspaceId, boundDeviceId: null, repliedDeviceId: null, minDelaySeconds: 0, maxDelaySeconds: 0, isOfCampaign: false, isRationed: false, revision: 0, template: "", variant: null, media: null, greeter: null, isVaried: false, lead: null };
  fleet.give([{ flow, deviceId }]);
  await clock.advance(3 * MINUTE_MS);
  fleet.mendStuck();
  expect([sessions.length, statuses.at(-1), fleet.assignable()]).toEqual([1, "OFFLINE", []]);
  sessions[0]?.listener.status("OFFLINE", "The server has disconnected it.");
  sessions[0]?.closed.resolve();
  await clock.advance(0);
  expect([sessions.length, statuses, fleet.assignable().length]).toEqual([2, ["ONLINE", "OFFLINE", "ONLINE"], 1]);
  sessions[0]?.listener.status("LOGGED_OUT", "It is.");
  expect(fleet.assignable()).toHaveLength(1);
  for (const { closed } of sessions) closed.resolve();
  await fleet.close();
});
