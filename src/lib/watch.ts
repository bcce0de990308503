// Looks at something ever so often, and tells when it has changed.

import { type Clock, SECOND_MS, type Timer } from "./clock.ts";

const EVERY_MS = SECOND_MS;

export type Seen<T> = {
  readonly value: T;
  /** Told again only where this is another than before, as JSON. */
  readonly sign: unknown;
  /** Nothing will change any more. */
  readonly isOver: boolean;
};

/** As it is now, then at most once a second as it changes, until it is over, gone (null), or `signal` aborts. */
export type Watch = <T>(look: () => Promise<Seen<T> | null>, signal: AbortSignal) => AsyncGenerator<T>;

export function createWatch(clock: Clock): Watch {
  return async function* watch(look, signal) {
    let told = "";
    while (!signal.aborted) {
      const seen = await look();
      if (seen === null) return;
      const sign = JSON.stringify(seen.sign);
      if (sign !== told) yield seen.value;
      told = sign;
      if (seen.isOver) return;
      await pause(clock, signal);
    }
  };
}

function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let timer: Timer | undefined;
    const end = () => {
      timer?.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    timer = clock.setTimeout(end, EVERY_MS);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
