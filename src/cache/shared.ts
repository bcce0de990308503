// What the processes of one installation share beside Postgres, where there is Redis; else each has its own.

import { createHash } from "node:crypto";
import { createRequestLimit, type RequestLimit } from "../access/request-limit.ts";
import { type Bell, createBell } from "../events/bell.ts";
import { createSharedBell } from "../events/shared-bell.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { type Cache, createCache } from "./cache.ts";
import { createLocalStore } from "./local-store.ts";
import { connectRedis } from "./redis.ts";
import { createRedisStore } from "./redis-store.ts";
import { createSharedRequestLimit } from "./request-limit.ts";

export type Shared = { readonly bell: Bell; readonly cache: Cache; readonly limit: RequestLimit; stop(): Promise<void> };

export type SharedOptions = {
  readonly redisUrls: readonly URL[] | undefined;
  /** What only this installation has: others may use the same Redis. */
  readonly installation: Buffer;
  readonly requestsPerMinute: number;
  readonly clock: Clock;
  readonly logger: Logger;
};

export async function startShared({ redisUrls, installation, requestsPerMinute, clock, logger }: SharedOptions): Promise<Shared> {
  const local = createLocalStore(clock);
  if (!redisUrls) return { bell: createBell(), cache: createCache(local), limit: createRequestLimit(clock, requestsPerMinute), stop: async () => {} };
  const prefix = `rentak:${createHash("sha256").update("redis").update(installation).digest("hex").slice(0, 16)}`;
  const redis = await connectRedis({ urls: redisUrls, prefix, clock, logger });
  return {
    bell: createSharedBell(redis, clock),
    cache: createCache(createRedisStore(redis), local),
    limit: createSharedRequestLimit(redis, clock, requestsPerMinute),
    stop: () => redis.stop(),
  };
}
