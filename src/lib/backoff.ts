import type { Random } from "./random.ts";

export type Backoff = {
  /** The first wait. */
  readonly firstMs: number;
  /** No wait is longer. */
  readonly longestMs: number;
};

/** How long to wait before the attempt that follows `failures` failed ones: twice as long each time, and somewhere between half of it and the whole, so that
 *  thousands that failed in the same moment do not come back in one. */
export function backoffMs({ firstMs, longestMs }: Backoff, failures: number, random: Random): number {
  const full = Math.min(longestMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return full / 2 + (full / 2) * random();
}
