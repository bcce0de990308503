// Clocks of the tests' own.

import type { Clock } from "../../src/lib/clock.ts";

type Entry = { readonly at: number; readonly run: () => void; handle: NodeJS.Timeout | undefined };

export interface JumpingClock extends Clock {
  /** Time that nobody has to wait for: whatever falls due within it runs now, in order. */
  jump(ms: number): void;
  /** No timer fires any more, as in a process that is suspended, until `thaw`. */
  freeze(): void;
  thaw(): void;
}

/** Goes like the system's clock, and can be moved on. */
export function createJumpingClock(): JumpingClock {
  const entries = new Set<Entry>();
  let skipped = 0;
  let frozen = false;
  const monotonic = () => performance.now() + skipped;

  const fire = (entry: Entry) => {
    if (frozen || !entries.delete(entry)) return;
    clearTimeout(entry.handle);
    entry.run();
  };
  const arm = (entry: Entry) => {
    clearTimeout(entry.handle);
    entry.handle = setTimeout(() => fire(entry), Math.max(0, entry.at - monotonic()));
  };
  const fireDue = () => {
    for (const entry of [...entries].sort((a, b) => a.at - b.at)) {
      if (entry.at <= monotonic()) fire(entry);
      else arm(entry);
    }
  };

  return {
    now: () => Date.now() + skipped,
    monotonic,
    setTimeout(run, delayMs) {
      const entry: Entry = { at: monotonic() + delayMs, run, handle: undefined };
      entries.add(entry);
      arm(entry);
      return {
        cancel() {
          entries.delete(entry);
          clearTimeout(entry.handle);
        },
      };
    },
    jump(ms) {
      skipped += ms;
      fireDue();
    },
    freeze() {
      frozen = true;
    },
    thaw() {
      frozen = false;
      fireDue();
    },
  };
}

export interface ManualClock extends Clock {
  /** Moves on, running each timer at its time, and what follows from it before the next. */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock by so much, as an operator or NTP does; the monotonic clock does not hear of it. */
  setWall(byMs: number): void;
  pending(): number;
}

/** Stands still unless it is moved. For what does no I/O. */
export function createManualClock(startAt = Date.UTC(2030, 0, 1)): ManualClock {
  const timers = new Set<{ at: number; run: () => void }>();
  let elapsed = 0;
  let wall = startAt;
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    now: () => wall + elapsed,
    monotonic: () => elapsed,
    setTimeout(run, delayMs) {
      const timer = { at: elapsed + Math.max(0, delayMs), run };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    async advance(ms) {
      const until = elapsed + ms;
      await settle();
      for (;;) {
        const next = [...timers].filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers.delete(next);
        elapsed = Math.max(elapsed, next.at);
        next.run();
        await settle();
      }
      elapsed = until;
      await settle();
    },
    setWall(byMs) {
      wall += byMs;
    },
    pending: () => timers.size,
  };
}
