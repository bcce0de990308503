// Sends what one device is given, one message after the other, at the sequence's pace and within the device's limits.

import type { WorkerStats } from "../devices/fleet-view.ts";
import { type Clock, MINUTE_MS, type Timer } from "../lib/clock.ts";
import type { ClaimedFlow } from "./claim.ts";
import type { Sent } from "./send.ts";

/** Of so many last sends the averages are told. */
const REMEMBERED = 100;

export interface Worker {
  give(flow: ClaimedFlow): void;
  /** The flows in its queue, and the one that it has in hand. */
  held(): string[];
  /** How many those are. */
  processing(): number;
  /** How long its last sends took on average; null before the first. */
  averageSendMs(): number | null;
  stats(): WorkerStats;
  /** Since when it has had nothing to do, by the monotonic clock; null while it is busy. */
  idleSince(): number | null;
  /** Since when it has had the one in hand, by the monotonic clock; null where it has none. */
  inHandSince(): number | null;
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
  /** One that was attempted has come to its end, at `until` by the monotonic clock. */
  readonly onAttempted: (until: number) => void;
};

type Finished = { readonly sent: boolean; readonly from: number; readonly until: number };

export function createWorker({ clock, waitMs, send, onAttempted }: WorkerOptions): Worker {
  let queue: ClaimedFlow[] = [];
  let inHand: { readonly flow: ClaimedFlow; readonly since: number } | undefined;
  let ended: Promise<void> | undefined;
  let pause: { timer: Timer; end: () => void } | undefined;
  let processed = 0;
  let idleFrom: number | null = clock.monotonic();
  let lastActivityAt: number | null = null;
  const finished: Finished[] = [];
  /** Of all in `finished`: added up anew at each look, 3,000 devices would cost more than what they send. */
  let sendMs = 0;

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
    lastActivityAt = clock.now();
    if (sent === "not attempted") return;
    processed += 1;
    const until = clock.monotonic();
    onAttempted(until);
    finished.push({ sent: sent === "sent", from, until });
    sendMs += until - from;
    const forgotten = finished.length > REMEMBERED ? finished.shift() : undefined;
    if (forgotten) sendMs -= forgotten.until - forgotten.from;
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
      const from = clock.monotonic();
      inHand = { flow, since: from };
      record(await send(flow), from);
      inHand = undefined;
    }
    // In the same turn as its last look at the queue: what is given from now on begins it anew.
    idleFrom = clock.monotonic();
  };

  const busyMs = (now: number) => finished.reduce((sum, { from, until }) => sum + Math.max(0, until - Math.max(from, now - MINUTE_MS)), 0);

  const drop = () => {
    queue = [];
    pause?.end();
  };

  const processing = () => queue.length + (inHand ? 1 : 0);
  const averageSendMs = () => (finished.length === 0 ? null : sendMs / finished.length);

  return {
    give(flow) {
      queue.push(flow);
      if (idleFrom === null) return;
      idleFrom = null;
      ended = run();
    },
    held: () => (inHand ? [inHand.flow, ...queue] : queue).map((flow) => flow.id),
    processing,
    averageSendMs,
    stats: () => ({
      processed,
      averageSendMs: averageSendMs(),
      queueDepth: queue.length,
      currentProcessing: processing(),
      errorRate: finished.length === 0 ? 0 : finished.filter(({ sent }) => !sent).length / finished.length,
      utilization: Math.min(1, busyMs(clock.monotonic()) / MINUTE_MS),
      lastActivityAt: lastActivityAt === null ? null : new Date(lastActivityAt),
    }),
    idleSince: () => idleFrom,
    inHandSince: () => inHand?.since ?? null,
    drop,
    async stop() {
      drop();
      await ended;
    },
  };
}
