import type { Clock, Timer } from "./clock.ts";

export interface Loop {
  start(): void;
  /** Ends the waiting and awaits the cycle that runs. Safe to call twice. */
  stop(): Promise<void>;
  /** Runs one cycle now, or joins the one that runs. Never rejects: `onError` has the error. */
  runOnce(): Promise<void>;
  /** Lets the next cycle begin at once; one that runs already is followed by another, since it may have looked before the news came. */
  wake(): void;
}

export type LoopOptions = {
  readonly cycle: () => Promise<void>;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
};

/** Runs `cycle` every `intervalMs`, never two at a time; a cycle that throws is reported and the next one runs. */
export function createLoop({ cycle, intervalMs, clock, onError }: LoopOptions): Loop {
  let running: Promise<void> | undefined;
  let timer: Timer | undefined;
  let stopped = true;
  let woken = false;

  const runOnce = () => {
    running ??= cycle()
      .catch(onError)
      .finally(() => {
        running = undefined;
      });
    return running;
  };

  const schedule = (delayMs: number) => {
    timer?.cancel();
    if (stopped) return;
    timer = clock.setTimeout(() => {
      woken = false;
      void runOnce().then(() => schedule(woken ? 0 : intervalMs));
    }, delayMs);
  };

  return {
    start() {
      if (!stopped) return;
      stopped = false;
      schedule(0);
    },
    async stop() {
      stopped = true;
      timer?.cancel();
      await running;
    },
    runOnce,
    wake() {
      // Noted also where no cycle runs: one may have ended just now, and be about to schedule the next.
      woken = true;
      if (!running) schedule(0);
    },
  };
}
