import type { CacheStore } from "baileys";
import { LRUCache } from "lru-cache";
import { HOUR_MS, MINUTE_MS } from "../../lib/clock.ts";

/** What all sockets of the process share: each with caches of its own, three thousand of them would hold as many lists of the same people's devices. */
export type SharedCaches = {
  /** Which devices a person has. WhatsApp tells of changes, so that they are asked for again after hours, not minutes. */
  readonly userDevicesCache: CacheStore;
  readonly msgRetryCounterCache: CacheStore;
  readonly callOfferCache: CacheStore;
  readonly placeholderResendCache: CacheStore;
};

export const createCaches = (): SharedCaches => ({
  userDevicesCache: bounded(30_000, 6 * HOUR_MS),
  msgRetryCounterCache: bounded(20_000, HOUR_MS),
  callOfferCache: bounded(1000, 5 * MINUTE_MS),
  placeholderResendCache: bounded(1000, HOUR_MS),
});

function bounded(max: number, ttl: number): CacheStore {
  const entries = new LRUCache<string, NonNullable<unknown>>({ max, ttl });
  return {
    get: <T>(key: string) => entries.get(key) as T | undefined,
    set: (key, value) => void entries.set(key, value as NonNullable<unknown>),
    del: (key) => void entries.delete(key),
    flushAll: () => entries.clear(),
  };
}
