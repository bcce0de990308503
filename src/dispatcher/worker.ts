// Sends what one device is given, one message after the other, at the sequence's pace and within the device's limits.

import type { WorkerStats } from "../devices/fleet-view.ts";
import type { Clock, Timer } from "../lib/clock.ts";
import type { ClaimedFlow } from "./claim.ts";
import { createRecentSends } from "./recent-sends.ts";
import type { Sent } from "./send.ts";

export interface Worker {
  give(flow: ClaimedFlow): void;
  /** The flow in hand has come to its end. */
  end(sent: Sent): void;
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
  /** Begins it; `end` is called once it has ended. */
  readonly send: (flow: ClaimedFlow) => void;
  /** One that was attempted has come to its end, at `until` by the monotonic clock. */
  readonly onAttempted: (until: number) => void;
};

export function createWorker({ clock, waitMs, send, onAttempted }: WorkerOptions): Worker {
  let queue: ClaimedFlow[] = [];
  let inHand: ClaimedFlow | null = null;
  let begunAt = 0;
  let pause: Timer | null = null;
  let processed = 0;
  let idleFrom: number | null = clock.monotonic();
  let activeAt: number | null = null;
  let stopping: (() => void)[] = [];
  const recent = createRecentSends();

  const rest = () => {
    idleFrom ??= clock.monotonic();
    for (const resolve of stopping) resolve();
    stopping = [];
  };

  /** Goes on with the next one, unless there is one in hand or a pause to be waited for. */
  const proceed = () => {
    while (inHand === null && pause === null) {
      const [flow] = queue;
      const ms = flow === undefined ? null : waitMs(flow);
      if (flow === undefined || ms === null) {
        queue = [];
        return rest();
      }
      // Asked again after that: it may have been dropped meanwhile, or the wait have grown.
      if (ms > 0) pause = clock.setTimeout(resume, ms);
      else begin(flow);
    }
  };

  const resume = () => {
    pause?.cancel();
    pause = null;
    proceed();
  };

  const begin = (flow: ClaimedFlow) => {
    queue.shift();
    inHand = flow;
    begunAt = clock.monotonic();
    send(flow);
  };

  const record = (sent: Sent) => {
    const until = clock.monotonic();
    activeAt = until;
    if (sent === "not attempted") return;
    processed += 1;
    onAttempted(until);
    recent.add(begunAt, until, sent === "sent");
  };

  const drop = () => {
    queue = [];
    if (pause !== null) resume();
  };

  const processing = () => queue.length + (inHand === null ? 0 : 1);

  return {
    give(flow) {
      queue.push(flow);
      if (idleFrom === null) return;
      idleFrom = null;
      proceed();
    },
    end(sent) {
      record(sent);
      inHand = null;
      proceed();
    },
    held: () => (inHand === null ? queue : [inHand, ...queue]).map((flow) => flow.id),
    processing,
    averageSendMs: recent.averageMs,
    stats: () => ({
      processed,
      averageSendMs: recent.averageMs(),
      queueDepth: queue.length,
      currentProcessing: processing(),
      errorRate: recent.errorRate(),
      utilization: recent.utilization(clock.monotonic()),
      lastActivityAt: activeAt === null ? null : new Date(clock.now() - (clock.monotonic() - activeAt)),
    }),
    idleSince: () => idleFrom,
    inHandSince: () => (inHand === null ? null : begunAt),
    drop,
    async stop() {
      drop();
      if (idleFrom === null) await new Promise<void>((resolve) => stopping.push(resolve));
    },
  };
}
