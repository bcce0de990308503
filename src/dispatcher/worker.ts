// Sends what one device is given, one message after the other, at the sequence's pace and within the device's limits.

import type { WorkerStats } from "../devices/fleet-view.ts";
import { type Clock, MINUTE_MS, type Timer } from "../lib/clock.ts";
import type { ClaimedFlow } from "./claim.ts";
import type { Sent } from "./send.ts";

/** Of so many last sends the averages are told. */
const REMEMBERED = 100;

export interface Worker {
  give(flows: readonly ClaimedFlow[]): void;
  /** The flows in its queue, and the one that it has in hand. */
  held(): string[];
  stats(): WorkerStats;
  /** Since when it has had nothing to do, by the monotonic clock; null while it is busy. */
  idleSince(): number | null;
  /** Gives up what it has not begun, which stays in the queue in Postgres. */
  drop(): void;
  /** Drops, and waits for the one in hand. */
  stop(): Promise<void>;
}

export type WorkerOptions = {
  readonly clock: Clock;
  /** How long to wait before this flow, for pace and limits, in ms; null where the device cannot take it now. */
  readonly waitMs: (flow: ClaimedFlow) => number | null;
  readonly send: (flow: ClaimedFlow) => Promise<Sent>;
};

type Finished = { readonly sent: boolean; readonly from: number; readonly until: number };

export function createWorker({ clock, waitMs, send }: WorkerOptions): Worker {
  let queue: ClaimedFlow[] = [];
  let inHand: ClaimedFlow | undefined;
  let running: Promise<void> | undefined;
  let pause: { timer: Timer; end: () => void } | undefined;
  let processed = 0;
  let idleFrom: number | null = clock.monotonic();
  let lastActivityAt: Date | null = null;
  const finished: Finished[] = [];

  const pauseFor = (ms: number) =>
    new Promise<void>((resolve) => {
      const end = () => {
        pause?.timer.cancel();
        pause = undefined;
        resolve();
      };
      pause = { timer: clock.setTimeout(end, ms), end };
    });

  const record = (sent: Sent, from: number) => {
    lastActivityAt = new Date(clock.now());
    if (sent === "not attempted") return;
    processed += 1;
    finished.push({ sent: sent === "sent", from, until: clock.monotonic() });
    if (finished.length > REMEMBERED) finished.shift();
  };

  const run = async () => {
    for (let flow = queue[0]; flow !== undefined; flow = queue[0]) {
      const ms = waitMs(flow);
      if (ms === null) {
        queue = [];
        break;
      }
      if (ms > 0) {
        await pauseFor(ms);
        continue; // it may have been dropped meanwhile, or the wait have grown
      }
      queue.shift();
      inHand = flow;
      const from = clock.monotonic();
      record(await send(flow), from);
      inHand = undefined;
    }
  };

  const begin = () => {
    if (running || queue.length === 0) return;
    idleFrom = null;
    running = run().finally(() => {
      running = undefined;
      idleFrom = clock.monotonic();
      begin(); // what was given between its last look and now
    });
  };

  const busyMs = (now: number) => finished.reduce((sum, { from, until }) => sum + Math.max(0, until - Math.max(from, now - MINUTE_MS)), 0);

  const drop = () => {
    queue = [];
    pause?.end();
  };

  return {
    give(flows) {
      queue.push(...flows);
      begin();
    },
    held: () => [...(inHand ? [inHand.id] : []), ...queue.map((flow) => flow.id)],
    stats: () => ({
      processed,
      averageSendMs: finished.length === 0 ? null : finished.reduce((sum, { from, until }) => sum + until - from, 0) / finished.length,
      queueDepth: queue.length,
      currentProcessing: queue.length + (inHand ? 1 : 0),
      errorRate: finished.length === 0 ? 0 : finished.filter(({ sent }) => !sent).length / finished.length,
      utilization: Math.min(1, busyMs(clock.monotonic()) / MINUTE_MS),
      lastActivityAt,
    }),
    idleSince: () => idleFrom,
    drop,
    async stop() {
      drop();
      await running;
    },
  };
}
