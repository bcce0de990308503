// One cycle of dispatching: who can send, what is due, who sends what. The workers do the rest: pace, attempt, send, settle.

import type pg from "pg";
import type { Clock } from "../lib/clock.ts";
import { createLoop, type Loop } from "../lib/loop.ts";
import type { Logger } from "../lib/logger.ts";
import { type AssignableDevice, assign } from "./assign.ts";
import { type ClaimShare, claimFlows } from "./claim.ts";
import type { Fleet } from "./fleet.ts";

export type Tick = { readonly at: Date; readonly ms: number };

export interface Dispatcher extends Loop {
  lastTick(): Tick | null;
}

export type DispatcherOptions = {
  readonly pool: pg.Pool;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
  /** At most so many flows a cycle. */
  readonly claimBatch: number;
};

export function createDispatcher({ pool, fleet, clock, logger, intervalMs, claimBatch }: DispatcherOptions): Dispatcher {
  let tick: Tick | null = null;

  const cycle = async () => {
    const from = clock.monotonic();
    await fleet.sync();
    fleet.retireIdle();
    const devices = fleet.assignable();
    if (devices.length > 0) {
      const flows = await claimFlows(pool, sharesOf(devices, claimBatch), fleet.held());
      fleet.give(flows, assign(flows, devices, { horizonMs: intervalMs, sendMs: fleet.averageSendMs() }));
    }
    tick = { at: new Date(clock.now()), ms: clock.monotonic() - from };
  };

  const loop = createLoop({ cycle, intervalMs, clock, onError: (error) => logger.error({ err: error }, "a dispatching cycle failed") });
  return { ...loop, lastTick: () => tick };
}

/** What each workspace's devices have room for; where that is more than a cycle claims, each gets its part of it. */
function sharesOf(devices: readonly AssignableDevice[], claimBatch: number): ClaimShare[] {
  const rooms = [...Map.groupBy(devices, (device) => device.workspaceId)].map(([workspaceId, group]) => ({
    workspaceId,
    room: group.reduce((sum, device) => sum + device.room, 0),
  }));
  const total = rooms.reduce((sum, { room }) => sum + room, 0);
  const part = Math.min(1, claimBatch / total);
  return rooms.map(({ workspaceId, room }) => ({ workspaceId, flows: Math.max(1, Math.floor(room * part)) }));
}
