// Reads the event log as it grows, once per process, and hands each batch to all who listen.

import type pg from "pg";
import { createLoop } from "../lib/loop.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Bell } from "./bell.ts";
import { currentSnapshot, type EventRow, readNew } from "./read.ts";

const POLL_MS = 100;

/** More than this at once is read by each reader for itself, page by page, so that no batch is ever larger than this in memory. */
const MAX_BATCH = 5000;

/** What committed between two snapshots. `rows` is null where it was too much to hand round. */
export type Batch = { readonly seen: string; readonly until: string; readonly rows: readonly EventRow[] | null };

/** Hears of events before they are told to anybody. */
export type OnRead = (rows: readonly EventRow[]) => void;

export interface Tailer {
  /** Calls `heard` with every batch from now on. Resolves with the snapshot that the first one goes on from, and how to stop. */
  listen(heard: (batch: Batch) => void): Promise<{ readonly from: string; readonly stop: () => void }>;
  /** Milliseconds since the log was last read; 0 while nobody listens. */
  lagMs(): number;
  stop(): Promise<void>;
}

export type TailerOptions = {
  readonly pool: pg.Pool;
  readonly bell: Bell;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Is told before those who listen. */
  readonly onRead?: OnRead;
};

export function createTailer({ pool, bell, clock, logger, onRead }: TailerOptions): Tailer {
  const listeners = new Set<(batch: Batch) => void>();
  let seen: string | undefined;
  let starting: Promise<void> | undefined;
  let failing = false;
  let readAt = clock.monotonic();

  const cycle = async () => {
    if (seen === undefined) return;
    const from = seen;
    const { snapshot, rows, complete } = await readNew(pool, from, MAX_BATCH);
    failing = false;
    readAt = clock.monotonic();
    if (seen !== from) return; // everybody left meanwhile, and the next reading begins anew
    seen = snapshot;
    if (rows.length === 0) return;
    const batch = { seen: from, until: snapshot, rows: complete ? rows : null };
    if (complete) onRead?.(rows);
    for (const heard of listeners) heard(batch);
  };

  const onError = (error: unknown) => {
    // Once, not ten times a second for as long as Postgres is away.
    if (!failing) logger.warn({ err: error }, "the event log could not be read, to be tried again");
    failing = true;
  };
  const loop = createLoop({ cycle, intervalMs: POLL_MS, clock, onError });
  const silence = bell.listen("events", () => seen !== undefined && loop.wake());

  /** Nobody listens: nothing is read. The first who does sets where the reading begins. */
  const begin = async () => {
    seen = await currentSnapshot(pool);
    readAt = clock.monotonic();
    loop.start();
  };

  return {
    async listen(heard) {
      if (seen === undefined) {
        starting ??= begin().finally(() => {
          starting = undefined;
        });
        await starting;
      }
      if (seen === undefined) throw new Error("the event log's reader has been stopped");
      listeners.add(heard);
      return {
        from: seen,
        stop() {
          listeners.delete(heard);
          if (listeners.size > 0) return;
          seen = undefined;
          void loop.stop();
        },
      };
    },
    lagMs: () => (seen === undefined ? 0 : clock.monotonic() - readAt),
    async stop() {
      silence();
      seen = undefined;
      await loop.stop();
    },
  };
}

