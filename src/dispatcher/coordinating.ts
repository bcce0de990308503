// What is done once for all nodes, by the one that is elected: enrolling, placing devices, rescuing, upkeep. Each of these is safe to be done by two
// for a moment; the election only keeps them from doing it all the time.

import type pg from "pg";
import { createFeeder } from "../campaigns/feeder.ts";
import type { Bell } from "../events/bell.ts";
import type { Settlement } from "../flows/settle.ts";
import { type Clock, SECOND_MS } from "../lib/clock.ts";
import { createLoop } from "../lib/loop.ts";
import type { Logger } from "../lib/logger.ts";
import { decideDue } from "../sequences/decide.ts";
import { createEnroller } from "../sequences/enroller.ts";
import { BEAT_INTERVAL_MS } from "./membership.ts";
import { createNoDeviceSweeper } from "./no-device.ts";
import { placeDevices } from "./placing.ts";
import { moveSettledUntil, rescueAttempts } from "./rescue.ts";
import { createSweep, createUpkeep } from "./upkeep.ts";

const MOVE_INTERVAL_MS = 10 * SECOND_MS;

export type CoordinatingSettings = {
  readonly dispatchIntervalMs: number;
  readonly claimBatch: number;
  readonly enrollBatch: number;
  readonly enrollPerSecond: number;
  readonly minStepDelayHours: number;
  readonly stuckMs: number;
};

export type CoordinatingOptions = {
  readonly pool: pg.Pool;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bell: Bell;
  readonly settings: CoordinatingSettings;
  readonly settleAll: (settlements: readonly Settlement[]) => Promise<void>;
  /** There may be something for this node to do. */
  readonly onWork: () => void;
};

export interface Coordinating {
  stop(): Promise<void>;
}

/** True while `nodeId` is the elected one: because nobody was, or who was is gone. */
export async function isElected(pool: pg.Pool, nodeId: string): Promise<boolean> {
  const { rows } = await pool.query<{ elected: boolean }>(
    // Everything of the limits' 25 hours is searched once for attempts that nobody settled.
    `WITH taken AS (
       UPDATE coordinator c SET node_id = $1, settled_until = least(settled_until, clock_timestamp() - interval '25 hours')
        WHERE node_id IS DISTINCT FROM $1 AND NOT EXISTS (SELECT FROM nodes n WHERE n.id = c.node_id)
       RETURNING node_id)
     SELECT EXISTS (SELECT FROM taken UNION ALL SELECT FROM coordinator WHERE node_id = $1) AS elected`,
    [nodeId],
  );
  return rows[0]?.elected ?? false;
}

export function beginCoordinating({ pool, nodeId, clock, logger, bell, settings, settleAll, onWork }: CoordinatingOptions): Coordinating {
  const ringEvents = () => bell.ring("events");
  const intervalMs = settings.dispatchIntervalMs;
  const enroller = createEnroller({
    pool,
    clock,
    logger,
    intervalMs,
    batch: settings.enrollBatch,
    perSecond: settings.enrollPerSecond,
    minStepDelayHours: settings.minStepDelayHours,
    onEnrolled: () => {
      ringEvents();
      onWork();
    },
  });
  const placing = createLoop({
    cycle: async () => {
      if ((await placeDevices(pool)) > 0) onWork();
    },
    intervalMs: BEAT_INTERVAL_MS,
    clock,
    onError: (error) => logger.error({ err: error }, "devices could not be placed, to be tried again"),
  });
  let movedAt = -Infinity;
  const rescuer = createLoop({
    cycle: async () => {
      const rescued = await rescueAttempts(pool, settings.stuckMs, settleAll);
      if (rescued > 0) logger.warn({ flows: rescued }, "attempts of which nothing was heard were settled as unknown");
      if (clock.monotonic() - movedAt < MOVE_INTERVAL_MS) return;
      await moveSettledUntil(pool, nodeId);
      movedAt = clock.monotonic();
    },
    intervalMs,
    clock,
    onError: (error) => logger.error({ err: error }, "rescuing failed"),
  });
  const decider = createLoop({
    cycle: async () => {
      while ((await decideDue(pool)) > 0) {
        ringEvents();
        onWork();
      }
    },
    intervalMs,
    clock,
    onError: (error) => logger.error({ err: error }, "branches could not be decided, to be tried again"),
  });
  const feeder = createFeeder({
    pool,
    clock,
    logger,
    claimBatch: settings.claimBatch,
    settleAll,
    onFed: () => {
      ringEvents();
      onWork();
    },
  });
  const loops = [
    placing,
    decider,
    enroller,
    feeder,
    rescuer,
    createNoDeviceSweeper({ pool, clock, logger, intervalMs, settleAll }),
    createUpkeep({ pool, clock, logger, settleAll, onStopped: ringEvents }),
    createSweep({ pool, clock, logger }),
  ];
  const silences = [bell.listen("enrollment", enroller.wake), bell.listen("campaigns", feeder.wake), bell.listen("devices", placing.wake)];
  for (const loop of loops) loop.start();
  return {
    async stop() {
      for (const silence of silences) silence();
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}
