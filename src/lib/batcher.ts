import type { Clock } from "./clock.ts";

export type BatcherOptions<T, R> = {
  readonly clock: Clock;
  /** From the first item until all that has come by then is run. */
  readonly waitMs: number;
  /** More than so many are run in several batches, at the same time. */
  readonly most: number;
  /** One result for each item, in their order; an Error rejects that item's alone. A rejection rejects all of the batch. */
  readonly run: (items: readonly T[]) => Promise<readonly (R | Error)[]>;
};

/** Gathers what is asked for one by one into batches: one timer a batch, and one promise an item. */
export function createBatcher<T, R>({ clock, waitMs, most, run }: BatcherOptions<T, R>): (item: T) => Promise<R> {
  type Waiting = { readonly item: T; readonly resolve: (result: R) => void; readonly reject: (error: unknown) => void };
  let gathered: Waiting[] = [];

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

  const runAll = () => {
    const all = gathered;
    gathered = [];
    for (let from = 0; from < all.length; from += most) void runBatch(all.slice(from, from + most));
  };

  return (item) =>
    new Promise((resolve, reject) => {
      if (gathered.push({ item, resolve, reject }) === 1) void clock.setTimeout(runAll, waitMs);
    });
}
