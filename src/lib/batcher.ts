import type { Clock } from "./clock.ts";

export type BatcherOptions<T> = {
  readonly clock: Clock;
  /** From the first item until all that has come by then is run. */
  readonly waitMs: number;
  /** A batch has no more items than this. */
  readonly most: number;
  /** So many batches run at the same time; what comes meanwhile gathers, and batches grow with the load. */
  readonly atOnce: number;
  /** A batch that takes longer than this makes room for another: one that is stuck must not hold up all that come after it. */
  readonly patienceMs: number;
  /** Never rejects: it tells each item's owner how that went. */
  readonly run: (batch: readonly T[]) => Promise<void>;
};

/** Gathers what comes one by one into batches. An item costs a place in a list: with a promise for each, which lives until its batch has ended, two thirds
 *  of all that a node that sends allocated was still there at the next garbage collection, and had to be copied. */
export function createBatcher<T>({ clock, waitMs, most, atOnce, patienceMs, run }: BatcherOptions<T>): (item: T) => void {
  let gathered: T[] = [];
  let running = 0;

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
      void run(batch).finally(() => {
        patience.cancel();
        leave();
      });
    }
  };

  return (item) => {
    // Where all places are taken, the batch that leaves first begins the next.
    if (gathered.push(item) === 1 && running < atOnce) void clock.setTimeout(begin, waitMs);
  };
}
