// The connection to Redis, one per process. It may be away at any time: what is asked of it then fails at once, or within a tenth of a second, and
// whoever has asked does without. Nothing waits for it, and nothing is kept to be told later.

import type { Cluster, RedisOptions, Redis as SingleRedis } from "ioredis";
import { type Clock, SECOND_MS } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";

export interface Redis {
  /** The answer, with texts as Buffers; undefined where Redis is away, too slow, or refuses. */
  command(name: string, ...args: readonly (string | number | Buffer)[]): Promise<unknown>;
  /** Calls `heard` with what anybody publishes on the channel, this process too, for as long as the connection lives; it is made anew when it breaks. */
  subscribe(channel: string, heard: (message: string) => void): void;
  /** A key, or a channel, that no other installation has. */
  key(...parts: readonly string[]): string;
  stop(): Promise<void>;
}

/** Longer than any answer takes on a network that is worth a cache: nobody waits for what Postgres would have given by then. */
const ANSWER_MS = 100;

/** After a command without answer none is sent for so long: a Redis that hangs costs one request of each second a tenth of one. */
const REST_MS = SECOND_MS;

/** The first attempts come soon, as after a restart; then one every two seconds. */
const reconnectInMs = (times: number): number => Math.min(2000, 50 * 2 ** Math.min(times, 6)) * (0.75 + Math.random() / 2);

const OPTIONS = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 2 * SECOND_MS,
  keepAlive: 10 * SECOND_MS,
  // Nobody is left waiting on a connection that has died in silence; it is given up, and made anew.
  socketTimeout: 5 * SECOND_MS,
} as const satisfies RedisOptions;

export type RedisConnectionOptions = {
  /** One address, or several of one cluster's. */
  readonly urls: readonly URL[];
  /** What the keys of this installation begin with. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly logger: Logger;
};

export async function connectRedis({ urls, prefix, clock, logger }: RedisConnectionOptions): Promise<Redis> {
  const client = await createClient(urls, { commandTimeout: ANSWER_MS });
  const subscriber = await createClient(urls, {});
  const channels = new Map<string, (message: string) => void>();
  let isThere: boolean | undefined;
  let restUntil = -Infinity;

  const away = (error: unknown) => {
    restUntil = clock.monotonic() + REST_MS;
    if (isThere !== false) logger.warn({ err: error }, "Redis does not answer; going on without it, until it does");
    isThere = false;
  };
  client.on("error", away);
  client.on("ready", () => {
    restUntil = -Infinity;
  });
  // The same Redis: the other connection tells of it.
  subscriber.on("error", () => {});
  // At each connection: one that was lost has forgotten what it was subscribed to.
  subscriber.on("ready", () => channels.size > 0 && void subscriber.subscribe(...channels.keys()).catch(away));
  subscriber.on("message", (channel, message) => channels.get(channel)?.(message));
  for (const each of [client, subscriber]) void each.connect().catch(away);

  return {
    async command(name, ...args) {
      if (client.status !== "ready" || clock.monotonic() < restUntil) return undefined;
      try {
        const answer = await client.callBuffer(name, [...args]);
        if (isThere === false) logger.info("Redis answers again");
        isThere = true;
        return answer;
      } catch (error) {
        away(error);
        return undefined;
      }
    },
    subscribe(channel, heard) {
      channels.set(channel, heard);
      if (subscriber.status === "ready") void subscriber.subscribe(channel).catch(away);
    },
    key: (...parts) => [prefix, ...parts].join(":"),
    async stop() {
      client.disconnect();
      subscriber.disconnect();
    },
  };
}

async function createClient(urls: readonly URL[], options: Pick<RedisOptions, "commandTimeout">): Promise<SingleRedis | Cluster> {
  const { Cluster, Redis } = await import("ioredis"); // only where it is wanted: it takes a quarter of a second to load
  const [first] = urls;
  if (!first) throw new Error("no address of Redis");
  if (urls.length === 1) return new Redis(first.href, { ...OPTIONS, ...options, retryStrategy: reconnectInMs, lazyConnect: true });
  const { enableOfflineQueue, ...perNode } = OPTIONS;
  return new Cluster(urls.map(({ hostname, port }) => ({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 6379) })), {
    enableOfflineQueue,
    clusterRetryStrategy: reconnectInMs,
    lazyConnect: true,
    redisOptions: {
      ...perNode,
      ...options,
      ...(first.username && { username: decodeURIComponent(first.username) }),
      ...(first.password && { password: decodeURIComponent(first.password) }),
      ...(first.protocol === "rediss:" && { tls: {} }),
    },
  });
}
