// Redis as it comes and goes: what processes tell one another through it, and what holds without.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RequestLimit } from "../../src/access/request-limit.ts";
import { createSharedRequestLimit } from "../../src/cache/request-limit.ts";
import type { Bell } from "../../src/events/bell.ts";
import { createSharedBell } from "../../src/events/shared-bell.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { eventually } from "../support/eventually.ts";
import { connectedRedis, connectTo, untilAnswering } from "../support/redis.ts";
import { noRedis, type RedisServer, startRedisServer } from "../support/redis-server.ts";

const reason = noRedis ? ` (${noRedis})` : "";

describe.skipIf(noRedis)(`Redis${reason}`, () => {
  let server: RedisServer;
  const stops: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    server = await startRedisServer();
    stops.push(server.stop);
  });
  afterAll(async () => {
    for (const stop of stops.toReversed()) await stop();
  });

  const connected = async (prefix: string, url = server.url) => {
    const made = await connectedRedis(url, prefix);
    stops.push(made.redis.stop);
    return made;
  };
  const bellOf = async (prefix: string) => createSharedBell((await connected(prefix)).redis, systemClock);
  const heardBy = (bell: Bell) => {
    const heard: string[] = [];
    for (const topic of ["events", "devices"] as const) bell.listen(topic, () => void heard.push(topic));
    return heard;
  };
  /** Rings until it is heard: a subscription takes its time. */
  const ringUntilHeard = (bell: Bell, heard: readonly string[]) => eventually(() => (bell.ring("events"), heard.includes("events")), "the other process hears the bell", 20_000);

  test("carries a ring to the other processes, and to none of another installation", async () => {
    const [one, other, stranger] = [await bellOf("a"), await bellOf("a"), await bellOf("b")];
    const [own, heard, strange] = [heardBy(one), heardBy(other), heardBy(stranger)];
    await ringUntilHeard(one, heard);
    one.ring("devices");
    expect(own.at(-1)).toBe("devices"); // at once
    await eventually(() => heard.includes("devices"), "the other process hears it");
    const ofOne = own.length;
    other.ring("devices");
    await eventually(() => own.length > ofOne, "and the other way");
    expect(strange).toEqual([]);
  });

  test("counts a token's requests over all processes; without it, each for itself", async () => {
    const [one, other] = [await connected("limit"), await connected("limit")];
    const limits = [one, other].map(({ redis }) => createSharedRequestLimit(redis, systemClock, 10));
    const taken = async (limit: RequestLimit | undefined, times: number, token: string) => {
      const answers: (number | null | undefined)[] = [];
      for (let time = 0; time < times; time++) answers.push(await limit?.take(token));
      return answers.filter((answer) => answer === null).length;
    };
    expect([await taken(limits[0], 6, "token"), await taken(limits[1], 6, "token")]).toEqual([6, 4]);
    expect(await limits[0]?.take("token")).toBeGreaterThan(0);
    expect(await taken(limits[1], 3, "another token")).toBe(3);

    // Emptied, it has forgotten, and each process has not: at most what each would allow by itself.
    await server.flush();
    expect([await taken(limits[0], 20, "token"), await taken(limits[1], 20, "token")]).toEqual([3, 4]);

    await server.kill();
    expect([await taken(limits[0], 20, "late"), await taken(limits[1], 20, "late")]).toEqual([10, 10]);
    await server.start();
    await Promise.all([one, other].map(({ redis }) => untilAnswering(redis)));
    expect(await taken(limits[0], 20, "late")).toBe(0);
  });

  test("that hangs costs one request of each second a tenth of one, and the others nothing", async () => {
    const { redis, log } = await connected("hanging");
    server.suspend();
    try {
      const from = performance.now();
      expect(await redis.command("PING")).toBeUndefined();
      expect(performance.now() - from).toBeGreaterThan(50);
      // Answered before anything else happens.
      const later = new Promise<string>((resolve) => setImmediate(() => resolve("later")));
      const next = Promise.all(Array.from({ length: 1000 }, () => redis.command("PING")));
      expect(await Promise.race([next, later])).toEqual(Array(1000).fill(undefined));
    } finally {
      server.resume();
    }
    await untilAnswering(redis);
    expect(log.map((line) => JSON.parse(line).msg)).toEqual(["Redis does not answer; going on without it, until it does", "Redis answers again"]);
  });

  test("that was killed is found again, by those who listen too", async () => {
    const [one, other] = [await bellOf("killed"), await bellOf("killed")];
    const heard = heardBy(other);
    await ringUntilHeard(one, heard);
    await server.kill();
    one.ring("devices"); // heard here, and lost for the others
    await server.start();
    heard.length = 0;
    await ringUntilHeard(one, heard);
  });

  test("whose password is wrong is told of once, without the password", async () => {
    const guarded = await startRedisServer("--requirepass", "right-password");
    stops.push(guarded.stop);
    const { redis: refused, log } = await connectTo(guarded.url.replace("//", "//:wrong-password@"), "guarded");
    stops.push(refused.stop);
    await eventually(() => log.length > 0, "it is told of");
    expect(await refused.command("PING")).toBeUndefined();
    expect(log.map((line) => JSON.parse(line).msg)).toEqual(["Redis does not answer; going on without it, until it does"]);
    expect(log.join()).not.toContain("wrong-password");
    const { redis } = await connected("guarded", guarded.url.replace("//", "//:right-password@"));
    expect(String(await redis.command("PING"))).toBe("PONG");
  }, 60_000);

  test("may be a cluster", async () => {
    const nodes = await Promise.all([0, 1].map(() => startRedisServer("--cluster-enabled", "yes")));
    for (const node of nodes) stops.push(node.stop);
    await Promise.all(nodes.map((node, index) => node.ask((client) => client.cluster("ADDSLOTSRANGE", index * 8192, index * 8192 + 8191))));
    const [first, second] = nodes;
    if (!first || !second) throw new Error("no nodes");
    await first.ask((client) => client.cluster("MEET", "127.0.0.1", Number(new URL(second.url).port)));
    await Promise.all(nodes.map((node) => eventually(async () => (await node.ask((client) => client.cluster("INFO"))).includes("cluster_state:ok"), "the cluster is whole", 30_000)));
    const url = nodes.map((node) => node.url).join(",");
    const { redis } = await connected("cluster", url);
    const limit = createSharedRequestLimit(redis, systemClock, 5);
    const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => limit.take(`token ${index % 8}`)));
    expect(answers.every((answer) => answer === null)).toBe(true);
    expect(await limit.take("token 1")).toBeGreaterThan(0);
    const bell = createSharedBell(redis, systemClock);
    const other = createSharedBell((await connected("cluster", url)).redis, systemClock);
    await ringUntilHeard(bell, heardBy(other));
  }, 60_000);
});
