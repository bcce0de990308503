import type { ExecutionResult, GraphQLError } from "graphql";

/** So many events are shown at a time: their objects are then read together. One by one, a subscriber got 210 events a second. Where a subscriber is behind,
 *  half of them at a time: as soon as there was room for one, each event of a demo was read by itself (13,500 statements for 14,000 events). */
const AHEAD = 64;

export type ShownAheadOptions = {
  readonly source: AsyncIterator<unknown>;
  /** Its errors may be seen by the subscriber. */
  readonly show: (event: unknown) => Promise<ExecutionResult>;
  /** Ends it, whatever the source is waiting for. */
  readonly signal: AbortSignal;
  readonly close: () => void;
  readonly mask: (error: unknown) => GraphQLError;
};

/** Each event of `source` as a result, in their order. */
export function shownAhead({ source, show, signal, close, mask }: ShownAheadOptions): AsyncIterableIterator<ExecutionResult> {
  const shown: Promise<ExecutionResult>[] = [];
  const news = createNews();
  const room = createNews();
  let begun = false;
  let over = false;

  const end = () => {
    if (over) return;
    over = true;
    close();
    // Not waited for: a generator that waits for its next event returns only then.
    void Promise.resolve(source.return?.()).catch(() => {});
    news.tell();
    room.tell();
  };
  const endWith = (error: unknown) => {
    if (!over) shown.push(Promise.resolve({ errors: [mask(error)] }));
    end();
  };
  const onAbort = () => {
    const reason: unknown = signal.reason;
    // Why the server ended it, where there is something to say; what the client has not fetched yet is not waited for.
    if (reason instanceof Error && "extensions" in reason) endWith(reason);
    else end();
  };

  const pump = async () => {
    try {
      for (let next = await source.next(); !next.done && !over; next = await source.next()) {
        shown.push(show(next.value).catch((error: unknown) => ({ errors: [mask(error)] })));
        news.tell();
        if (shown.length >= AHEAD) while (shown.length > AHEAD / 2 && !over) await room.wait();
      }
      end();
    } catch (error) {
      endWith(error);
    }
  };

  return {
    async next() {
      if (!begun) {
        begun = true;
        if (signal.aborted) onAbort();
        else signal.addEventListener("abort", onAbort, { once: true });
        void pump();
      }
      while (shown.length === 0 && !over) await news.wait();
      const result = shown.shift();
      room.tell();
      return result === undefined ? { done: true, value: undefined } : { done: false, value: await result };
    },
    async return() {
      shown.length = 0;
      end();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Wakes the one who waits. A promise that is raced against again and again would keep what each race has left behind. */
function createNews(): { readonly wait: () => Promise<void>; readonly tell: () => void } {
  let wake: (() => void) | undefined;
  return {
    wait: () =>
      new Promise((resolve) => {
        wake = resolve;
      }),
    tell: () => wake?.(),
  };
}
