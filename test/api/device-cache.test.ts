// Two processes whose devices are read through a cache: what is read often costs Postgres little, and whoever has made a change, or heard of it, sees it.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cache, createCache } from "../../src/cache/cache.ts";
import { createLocalStore } from "../../src/cache/local-store.ts";
import { createRedisStore } from "../../src/cache/redis-store.ts";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { forgetChangedDevices } from "../../src/devices/cache-group.ts";
import { appendEvents } from "../../src/events/append.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { TestDatabase } from "../support/database.ts";
import { startEventLog } from "../support/event-log.ts";
import { addDevice, addWorkspace, query } from "../support/factories.ts";
import { connectedRedis } from "../support/redis.ts";
import { noRedis, startRedisServer } from "../support/redis-server.ts";
import { statementsDuring } from "../support/statements.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

const LIST = "{ devices(first: 100) { totalCount nodes { id name status pausedAt isAvailable load { messagesHour messagesToday } } } }";

/** What two processes have: a cache of their own each, or one in Redis. */
type Caches = () => Promise<{ readonly caches: readonly [Cache, Cache]; stop(): Promise<void> }>;

const ownCaches: Caches = async () => ({ caches: [createCache(createLocalStore(systemClock)), createCache(createLocalStore(systemClock))], stop: async () => {} });

const sharedCache: Caches = async () => {
  const server = await startRedisServer();
  const connected = await Promise.all([0, 1].map(() => connectedRedis(server.url, "test")));
  const [one, other] = connected.map(({ redis }) => createCache(createRedisStore(redis), createLocalStore(systemClock)));
  return {
    caches: [one as Cache, other as Cache],
    async stop() {
      await Promise.all(connected.map(({ redis }) => redis.stop()));
      await server.stop();
    },
  };
};

async function startProcess(cache: Cache, database?: TestDatabase): Promise<TestServer & { readonly stopReading: () => Promise<void> }> {
  let stopReading = async () => {};
  const server = await testServer(
    async ({ pool }) => {
      const log = await startEventLog(pool, undefined, forgetChangedDevices(cache));
      stopReading = log.tailer.stop;
      return { ...log, cache };
    },
    systemClock,
    database && { database },
  );
  return { ...server, stopReading };
}

const cases: readonly (readonly [string, Caches, string | undefined])[] = [
  ["of their own", ownCaches, undefined],
  [`in Redis${noRedis ? ` (${noRedis})` : ""}`, sharedCache, noRedis],
];

describe.each(cases)("devices read through caches %s", (_name, make, skipped) => {
  let servers: Awaited<ReturnType<typeof startProcess>>[] = [];
  let stop = async () => {};
  let devices: string[];

  beforeAll(async () => {
    if (skipped) return;
    const made = await make();
    stop = made.stop;
    const first = await startProcess(made.caches[0]);
    servers = [first, await startProcess(made.caches[1], first.database)];
    devices = await Promise.all(Array.from({ length: 30 }, (_, index) => addDevice(first.database.pool, DEFAULT_WORKSPACE_ID, { name: `Device ${index}`, status: "ONLINE" })));
  });
  afterAll(async () => {
    for (const server of servers) await server.stopReading();
    for (const server of servers.toReversed()) await server.stop();
    await stop();
  });

  const ask = async (at: number, text = LIST, secret?: string): Promise<Loose> => {
    const { data, errors } = (await servers[at]?.query(text, {}, secret)) ?? {};
    expect(errors).toBeUndefined();
    return data;
  };

  test.skipIf(skipped)("cost at least 70 % fewer statements when many look", async () => {
    const once = await statementsDuring(() => ask(0, LIST.replace("100", "99")));
    const looks = 20;
    const all = await statementsDuring(() => Promise.all(Array.from({ length: looks }, () => ask(0))));
    expect(once.length).toBeGreaterThanOrEqual(3);
    expect(all.length).toBeLessThanOrEqual(0.3 * looks * once.length);
  });

  test.skipIf(skipped)("are as the caller's own change has made them", async () => {
    await ask(0);
    const shown = async (at: number) => (await ask(at)).devices.nodes.find(({ name }: Loose) => name === "Device 0");
    const { id: deviceId } = await shown(0);
    await ask(0, `mutation { pauseDevice(id: "${deviceId}") { userErrors { message } } }`);
    expect(await shown(0)).toMatchObject({ isAvailable: false, pausedAt: expect.any(String) });
    await ask(0, `mutation { resumeDevice(id: "${deviceId}") { userErrors { message } } }`);
    expect(await shown(0)).toMatchObject({ isAvailable: true, pausedAt: null });
  });

  test.skipIf(skipped)("are as an event says that they are, for who hears of it", async () => {
    for (const at of [0, 1]) {
      const heard = servers[at]?.webSocket().iterate({ query: "subscription ($after: Cursor) { deviceEvents(after: $after) { status device { id } } }", variables: { after: (await ask(at, "{ eventCursor }")).eventCursor } });
      await ask(at);
      await query(
        servers[at]?.database.pool as never,
        `WITH changed AS (UPDATE devices SET status = 'OFFLINE' WHERE id = $1 RETURNING id, workspace_id)
         ${appendEvents(["device_id", "status", "previous_status"], "SELECT workspace_id, 'DEVICE_STATUS' AS type, id AS device_id, 'OFFLINE' AS status, 'ONLINE' AS previous_status FROM changed")}`,
        [devices[at + 1]],
      );
      const value = ((await heard?.next()) as Loose)?.value;
      expect(value.data.deviceEvents.status).toBe("OFFLINE");
      const { nodes } = (await ask(at)).devices;
      expect(nodes.find(({ id }: Loose) => id === value.data.deviceEvents.device.id).status).toBe("OFFLINE");
      await heard?.return?.();
    }
  });

  test.skipIf(skipped)("are those of one's own workspace", async () => {
    await ask(0);
    const elsewhere = await addWorkspace(servers[0]?.database.pool as never);
    const secret = await servers[0]?.tokenFor(["READ"], elsewhere);
    expect((await ask(0, LIST, secret)).devices).toEqual({ totalCount: 0, nodes: [] });
  });
});
