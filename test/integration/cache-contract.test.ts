// What every cache promises, wherever it keeps its answers.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cache, createCache, type CacheStore } from "../../src/cache/cache.ts";
import { createLocalStore } from "../../src/cache/local-store.ts";
import { createRedisStore } from "../../src/cache/redis-store.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { eventually } from "../support/eventually.ts";
import { connectedRedis } from "../support/redis.ts";
import { noRedis, type RedisServer, startRedisServer } from "../support/redis-server.ts";

let server: RedisServer;
const stops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  if (noRedis) return;
  server = await startRedisServer();
  stops.push(server.stop);
});
afterAll(async () => {
  for (const stop of stops.toReversed()) await stop();
});

/** For two processes. */
type Make = () => Promise<readonly [Cache, Cache]>;

const local: Make = async () => {
  const store: CacheStore = createLocalStore(systemClock);
  return [createCache(store), createCache(store)];
};

const shared: Make = async () => {
  const prefix = crypto.randomUUID();
  const [one, other] = await Promise.all([connectedRedis(server.url, prefix), connectedRedis(server.url, prefix)]);
  stops.push(one.redis.stop, other.redis.stop);
  return [createCache(createRedisStore(one.redis)), createCache(createRedisStore(other.redis))];
};

const cases: readonly (readonly [string, Make, string | undefined])[] = [
  ["in memory", local, undefined],
  [`in Redis${noRedis ? ` (${noRedis})` : ""}`, shared, noRedis],
];

/** Tells how often it was asked. */
function counted<T>(value: () => T | Promise<T>) {
  const ask = Object.assign(async () => ((ask.times += 1), value()), { times: 0 });
  return ask;
}

describe.each(cases)("a cache %s", (_name, make, skipped) => {
  test.skipIf(skipped)("asks once in a second, for all who read, and anew when it is over", async () => {
    const [one, other] = await make();
    const ask = counted(() => ({ at: new Date(1_700_000_000_000), big: 2n ** 70n, none: null }));
    const value = await one.read("group", "field", ask);
    await eventually(async () => (await other.read("group", "field", counted(() => undefined))) !== undefined, "the other process knows it"); // it is put without waiting
    expect(await other.read("group", "field", ask)).toEqual(value);
    expect(value.at).toEqual(new Date(1_700_000_000_000));
    expect(ask.times).toBe(1);
    await eventually(async () => (await one.read("group", "field", ask), ask.times === 2), "it is asked for anew", 3000);
  });

  test.skipIf(skipped)("asks once for those who read at the same time", async () => {
    const [cache] = await make();
    const ask = counted(() => "value");
    expect(await Promise.all(Array.from({ length: 50 }, () => cache.read("group", "field", ask)))).toEqual(Array(50).fill("value"));
    expect(ask.times).toBe(1);
  });

  test.skipIf(skipped)("asks for those fields only that it does not know, whatever they are called", async () => {
    const [cache] = await make();
    const asked: string[][] = [];
    const ask = async (fields: readonly string[]) => (asked.push([...fields]), fields.map((field) => `value of ${field}`));
    expect(await cache.readMany("group", ["a", "b b", "a"], ask)).toEqual(["value of a", "value of b b", "value of a"]);
    expect(await cache.readMany("group", ['{"c":["\\u0000"]}', "b b", "a"], ask)).toEqual(['value of {"c":["\\u0000"]}', "value of b b", "value of a"]);
    expect(await cache.readMany("group", [], ask)).toEqual([]);
    expect(asked).toEqual([["a", "b b"], ['{"c":["\\u0000"]}']]);
  });

  test.skipIf(skipped)("forgets a group at once and for all processes, and nothing of the others", async () => {
    const [one, other] = await make();
    await one.read("group", "field", async () => "before");
    await one.read("another group", "field", async () => "kept");
    one.forget("group");
    expect(await one.read("group", "field", async () => "after")).toBe("after");
    expect(await other.read("group", "field", async () => "never asked for")).toBe("after");
    expect(await one.read("another group", "field", async () => "never asked for")).toBe("kept");
  });

  test.skipIf(skipped)("does not keep what was read before a change and comes after it", async () => {
    const [one, other] = await make();
    let answer: ((value: string) => void) | undefined;
    const slow = one.read("group", "field", () => new Promise<string>((resolve) => (answer = resolve)));
    await eventually(() => answer !== undefined, "it is being read");
    other.forget("group");
    await other.read("group", "another field", async () => ""); // by when it is forgotten
    expect(await one.read("group", "field", async () => "after")).toBe("after");
    answer?.("before");
    expect(await slow).toBe("before");
    expect(await one.read("group", "field", async () => "never asked for")).toBe("after");
  });

  test.skipIf(skipped)("keeps no failure, and tells all who wait of it", async () => {
    const [cache] = await make();
    const fails = () => Promise.reject(new Error("Postgres is away"));
    const read = await Promise.allSettled([cache.read("group", "field", fails), cache.read("group", "field", fails)]);
    expect(read.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await cache.read("group", "field", async () => "value")).toBe("value");
  });

  test.skipIf(skipped)("takes ten thousand fields at a time", async () => {
    const [cache] = await make();
    const fields = Array.from({ length: 10_000 }, (_, index) => `field ${index}`);
    expect(await cache.readMany("group", fields, async (unknown) => unknown)).toEqual(fields);
  });
});
