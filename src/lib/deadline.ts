import type { Clock } from "./clock.ts";

/** A moment after which nothing may be written any more. */
export interface Deadline {
  hasPassed(): boolean;
}

/** Held on both clocks: a suspended machine stops the monotonic one, and the wall clock can be set back. Whichever says so first is right. */
export const createDeadline = (clock: Clock, ms: number): Deadline => new TwoClockDeadline(clock, ms);

/** A class, since each message has one: two numbers beside the clock, and no function of its own. */
class TwoClockDeadline implements Deadline {
  readonly #clock: Clock;
  readonly #wall: number;
  readonly #monotonic: number;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#wall = clock.now() + ms;
    this.#monotonic = clock.monotonic() + ms;
  }

  hasPassed(): boolean {
    return this.#clock.monotonic() >= this.#monotonic || this.#clock.now() >= this.#wall;
  }
}
