import type { SignalDataTypeMap } from "baileys";
import { describe, expect, test } from "vitest";
import type { DeviceKeys, KeyData } from "../../../../src/transports/whatsapp/auth-port.ts";
import { createTransactedKeys } from "../../../../src/transports/whatsapp/key-transactions.ts";

type Kept = DeviceKeys & {
  readonly kept: Map<string, unknown>;
  readonly sets: KeyData[];
  /** Commits that wait for `commit`. */
  readonly commits: { resolve(): void; reject(error: Error): void }[];
  readError: Error | undefined;
};

/** What is set is read at once and committed when the test says so. */
function keysInMemory({ isSlow = false } = {}): Kept {
  const kept = new Map<string, unknown>();
  let failures = 0;
  const keys: Kept = {
    kept,
    sets: [],
    commits: [],
    readError: undefined,
    async get<T extends keyof SignalDataTypeMap>(type: T, ids: readonly string[]) {
      if (keys.readError) throw keys.readError;
      return Object.fromEntries(ids.flatMap((id) => (kept.has(`${type}/${id}`) ? [[id, kept.get(`${type}/${id}`)]] : []))) as { [id: string]: SignalDataTypeMap[T] };
    },
    set(data) {
      keys.sets.push(structuredClone(data));
      for (const [type, values] of Object.entries(data)) {
        for (const [id, value] of Object.entries(values ?? {})) {
          if (value === null) kept.delete(`${type}/${id}`);
          else kept.set(`${type}/${id}`, value);
        }
      }
      if (!isSlow) return Promise.resolve();
      return new Promise<void>((resolve, reject) =>
        keys.commits.push({
          resolve,
          reject(error) {
            failures += 1;
            reject(error);
          },
        }),
      );
    },
    failures: () => failures,
  };
  return keys;
}

/** Until all that can go on has done so. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("a transaction", () => {
  test("commits all that was written in it at once, before it resolves", async () => {
    const keys = keysInMemory({ isSlow: true });
    const transacted = createTransactedKeys(keys);
    let hasResolved = false;
    const done = transacted
      .transaction(async () => {
        await transacted.set({ "lid-mapping": { one: "1" } });
        await transacted.set({ "lid-mapping": { two: "2" }, "device-list": { one: ["0"] } });
        await transacted.set({ "lid-mapping": { one: null } });
        return "value";
      }, "jid")
      .finally(() => (hasResolved = true));
    await settled();
    expect(keys.sets).toEqual([{ "lid-mapping": { one: null, two: "2" }, "device-list": { one: ["0"] } }]);
    expect(hasResolved).toBe(false);
    keys.commits[0]?.resolve();
    expect(await done).toBe("value");
  });

  test("reads what it has written, and nobody else does until it has ended", async () => {
    const keys = keysInMemory();
    const transacted = createTransactedKeys(keys);
    await keys.set({ "lid-mapping": { one: "1", two: "2" } });
    await transacted.transaction(async () => {
      await transacted.set({ "lid-mapping": { one: "new", two: null } });
      expect(await transacted.get("lid-mapping", ["one", "two", "three"])).toEqual({ one: "new" });
      expect(keys.kept.get("lid-mapping/one")).toBe("1");
    }, "jid");
    expect(await transacted.get("lid-mapping", ["one", "two"])).toEqual({ one: "new" });
  });

  test("inside another is part of it", async () => {
    const keys = keysInMemory();
    const transacted = createTransactedKeys(keys);
    await transacted.transaction(async () => {
      await transacted.transaction(() => transacted.set({ "lid-mapping": { one: "1" } }), "other");
      expect(keys.sets).toEqual([]);
      expect(transacted.isInTransaction()).toBe(true);
    }, "jid");
    expect(keys.sets).toHaveLength(1);
    expect(transacted.isInTransaction()).toBe(false);
  });

  test("that fails writes nothing, and the next one has its turn", async () => {
    const keys = keysInMemory();
    const transacted = createTransactedKeys(keys);
    const failed = transacted.transaction(async () => {
      await transacted.set({ "lid-mapping": { one: "1" } });
      throw new Error("no");
    }, "jid");
    const next = transacted.transaction(() => transacted.set({ "lid-mapping": { two: "2" } }), "jid");
    await expect(failed).rejects.toThrow("no");
    await next;
    expect(keys.sets).toEqual([{ "lid-mapping": { two: "2" } }]);
  });

  test("rejects where something could not be read, though that was taken for nothing being there", async () => {
    const keys = keysInMemory();
    const transacted = createTransactedKeys(keys);
    keys.readError = new Error("Postgres is away");
    const result = transacted.transaction(async () => {
      await transacted.get("session", ["them"]).catch(() => undefined);
      await transacted.set({ "lid-mapping": { one: "1" } });
    }, "jid");
    await expect(result).rejects.toThrow("Postgres is away");
    expect(keys.sets).toEqual([]);
  });
});

describe("transactions of a device", () => {
  test("have turns, under whatever names", async () => {
    const keys = keysInMemory();
    const transacted = createTransactedKeys(keys);
    const count = async () => {
      const { them: [before] = ["0"] } = await transacted.get("device-list", ["them"]);
      await settled();
      await transacted.set({ "device-list": { them: [`${Number(before) + 1}`] } });
    };
    await Promise.all(Array.from({ length: 20 }, (_, index) => transacted.transaction(count, `jid ${index}`)));
    expect(keys.kept.get("device-list/them")).toEqual(["20"]);
  });

  test("have turns over its connections, too", async () => {
    const keys = keysInMemory();
    const order: string[] = [];
    const { promise: ends, resolve: end } = Promise.withResolvers<void>();
    const earlier = createTransactedKeys(keys).transaction(() => ends.then(() => order.push("earlier")), "jid");
    const later = createTransactedKeys(keys).transaction(async () => order.push("later"), "jid");
    await settled();
    end();
    await Promise.all([earlier, later]);
    expect(order).toEqual(["earlier", "later"]);
  });

  test("do not wait for one another's commits", async () => {
    const keys = keysInMemory({ isSlow: true });
    const transacted = createTransactedKeys(keys);
    const all = Promise.all(Array.from({ length: 5 }, (_, n) => transacted.transaction(() => transacted.set({ "lid-mapping": { [`${n}`]: "1" } }), "jid")));
    await settled();
    expect(keys.commits).toHaveLength(5);
    for (const { resolve } of keys.commits) resolve();
    await all;
  });

  test("that began on what could not be committed fail", async () => {
    const keys = keysInMemory({ isSlow: true });
    const transacted = createTransactedKeys(keys);
    const first = transacted.transaction(() => transacted.set({ "lid-mapping": { one: "1" } }), "jid");
    const second = transacted.transaction(async () => {
      await settled();
      keys.commits[0]?.reject(new Error("lost"));
      await transacted.set({ "lid-mapping": { one: "2" } });
    }, "jid");
    await expect(first).rejects.toThrow("lost");
    await expect(second).rejects.toThrow("what this was derived from could not be written");
    expect(keys.sets).toHaveLength(1);
  });

  test("that look up LIDs wait for nobody: whoever has the turn may wait for them", async () => {
    const keys = keysInMemory();
    const transacted = createTransactedKeys(keys);
    const { promise: lookedUp, resolve } = Promise.withResolvers<void>();
    const waiting = transacted.transaction(() => lookedUp, "jid");
    await settled();
    await transacted.transaction(() => transacted.set({ "lid-mapping": { one: "1" } }), "lid-mapping");
    resolve();
    await waiting;
    expect(keys.sets).toEqual([{ "lid-mapping": { one: "1" } }]);
  });

  test("are of that device alone", async () => {
    const [ours, theirs] = [keysInMemory(), keysInMemory()];
    const [our, their] = [createTransactedKeys(ours), createTransactedKeys(theirs)];
    await our.transaction(async () => {
      await their.set({ "lid-mapping": { one: "1" } });
      expect(their.isInTransaction()).toBe(false);
    }, "jid");
    expect([ours.sets, theirs.sets]).toEqual([[], [{ "lid-mapping": { one: "1" } }]]);
  });

  test("write for themselves what goes on after their end", async () => {
    const keys = keysInMemory();
    const transacted = createTransactedKeys(keys);
    const { promise: later, resolve: goOn } = Promise.withResolvers<void>();
    const unawaited: Promise<void>[] = [];
    await transacted.transaction(async () => void unawaited.push(later.then(() => transacted.set({ "lid-mapping": { late: "1" } }))), "jid");
    goOn();
    await Promise.all(unawaited);
    expect(keys.sets).toEqual([{ "lid-mapping": { late: "1" } }]);
  });
});
