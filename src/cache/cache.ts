// Answers that may be a second old, kept by group, so that a thousand dashboards cost Postgres what one does. A cache never says what happened: what it
// holds was read from Postgres, and goes by itself.

import { randomUUID } from "node:crypto";

/** How old an answer can be. */
export const LIFE_MS = 1000;

export interface Cache {
  /** What `ask` gives for the field, or gave for it in the last second. Whoever asks meanwhile gets the same. */
  read<T>(group: string, field: string, ask: () => Promise<T>): Promise<T>;
  /** The same for many fields; `ask` is called with those that nobody knows, and gives as many values in their order. */
  readMany<T>(group: string, fields: readonly string[], ask: (unknown: readonly string[]) => Promise<readonly T[]>): Promise<T[]>;
  /** What was read before is not given any more, nor what is being read. To be called once the change is committed. */
  forget(group: string): void;
}

/** Where the answers are. A group lives for a second in all and is a generation; what was read in an earlier one is not put into a later one. */
export interface CacheStore {
  /** Undefined where the store is away. */
  open(group: string, fields: readonly string[]): Promise<Generation | undefined>;
  put(group: string, generation: string, values: ReadonlyMap<string, unknown>): Promise<void>;
  forget(group: string): void;
}

/** `known` has the fields that have a value. */
export type Generation = { readonly id: string; readonly known: ReadonlyMap<string, unknown> };

/** Nothing is kept. */
export const uncached: Cache = {
  read: (_group, _field, ask) => ask(),
  readMany: async (_group, fields, ask) => [...(await ask(fields))],
  forget() {},
};

/** The first store that is there answers; the last one must always be. */
export function createCache(...stores: readonly CacheStore[]): Cache {
  /** By generation and field: what is being asked for now. */
  const asked = new Map<string, Promise<unknown>>();

  const open = async (group: string, fields: readonly string[]): Promise<{ store: CacheStore | undefined; generation: Generation }> => {
    for (const store of stores) {
      const generation = await store.open(group, fields);
      if (generation) return { store, generation };
    }
    return { store: undefined, generation: { id: randomUUID(), known: new Map() } };
  };

  const readMany = async <T>(group: string, fields: readonly string[], ask: (unknown: readonly string[]) => Promise<readonly T[]>): Promise<T[]> => {
    const { store, generation } = await open(group, fields);
    const keyOf = (field: string) => `${generation.id} ${field}`;
    const missing = [...new Set(fields.filter((field) => !generation.known.has(field) && !asked.has(keyOf(field))))];
    if (missing.length > 0) {
      const answer = ask(missing).then((values) => new Map(missing.map((field, index) => [field, values[index] as unknown])));
      for (const field of missing) asked.set(keyOf(field), answer.then((values) => values.get(field)));
      const settled = () => missing.forEach((field) => asked.delete(keyOf(field)));
      // Not before it is put: who has just looked there, and found nothing, would ask once more.
      void answer.then((values) => store?.put(group, generation.id, values)).then(settled, settled);
    }
    return Promise.all(fields.map(async (field) => (generation.known.has(field) ? generation.known.get(field) : asked.get(keyOf(field))) as T));
  };

  return {
    readMany,
    async read<T>(group: string, field: string, ask: () => Promise<T>) {
      const [value] = await readMany(group, [field], async () => [await ask()]);
      return value as T;
    },
    forget(group) {
      for (const store of stores) store.forget(group);
    },
  };
}
