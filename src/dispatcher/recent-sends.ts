// How a device's last sends went.

import { MINUTE_MS } from "../lib/clock.ts";

/** Of so many the averages are told. */
const REMEMBERED = 100;

export interface RecentSends {
  /** Times are of the monotonic clock. */
  add(from: number, until: number, isSent: boolean): void;
  /** Null before the first. */
  averageMs(): number | null;
  /** The share of those that failed. */
  errorRate(): number;
  /** The share of the last minute that they took. */
  utilization(now: number): number;
}

/** In flat arrays that are written round and round: an object for each send, of 3,000 devices, was work for the garbage collector. */
export function createRecentSends(): RecentSends {
  const froms = new Float64Array(REMEMBERED);
  const untils = new Float64Array(REMEMBERED);
  const failures = new Uint8Array(REMEMBERED);
  let count = 0;
  let next = 0;
  /** Of all that are remembered: added up anew at each look, 3,000 devices would cost more than what they send. */
  let totalMs = 0;
  let failed = 0;

  const msOf = (place: number) => (untils[place] ?? 0) - (froms[place] ?? 0);

  return {
    add(from, until, isSent) {
      totalMs -= msOf(next); // of the one whose place it takes; 0 while there is none
      failed -= failures[next] ?? 0;
      froms[next] = from;
      untils[next] = until;
      failures[next] = isSent ? 0 : 1;
      totalMs += until - from;
      failed += failures[next] ?? 0;
      count = Math.min(count + 1, REMEMBERED);
      next = (next + 1) % REMEMBERED;
    },
    averageMs: () => (count === 0 ? null : totalMs / count),
    errorRate: () => (count === 0 ? 0 : failed / count),
    utilization(now) {
      let busyMs = 0;
      for (let place = 0; place < count; place++) busyMs += Math.max(0, (untils[place] ?? 0) - Math.max(froms[place] ?? 0, now - MINUTE_MS));
      return Math.min(1, busyMs / MINUTE_MS);
    },
  };
}
