import { type Clock, HOUR_MS, systemClock } from "../../src/lib/clock.ts";

/** A monotonic clock by which each look is an hour later: whatever has patience has lost it. */
export function hourlyClock(): Clock {
  let now = 0;
  return { ...systemClock, monotonic: () => (now += HOUR_MS) };
}
