import { randomUUID } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Clock } from "../lib/clock.ts";
import { type CacheStore, LIFE_MS } from "./cache.ts";

const MOST_GROUPS = 1000;

/** More than the devices of a workspace, with a few lists of them; what comes beyond is read anew each time. */
const MOST_VALUES = 10_000;

type Group = { readonly id: string; readonly until: number; readonly values: Map<string, unknown> };

/** In this process's memory: always there, and known to no other process. */
export function createLocalStore(clock: Clock): CacheStore {
  const groups = new LRUCache<string, Group>({ max: MOST_GROUPS });

  const current = (name: string): Group => {
    const known = groups.get(name);
    if (known && clock.monotonic() < known.until) return known;
    const group = { id: randomUUID(), until: clock.monotonic() + LIFE_MS, values: new Map() };
    groups.set(name, group);
    return group;
  };

  return {
    async open(name, fields) {
      const { id, values } = current(name);
      return { id, known: new Map(fields.filter((field) => values.has(field)).map((field) => [field, values.get(field)])) };
    },
    async put(name, id, read) {
      const group = current(name);
      if (group.id !== id) return;
      for (const [field, value] of read) if (group.values.size < MOST_VALUES) group.values.set(field, value);
    },
    forget: (name) => void groups.delete(name),
  };
}
