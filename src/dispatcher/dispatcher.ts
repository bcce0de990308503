// One cycle of dispatching: who can send, what is due, who sends what. The workers do the rest: pace, attempt, send, settle.

import type pg from "pg";
import { type Clock, MINUTE_MS, SECOND_MS } from "../lib/clock.ts";
import { createLoop, type Loop } from "../lib/loop.ts";
import type { Logger } from "../lib/logger.ts";
import { takesOf } from "./assign.ts";
import { createRepliedClaim } from "./claim-replied.ts";
import type { Fleet } from "./fleet.ts";
import { gather } from "./gather.ts";
import type { DispatchObserver } from "./observer.ts";

export type Tick = { readonly at: Date; readonly ms: number };

export interface Dispatcher extends Loop {
  lastTick(): Tick | null;
}

export type DispatcherOptions = {
  readonly pool: pg.Pool;
  readonly nodeId: string;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
  /** At most so many flows a cycle. */
  readonly claimBatch: number;
  readonly observer: DispatchObserver;
};

/** A change of a device that nobody rang for is seen after so long at the latest. Reading 3,000 devices takes 20 ms, which cycles that follow each other
 *  at once need not pay each. */
const SYNC_INTERVAL_MS = SECOND_MS;

export function createDispatcher({ pool, nodeId, fleet, clock, logger, intervalMs, claimBatch, observer }: DispatcherOptions): Dispatcher {
  let tick: Tick | null = null;
  let mendedAt = clock.monotonic();
  let syncedAt = -Infinity;

  const claimReplied = createRepliedClaim(pool);

  const dispatch = async () => {
    const horizon = { horizonMs: intervalMs, sendMs: fleet.averageSendMs() };
    const devices = fleet.assignable().filter((device) => takesOf(device, horizon) > 0);
    if (devices.length === 0) return;
    fleet.give(await gather({ pool, clock, observer, nodeId, claimReplied, devices, horizon, claimBatch, keepers: fleet.keepers(), held: fleet.held(), processing: fleet.processing }));
  };

  const cycle = async () => {
    const from = clock.monotonic();
    if (from - syncedAt >= SYNC_INTERVAL_MS) {
      syncedAt = from;
      await fleet.sync();
    }
    fleet.retireIdle();
    if (from - mendedAt >= MINUTE_MS) {
      fleet.mendStuck();
      mendedAt = from;
    }
    await dispatch();
    tick = { at: new Date(clock.now()), ms: clock.monotonic() - from };
    observer.cycled(tick.ms);
  };

  const onError = (error: unknown) => {
    syncedAt = -Infinity; // nothing is given out again before the devices have been looked at
    logger.error({ err: error }, "a dispatching cycle failed");
  };

  const loop = createLoop({ cycle, intervalMs, clock, onError });
  const wake = () => {
    syncedAt = -Infinity;
    loop.wake();
  };
  return { ...loop, wake, lastTick: () => tick };
}
