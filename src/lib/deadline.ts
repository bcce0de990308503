import type { Clock } from "./clock.ts";

/** A moment after which nothing may be written any more. */
export interface Deadline {
  readonly hasPassed: () => boolean;
}

/** Held on both clocks: a suspended machine stops the monotonic one, and the wall clock can be set back. Whichever says so first is right. */
export function createDeadline(clock: Clock, ms: number): Deadline {
  const wall = clock.now() + ms;
  const monotonic = clock.monotonic() + ms;
  return { hasPassed: () => clock.monotonic() >= monotonic || clock.now() >= wall };
}
