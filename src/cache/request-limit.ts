// How often a token may ask, counted over all processes. Each still counts for itself as well: when Redis goes, or forgets, no process lets through more than it
// would have without.

import { createRequestLimit, type RequestLimit } from "../access/request-limit.ts";
import { type Clock, MINUTE_MS, SECOND_MS } from "../lib/clock.ts";
import type { Redis } from "./redis.ts";

/** The same bucket as a process's own, by the clock of Redis. Gives -1, or for how many milliseconds there is none. A full bucket need not be remembered. */
const TAKE = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + time[2] / 1000
  local most, per_ms = tonumber(ARGV[1]), tonumber(ARGV[1]) / ${MINUTE_MS}
  local before = redis.call('HMGET', KEYS[1], 'left', 'at')
  local left = most
  if before[1] then left = math.min(most, before[1] + math.max(0, now - before[2]) * per_ms) end
  local wait = -1
  if left >= 1 then left = left - 1 else wait = math.ceil((1 - left) / per_ms) end
  redis.call('HSET', KEYS[1], 'left', string.format('%.17g', left), 'at', string.format('%.17g', now))
  redis.call('PEXPIRE', KEYS[1], ${MINUTE_MS})
  return wait`;

export function createSharedRequestLimit(redis: Redis, clock: Clock, perMinute: number): RequestLimit {
  const own = createRequestLimit(clock, perMinute);
  return {
    async take(tokenId) {
      const refused = await own.take(tokenId);
      if (refused !== null) return refused;
      const waitMs = await redis.command("EVAL", TAKE, 1, redis.key("limit", tokenId), perMinute);
      return typeof waitMs === "number" && waitMs >= 0 ? Math.max(1, Math.ceil(waitMs / SECOND_MS)) : null;
    },
  };
}
