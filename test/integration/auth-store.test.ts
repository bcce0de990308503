import { randomBytes, randomUUID } from "node:crypto";
import { initAuthCreds, proto } from "baileys";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { UnsealError } from "../../src/lib/sealing.ts";
import { type DeviceAuth, LostDevice } from "../../src/transports/whatsapp/auth-port.ts";
import { type AuthStore, type AuthStoreOptions, createAuthStore } from "../../src/transports/whatsapp/auth-store.ts";
import { openSealing, resealNameKey } from "../../src/transports/whatsapp/encryption-key.ts";
import type { InboxEntry } from "../../src/transports/whatsapp/inbox-entry.ts";
import { reseal } from "../../src/db/resealing.ts";
import { SEALED_OF_WHATSAPP } from "../../src/transports/whatsapp/sealed.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addWorkspace, one, query } from "../support/factories.ts";
import { hourlyClock } from "../support/hours.ts";

let db: TestDatabase;
let workspaceId: string;
let keys: Buffer[];
let reachPostgres: (...given: unknown[]) => unknown;
const nodeId = randomUUID();
const otherNode = randomUUID();

beforeAll(async () => {
  db = await testDatabase();
  workspaceId = await addWorkspace(db.pool);
  keys = [randomBytes(32)];
  reachPostgres = db.pool.query.bind(db.pool) as typeof reachPostgres;
});
afterAll(() => db.drop());
beforeEach(() => void vi.spyOn(db.pool, "query"));
afterEach(() => void vi.restoreAllMocks());

/** A store as a process that has just started has it. */
async function newStore(options: Partial<AuthStoreOptions> = {}): Promise<AuthStore> {
  return createAuthStore({ pool: db.pool, ...(await openSealing(db.pool, { keys, origin: "test" })), clock: systemClock, ...options });
}

async function newDevice(holder: string | null = nodeId): Promise<string> {
  const deviceId = await addDevice(db.pool, workspaceId);
  await hand(deviceId, holder);
  return deviceId;
}

const hand = (deviceId: string, to: string | null) => db.pool.query("UPDATE devices SET node_id = $2 WHERE id = $1", [deviceId, to]);

const statements = (name: string) => vi.mocked(db.pool.query).mock.calls.filter(([config]) => (config as unknown as { name?: string }).name === name).length;

const open = (store: AuthStore, deviceId: string, holder = nodeId): DeviceAuth => store.open({ deviceId, workspaceId, nodeId: holder });

const entry = (messageId: string, text = "Hello"): InboxEntry => ({ messageId, from: "60123456789@s.whatsapp.net", alternate: null, sentAt: 1_700_000_000, plaintext: Buffer.from(text) });

describe("credentials", () => {
  test("come back as they were, in another process too", async () => {
    const deviceId = await newDevice();
    const auth = open(await newStore(), deviceId);
    expect(await auth.creds.load()).toBeUndefined();
    const creds = initAuthCreds();
    await auth.creds.save(creds);
    expect(await auth.creds.load()).toEqual(creds);
    expect(await open(await newStore(), deviceId).creds.load()).toEqual(creds);
  });

  test("are kept as they were when they were saved", async () => {
    const auth = open(await newStore(), await newDevice());
    const creds = initAuthCreds();
    const saved = auth.creds.save(creds);
    creds.nextPreKeyId = 813;
    await saved;
    expect((await auth.creds.load())?.nextPreKeyId).toBe(1);
  });

  test("of another device do not open", async () => {
    const [deviceId, otherId] = [await newDevice(), await newDevice()];
    const store = await newStore();
    for (const id of [deviceId, otherId]) await open(store, id).creds.save(initAuthCreds());
    await db.pool.query("UPDATE whatsapp_credentials SET sealed = (SELECT sealed FROM whatsapp_credentials WHERE device_id = $1) WHERE device_id = $2", [deviceId, otherId]);
    await expect(open(store, otherId).creds.load()).rejects.toThrow(UnsealError);
    expect(await open(store, deviceId).creds.load()).toBeDefined();
    await db.pool.query("DELETE FROM whatsapp_credentials");
  });

  test("that cannot be read are not taken for none", async () => {
    const auth = open(await newStore(), await newDevice());
    await auth.creds.save(initAuthCreds());
    vi.mocked(db.pool.query).mockRejectedValueOnce(new Error("connection lost") as never);
    await expect(auth.creds.load()).rejects.toThrow("connection lost");
  });
});

const values = {
  "pre-key": { public: Buffer.from([1]), private: Buffer.from([2, 255]) },
  "sender-key": Buffer.from("sender"),
  "sender-key-memory": { "a@s.whatsapp.net": true },
  "app-state-sync-version": { version: 3, hash: Buffer.alloc(4, 9), indexValueMap: { x: { valueMac: Buffer.from([7]) } } },
  "lid-mapping": "123",
  "device-list": ["0", "12"],
  tctoken: { token: Buffer.from("tøken"), timestamp: "Grüße, 世界" },
  "identity-key": Buffer.alloc(33, 200),
} as const;

describe("keys", () => {
  test.each(Object.entries(values))("of kind %s come back as they were", async (type, value) => {
    const deviceId = await newDevice();
    const kind = type as keyof typeof values;
    const auth = open(await newStore(), deviceId);
    await auth.keys.set({ [kind]: { one: value } });
    for (const again of [auth, open(await newStore(), deviceId)]) expect(await again.keys.get(kind, ["one", "two"])).toEqual({ one: value });
  });

  test("of kind app-state-sync-key come back as Baileys wants them", async () => {
    const deviceId = await newDevice();
    const key = proto.Message.AppStateSyncKeyData.create({ keyData: Buffer.from([1, 2]), timestamp: 5 });
    await open(await newStore(), deviceId).keys.set({ "app-state-sync-key": { one: key } });
    const { one: again } = await open(await newStore(), deviceId).keys.get("app-state-sync-key", ["one"]);
    expect(again).toBeInstanceOf(proto.Message.AppStateSyncKeyData);
    expect(Buffer.from(again?.keyData ?? [])).toEqual(Buffer.from([1, 2]));
  });

  test("are written, and deleted, in one statement with all else of their set", async () => {
    const deviceId = await newDevice();
    const store = await newStore();
    const auth = open(store, deviceId);
    await auth.keys.set({ "lid-mapping": { old: "1" } });
    vi.mocked(db.pool.query).mockClear();
    await auth.keys.set({ "lid-mapping": { old: null, new: "2" }, "device-list": { them: ["0"] }, inbox: { ID: entry("ID") } });
    expect(statements("whatsapp_write")).toBe(1);
    const fresh = open(await newStore(), deviceId);
    expect(await fresh.keys.get("lid-mapping", ["old", "new"])).toEqual({ new: "2" });
    expect(await fresh.keys.get("device-list", ["them"])).toEqual({ them: ["0"] });
    expect((await store.takeInbox(nodeId, 10)).map((waiting) => waiting.entry)).toEqual([entry("ID")]);
    await store.removeInbox((await store.takeInbox(nodeId, 10)).map(({ id }) => id));
  });

  test("are read at once by whoever has set them, and by their newest value", async () => {
    const deviceId = await newDevice();
    const auth = open(await newStore(), deviceId);
    const sets = Array.from({ length: 50 }, (_, n) => auth.keys.set({ "lid-mapping": { one: `${n}` } }));
    expect(await auth.keys.get("lid-mapping", ["one"])).toEqual({ one: "49" });
    await Promise.all(sets);
    expect(await auth.keys.get("lid-mapping", ["one"])).toEqual({ one: "49" });
    expect(await open(await newStore(), deviceId).keys.get("lid-mapping", ["one"])).toEqual({ one: "49" });
  });

  test("that were set one after another, statement for statement, end with the last", async () => {
    const deviceId = await newDevice();
    const auth = open(await newStore(), deviceId);
    for (let n = 0; n < 20; n++) {
      const [first, second] = [auth.keys.set({ "lid-mapping": { one: `${n}` } }), new Promise((resolve) => setImmediate(resolve)).then(() => auth.keys.set({ "lid-mapping": { one: `${n}, then` } }))];
      await Promise.all([first, second]);
      expect(await open(await newStore(), deviceId).keys.get("lid-mapping", ["one"])).toEqual({ one: `${n}, then` });
    }
  });

  test("of many devices are written by few statements, and read by few", async () => {
    const store = await newStore();
    const devices = await Promise.all(Array.from({ length: 60 }, () => newDevice()));
    const all = devices.map((deviceId) => open(store, deviceId));
    vi.mocked(db.pool.query).mockClear();
    await Promise.all(all.map((auth, n) => auth.keys.set({ "lid-mapping": { one: `${n}` } })));
    expect(statements("whatsapp_write")).toBeLessThan(5);
    const fresh = await newStore();
    const read = await Promise.all(devices.map((deviceId) => open(fresh, deviceId).keys.get("lid-mapping", ["one"])));
    expect(statements("whatsapp_read")).toBeLessThan(5);
    expect(read).toEqual(devices.map((_, n) => ({ one: `${n}` })));
  });

  test("are not asked for again while they are in the cache, also where there are none", async () => {
    const deviceId = await newDevice();
    const auth = open(await newStore(), deviceId);
    await auth.keys.set({ "lid-mapping": { one: "1" } });
    await auth.keys.get("lid-mapping", ["one", "none"]);
    vi.mocked(db.pool.query).mockClear();
    expect(await auth.keys.get("lid-mapping", ["one", "none"])).toEqual({ one: "1" });
    expect(statements("whatsapp_read")).toBe(0);
  });

  test("that another node wrote in between are read after the device has come back", async () => {
    const deviceId = await newDevice();
    const store = await newStore();
    await open(store, deviceId).keys.set({ "lid-mapping": { one: "1" } });
    await hand(deviceId, otherNode);
    await open(await newStore(), deviceId, otherNode).keys.set({ "lid-mapping": { one: "2" } });
    await hand(deviceId, nodeId);
    expect(await open(store, deviceId).keys.get("lid-mapping", ["one"])).toEqual({ one: "2" });
  });

  test("have names and values in Postgres that tell nothing", async () => {
    const deviceId = await newDevice();
    await open(await newStore(), deviceId).keys.set({ "lid-mapping": { "60123456789": "canary" } });
    const { row } = await one<{ row: string }>(db.pool, "SELECT encode(name, 'escape') || encode(sealed, 'escape') AS row FROM whatsapp_keys WHERE device_id = $1", [deviceId]);
    expect(row).not.toContain("60123456789");
    expect(row).not.toContain("canary");
  });

  test("are forgotten with the credentials, and what waits in the inbox is not", async () => {
    const deviceId = await newDevice();
    const store = await newStore();
    const auth = open(store, deviceId);
    await auth.creds.save(initAuthCreds());
    const last = auth.keys.set({ "lid-mapping": { one: "1" }, inbox: { ID: entry("ID") } });
    await auth.clear();
    await last;
    expect(await auth.creds.load()).toBeUndefined();
    expect(await auth.keys.get("lid-mapping", ["one"])).toEqual({});
    expect(await query(db.pool, "SELECT FROM whatsapp_keys WHERE device_id = $1", [deviceId])).toEqual([]);
    const waiting = await store.takeInbox(nodeId, 10);
    expect(waiting).toHaveLength(1);
    await store.removeInbox(waiting.map(({ id }) => id));
  });
});

describe("a device that is lost", () => {
  test("to another node writes nothing, and neither reads nor writes again", async () => {
    const deviceId = await newDevice();
    const store = await newStore();
    const auth = open(store, deviceId);
    await auth.keys.set({ "lid-mapping": { one: "1" } });
    await hand(deviceId, otherNode);
    await expect(auth.keys.set({ "lid-mapping": { one: "2" }, inbox: { ID: entry("ID") } })).rejects.toThrow(LostDevice);
    await expect(auth.keys.get("lid-mapping", ["one"])).rejects.toThrow(LostDevice);
    await hand(deviceId, nodeId);
    await expect(auth.creds.save(initAuthCreds())).rejects.toThrow(LostDevice);
    expect(await open(store, deviceId).keys.get("lid-mapping", ["one"])).toEqual({ one: "1" });
    expect(await store.takeInbox(nodeId, 10)).toEqual([]);
  });

  test("to another node is not cleared", async () => {
    const deviceId = await newDevice();
    const auth = open(await newStore(), deviceId);
    await auth.creds.save(initAuthCreds());
    await hand(deviceId, otherNode);
    await expect(auth.clear()).rejects.toThrow(LostDevice);
    expect(await query(db.pool, "SELECT FROM whatsapp_credentials WHERE device_id = $1", [deviceId])).toHaveLength(1);
  });

  test("because it was deleted does not fail the others of its batch", async () => {
    const [deviceId, otherId] = [await newDevice(), await newDevice()];
    const store = await newStore();
    const [auth, other] = [open(store, deviceId), open(store, otherId)];
    await db.pool.query("DELETE FROM devices WHERE id = $1", [deviceId]);
    const results = await Promise.allSettled([auth.keys.set({ "lid-mapping": { one: "1" } }), other.keys.set({ "lid-mapping": { one: "1" } })]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
    expect(results[0]).toMatchObject({ reason: expect.any(LostDevice) });
    expect(await open(await newStore(), otherId).keys.get("lid-mapping", ["one"])).toEqual({ one: "1" });
  });

  test("while it writes is taken only once that has committed, or it has not written", async () => {
    const deviceId = await newDevice();
    const auth = open(await newStore(), deviceId);
    const client = await db.pool.connect();
    try {
      // As who finds its node dead takes it.
      await client.query("BEGIN");
      await client.query("SELECT FROM devices WHERE id = $1 FOR UPDATE", [deviceId]);
      // Heard from the beginning: it may be refused before whoever takes the device hears that this has committed.
      const outcome = auth.keys.set({ "lid-mapping": { one: "1" } }).catch((error: unknown) => error);
      await vi.waitUntil(async () => (await query(db.pool, "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")).length === 1);
      await client.query("UPDATE devices SET node_id = $2 WHERE id = $1", [deviceId, otherNode]);
      await client.query("COMMIT");
      expect(await outcome).toBeInstanceOf(LostDevice);
    } finally {
      client.release();
    }
    expect(await query(db.pool, "SELECT FROM whatsapp_keys WHERE device_id = $1", [deviceId])).toEqual([]);
  });
});

describe("Postgres that is away", () => {
  /** The next `times` statements of that name reach it, and its answer is lost; or not even that. */
  function failing(name: string, times: number, isAnswerLost = false, onReached = () => Promise.resolve()) {
    let left = times;
    vi.mocked(db.pool.query).mockImplementation((async (...given: unknown[]) => {
      if ((given[0] as { name?: string }).name !== name || left === 0) return reachPostgres(...given);
      left -= 1;
      await onReached();
      if (isAnswerLost) await reachPostgres(...given);
      throw Object.assign(new Error("connection lost"), { code: "ECONNRESET" });
    }) as never);
  }

  test.each([false, true])("for a moment delays what is written, and loses nothing (answer lost: %s)", async (isAnswerLost) => {
    const deviceId = await newDevice();
    const auth = open(await newStore(), deviceId);
    failing("whatsapp_write", 2, isAnswerLost);
    await Promise.all([auth.keys.set({ "lid-mapping": { one: "1" }, inbox: { [deviceId]: entry(deviceId) } }), auth.creds.save(initAuthCreds())]);
    expect(await open(await newStore(), deviceId).keys.get("lid-mapping", ["one"])).toEqual({ one: "1" });
    expect(await query(db.pool, "SELECT FROM whatsapp_inbox WHERE message_id = $1", [deviceId])).toHaveLength(1);
    await db.pool.query("DELETE FROM whatsapp_inbox");
  });

  test("for a moment delays what is read", async () => {
    const deviceId = await newDevice();
    const store = await newStore();
    await open(store, deviceId).keys.set({ "lid-mapping": { one: "1" } });
    failing("whatsapp_read", 2);
    expect(await open(store, deviceId).keys.get("lid-mapping", ["one"])).toEqual({ one: "1" });
  });

  describe("for longer", () => {
    test("fails what is read: nobody takes it for nothing being there", async () => {
      const deviceId = await newDevice();
      const store = await newStore({ clock: hourlyClock() });
      await open(store, deviceId).keys.set({ "lid-mapping": { one: "1" } });
      const auth = open(store, deviceId);
      failing("whatsapp_read", 1);
      await expect(auth.keys.get("lid-mapping", ["one"])).rejects.toThrow("connection lost");
      expect(await auth.keys.get("lid-mapping", ["one"])).toEqual({ one: "1" });
    });

    test.each([false, true])("fails what is written, and what came after it; what there is then is read in Postgres (answer lost: %s)", async (isAnswerLost) => {
      const deviceId = await newDevice();
      const auth = open(await newStore({ clock: hourlyClock() }), deviceId);
      await auth.keys.set({ "lid-mapping": { one: "1" } });
      const [onItsWay, followed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      failing("whatsapp_write", 1, isAnswerLost, () => {
        onItsWay.resolve();
        return followed.promise;
      });
      const first = auth.keys.set({ "lid-mapping": { one: "2" } });
      await onItsWay.promise;
      const both = Promise.allSettled([first, auth.keys.set({ "lid-mapping": { one: "3" } })]);
      followed.resolve();
      const results = await both;
      expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
      expect(auth.keys.failures()).toBe(1);
      expect(await auth.keys.get("lid-mapping", ["one"])).toEqual({ one: isAnswerLost ? "2" : "1" });
      await auth.keys.set({ "lid-mapping": { one: "4" } });
      expect(await auth.keys.get("lid-mapping", ["one"])).toEqual({ one: "4" });
    });
  });
});

describe("the inbox", () => {
  test("keeps a message once, however often it comes, and what came first of it", async () => {
    const store = await newStore();
    const auth = open(store, await newDevice());
    await auth.keys.set({ inbox: { ID: entry("ID", "first") } });
    await auth.keys.set({ inbox: { ID: entry("ID", "again") } });
    const waiting = await store.takeInbox(nodeId, 10);
    expect(waiting.map((one) => one.entry?.plaintext.toString())).toEqual(["first"]);
    await store.removeInbox(waiting.map(({ id }) => id));
    expect(await store.takeInbox(nodeId, 10)).toEqual([]);
  });

  test("gives what waits for the node's devices, oldest first, so many at a time", async () => {
    const store = await newStore();
    const [mine, theirs] = [open(store, await newDevice()), open(store, await newDevice(otherNode), otherNode)];
    for (const id of ["1", "2", "3"]) await mine.keys.set({ inbox: { [id]: entry(id) } });
    await theirs.keys.set({ inbox: { other: entry("other") } });
    expect((await store.takeInbox(nodeId, 2)).map((one) => one.entry?.messageId)).toEqual(["1", "2"]);
    expect((await store.takeInbox(otherNode, 10)).map((one) => one.entry?.messageId)).toEqual(["other"]);
    await db.pool.query("DELETE FROM whatsapp_inbox");
  });

  test("is not held up by a row that does not open", async () => {
    const store = await newStore();
    const auth = open(store, await newDevice());
    for (const id of ["1", "2"]) await auth.keys.set({ inbox: { [id]: entry(id) } });
    await db.pool.query("UPDATE whatsapp_inbox SET sealed = $1 WHERE message_id = '1'", [randomBytes(100)]);
    expect((await store.takeInbox(nodeId, 10)).map((one) => one.entry?.messageId ?? null)).toEqual([null, "2"]);
    await db.pool.query("DELETE FROM whatsapp_inbox");
  });
});

describe("the cache", () => {
  test("holds no more than it may, and what it does not hold is read in Postgres", async () => {
    const deviceId = await newDevice();
    const auth = open(await newStore({ cacheBytes: 20_000 }), deviceId);
    const mappings = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`${n}`, "x".repeat(100)]));
    await auth.keys.set({ "lid-mapping": mappings });
    vi.mocked(db.pool.query).mockClear();
    expect(await auth.keys.get("lid-mapping", Object.keys(mappings))).toEqual(mappings);
    expect(statements("whatsapp_read")).toBe(1);
  });
});

describe("after an exchange of keys", () => {
  test("all is sealed anew beside those who write, and the old key can go", async () => {
    const [deviceId, otherId] = [await newDevice(), await newDevice()];
    const store = await newStore();
    const auth = open(store, deviceId);
    await auth.creds.save(initAuthCreds());
    await auth.keys.set({ "lid-mapping": Object.fromEntries(Array.from({ length: 1200 }, (_, n) => [`${n}`, `${n}`])), inbox: { ID: entry("ID") } });
    await open(store, otherId).keys.set({ "lid-mapping": { one: "1" } });

    keys = [randomBytes(32), ...keys];
    const { sealer } = await openSealing(db.pool, { keys, origin: "both" });
    await resealNameKey(db.pool, sealer);
    const progress: number[] = [];
    const { resealed } = await reseal(db.pool, sealer, SEALED_OF_WHATSAPP, ({ rows }) => progress.push(rows));
    expect(resealed).toBeGreaterThan(1200);
    expect(progress.length).toBeGreaterThan(4);
    expect((await reseal(db.pool, sealer, SEALED_OF_WHATSAPP, () => {})).resealed).toBe(0);

    keys = keys.slice(0, 1);
    const fresh = await newStore();
    expect(await open(fresh, deviceId).creds.load()).toBeDefined();
    expect(await open(fresh, deviceId).keys.get("lid-mapping", ["0", "1199"])).toEqual({ "0": "0", "1199": "1199" });
    expect(await open(fresh, otherId).keys.get("lid-mapping", ["one"])).toEqual({ one: "1" });
    expect((await fresh.takeInbox(nodeId, 10)).map((one) => one.entry?.messageId)).toEqual(["ID"]);
  });
});
