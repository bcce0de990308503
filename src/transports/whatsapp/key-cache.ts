import { LRUCache } from "lru-cache";

/** What a place in the cache costs beside its letters (measured). */
const PLACE_BYTES = 250;

/** Read in Postgres: there is nothing under this name. */
export const NOTHING = "";

/** Values of keys, encoded, of all devices. Only what is committed, and only of devices that this node holds: nobody else writes those. */
export type KeyCache = LRUCache<string, string>;

export const createKeyCache = (maxBytes: number): KeyCache =>
  new LRUCache({ maxSize: maxBytes, sizeCalculation: (value, key) => PLACE_BYTES + key.length + value.length });
