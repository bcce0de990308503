// A subscriber's way through the event log: what happened since its cursor, then what happens from now on, with no gap in between.

import type pg from "pg";
import { decodeCursor, encodeCursor, type Place, type Position } from "./cursor.ts";
import { currentSnapshot, type EventRow, isKept, readBetween } from "./read.ts";
import type { Batch, OnRead, Tailer } from "./tailer.ts";
import { CursorExpiredError, type EventLog, type FollowOptions, type LoggedEvent } from "./types.ts";

const PAGE = 500;

/** A reader that is so many events behind reads them from Postgres again, instead of having them kept in memory for it. */
const MAX_BUFFERED = 2000;

export type EventLogOptions = { readonly pool: pg.Pool; readonly tailer: Tailer; readonly generation: string; readonly onRead?: OnRead };

export function createEventLog({ pool, tailer, generation, onRead }: EventLogOptions): EventLog {
  const toEvent = (row: EventRow, position: Position): LoggedEvent => ({ ...row, cursor: encodeCursor(position) });

  /** The same object for all who hear of it live: what it shows is put together once for all of them. */
  const shared = new WeakMap<EventRow, LoggedEvent>();

  /** One workspace's events between two snapshots, read page by page. */
  async function* replay(workspaceId: string, seen: string, until: string, after: Position["within"]): AsyncGenerator<LoggedEvent> {
    let place = after?.place;
    for (;;) {
      const rows = await readBetween(pool, workspaceId, { seen, until, place }, PAGE);
      onRead?.(rows);
      for (const row of rows) yield toEvent(row, { generation, seen, within: { until, place: placeOf(row) } });
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      place = placeOf(last);
    }
  }

  function* ofBatch(workspaceId: string, { seen, until }: Batch, rows: readonly EventRow[]): Generator<LoggedEvent> {
    for (const row of rows) {
      if (row.workspaceId !== workspaceId) continue;
      const event = shared.get(row) ?? toEvent(row, { generation, seen, within: { until, place: placeOf(row) } });
      shared.set(row, event);
      yield event;
    }
  }

  async function* live(workspaceId: string, inbox: Inbox): AsyncGenerator<LoggedEvent> {
    for (let batch = await inbox.next(); batch !== undefined; batch = await inbox.next()) {
      if (batch.rows === null) yield* replay(workspaceId, batch.seen, batch.until, undefined);
      else yield* ofBatch(workspaceId, batch, batch.rows);
    }
  }

  const mustBeKept = async ({ seen }: Position) => {
    if (!(await isKept(pool, seen))) throw new CursorExpiredError("'after' is older than the events that are kept, and what has happened in between cannot be told any more. Leave 'after' out, and read anew what you keep a copy of.");
  };

  async function* everything({ workspaceId, after, signal }: FollowOptions): AsyncGenerator<LoggedEvent> {
    const position = after === undefined ? undefined : decodeCursor(after, generation);
    if (position) await mustBeKept(position);
    const inbox = createInbox();
    // Listening first, reading the past second: what commits in between is in the batches that wait by then.
    const { from, stop } = await tailer.listen(inbox.put);
    const close = () => inbox.close();
    signal.addEventListener("abort", close, { once: true });
    if (signal.aborted) close();
    try {
      if (position?.within) yield* replay(workspaceId, position.seen, position.within.until, position.within);
      if (position) yield* replay(workspaceId, position.within?.until ?? position.seen, from, undefined);
      // Afterwards as well: they may be dropped while they are read.
      if (position) await mustBeKept(position);
      yield* live(workspaceId, inbox);
    } finally {
      stop();
      signal.removeEventListener("abort", close);
    }
  }

  async function* wanted(options: FollowOptions): AsyncGenerator<LoggedEvent> {
    for await (const event of everything(options)) {
      if (options.signal.aborted) return;
      if (options.wants(event)) yield event;
    }
  }

  return {
    end: async () => encodeCursor({ generation, seen: await currentSnapshot(pool) }),
    follow(options) {
      const left = new AbortController();
      const events = wanted({ ...options, signal: AbortSignal.any([options.signal, left.signal]) });
      return {
        next: () => events.next(),
        // A generator that waits for its next event does not hear that it is to return; the signal wakes it.
        return() {
          left.abort();
          return events.return(undefined);
        },
        [Symbol.asyncIterator]() {
          return this;
        },
      };
    },
  };
}

const placeOf = ({ xid, id, index }: EventRow): Place => ({ xid, id, index });

/** The batches that a reader has not come to yet: few in memory, and beyond that only from where to where they go. */
type Inbox = {
  readonly put: (batch: Batch) => void;
  /** Undefined once it is closed. */
  readonly next: () => Promise<Batch | undefined>;
  readonly close: () => void;
};

function createInbox(): Inbox {
  const batches: Batch[] = [];
  let buffered = 0;
  let closed = false;
  let wake: (() => void) | undefined;

  return {
    put(batch) {
      buffered += batch.rows?.length ?? 0;
      const last = batches.at(-1);
      if (last !== undefined && (last.rows === null || buffered > MAX_BUFFERED)) {
        // Batches follow one another without a gap, so that two of them are one longer span.
        batches[batches.length - 1] = { seen: last.seen, until: batch.until, rows: null };
        buffered -= (last.rows?.length ?? 0) + (batch.rows?.length ?? 0);
      } else {
        batches.push(batch);
      }
      wake?.();
    },
    async next() {
      while (batches.length === 0 && !closed) await new Promise<void>((resolve) => (wake = resolve));
      if (closed) return undefined;
      const batch = batches.shift();
      buffered -= batch?.rows?.length ?? 0;
      return batch;
    },
    close() {
      closed = true;
      wake?.();
    },
  };
}
