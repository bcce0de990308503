import type { Clock } from "./clock.ts";

export type BatcherOptions<T, R> = {
  readonly clock: Clock;
  /** From the first item until all that has come by then is run. */
  readonly waitMs: number;
  /** A batch has no more items than this. */
  readonly most: number;
  /** So many batches run at the same time; what comes meanwhile gathers, and batches grow with the load. */
  readonly atOnce: number;
  /** A batch that takes longer than this makes room for another: one that is stuck must not hold up all that come after it. */
  readonly patienceMs: number;
  /** One result for each item, in their order; an Error rejects that item's alone. A rejection rejects all of the batch. */
  readonly run: (items: readonly T[]) => Promise<readonly (R | Error)[]>;
};

/** Gathers what is asked for one by one into batches: one timer a batch, and one promise an item. */
export function createBatcher<T, R>({ clock, waitMs, most, atOnce, patienceMs, run }: BatcherOptions<T, R>): (item: T) => Promise<R> {
  type Waiting = { readonly item: T; readonly resolve: (result: R) => void; readonly reject: (error: unknown) => void };
  let gathered: Waiting[] = [];
  let running = 0;

  const runBatch = async (batch: readonly Waiting[]) => {
    try {
      const results = await run(batch.map(({ item }) => item));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const result = results[index];
        if (result instanceof Error) reject(result);
        else resolve(result as R);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };

  const begin = () => {
    while (gathered.length > 0 && running < atOnce) {
      const batch = gathered.slice(0, most);
      gathered = gathered.slice(most);
      running += 1;
      let hasPlace = true;
      const leave = () => {
        if (!hasPlace) return;
        hasPlace = false;
        running -= 1;
        begin();
      };
      const patience = clock.setTimeout(leave, patienceMs);
      void runBatch(batch).then(() => {
        patience.cancel();
        leave();
      });
    }
  };

  return (item) =>
    new Promise((resolve, reject) => {
      // Where all places are taken, the batch that leaves first begins the next.
      if (gathered.push({ item, resolve, reject }) === 1 && running < atOnce) void clock.setTimeout(begin, waitMs);
    });
}
