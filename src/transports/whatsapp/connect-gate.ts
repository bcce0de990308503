import type { Clock, Timer } from "../../lib/clock.ts";

/** How many devices begin to connect each second: three thousand are back within three minutes, and neither this process nor WhatsApp sees a storm. */
const PER_SECOND = 20;

/** What a process that is busy has come late with it makes up for, but no more of it: else a pause of a minute would end in a storm. Without that, three
 *  thousand took 190 s instead of 150 on a busy machine. */
const CATCH_UP_MS = 500;

/** One door through which all devices of the process connect, one after the other. */
export interface ConnectGate {
  /** Runs `connect` when it is its turn. Returns how to leave the line. */
  enter(connect: () => void): () => void;
}

export function createConnectGate(clock: Clock, perSecond: number = PER_SECOND): ConnectGate {
  const line = new Set<() => void>();
  let timer: Timer | undefined;
  /** When the next one may begin, by the monotonic clock. */
  let nextAt = -Infinity;

  const open = () => {
    timer = undefined;
    const [first] = line;
    if (first === undefined) return;
    line.delete(first);
    nextAt = Math.max(nextAt, clock.monotonic() - CATCH_UP_MS) + 1000 / perSecond;
    schedule();
    first();
  };
  const schedule = () => {
    timer ??= clock.setTimeout(open, Math.max(0, nextAt - clock.monotonic()));
  };

  return {
    enter(connect) {
      line.add(connect);
      // Who has stood empty has nothing to catch up with.
      if (timer === undefined) nextAt = Math.max(nextAt, clock.monotonic());
      schedule();
      return () => void line.delete(connect);
    },
  };
}
