import { afterAll, beforeAll, expect, test } from "vitest";
import { createFleet } from "../../src/dispatcher/fleet.ts";
import { SECOND_MS } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { SEND_DEADLINE_MS } from "../../src/transports/transport.ts";
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
    sendConcurrency: 1,
    workerIdleMs: 1000,
    statusLog: { add: () => {}, flush: async () => {} },
    send: async () => "sent",
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
