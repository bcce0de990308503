// How often a token may ask: as many requests at once as a minute allows, and after that at that pace. Each process counts for itself; where there is Redis, all of them together as well (cache/request-limit.ts).

import { LRUCache } from "lru-cache";
import { type Clock, MINUTE_MS, SECOND_MS } from "../lib/clock.ts";

export interface RequestLimit {
  /** Counts a request. Null where it may be made, else in how many seconds the next one may. */
  take(tokenId: string): Promise<number | null>;
}

export const UNLIMITED: RequestLimit = { take: async () => null };

type Bucket = { left: number; at: number };

/** Tokens that have asked lately; who is forgotten begins anew, with a minute's worth. */
const MOST_REMEMBERED = 10_000;

export function createRequestLimit(clock: Clock, perMinute: number): RequestLimit {
  const buckets = new LRUCache<string, Bucket>({ max: MOST_REMEMBERED });
  const perMs = perMinute / MINUTE_MS;

  return {
    async take(tokenId) {
      const now = clock.monotonic();
      const before = buckets.get(tokenId) ?? { left: perMinute, at: now };
      const left = Math.min(perMinute, before.left + (now - before.at) * perMs);
      const isAllowed = left >= 1;
      buckets.set(tokenId, { left: isAllowed ? left - 1 : left, at: now });
      return isAllowed ? null : Math.max(1, Math.ceil((1 - left) / perMs / SECOND_MS));
    },
  };
}
