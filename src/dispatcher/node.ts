// This process among those that share the database: it stands by until it holds the lease, dispatches while it does, and gives it up in order.

import type pg from "pg";
import type { FleetView } from "../devices/fleet-view.ts";
import { createStatusLog } from "../devices/status-log.ts";
import type { Bell } from "../events/bell.ts";
import type { MessageIds } from "../flows/message-id.ts";
import type { Clock } from "../lib/clock.ts";
import { OperatorError } from "../lib/errors.ts";
import { createLoop, type Loop } from "../lib/loop.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { createEnroller } from "../sequences/enroller.ts";
import { SEND_DEADLINE_MS, type Transport } from "../transports/transport.ts";
import { createBatches } from "./batches.ts";
import { createDispatcher } from "./dispatcher.ts";
import { createFleet, type Fleet } from "./fleet.ts";
import { BEAT_INTERVAL_MS, joinNodes, type Lease, type Membership, type Takeover } from "./lease.ts";
import { createReceipts } from "./receipts.ts";
import { rescueAttempts } from "./rescue.ts";
import { sendFlow } from "./send.ts";
import { createSweep, createUpkeep } from "./upkeep.ts";

export type NodeSettings = {
  readonly nodeName: string;
  readonly dispatchIntervalMs: number;
  readonly claimBatch: number;
  readonly sendConcurrency: number;
  readonly maxDevices: number;
  readonly enrollBatch: number;
  readonly enrollPerSecond: number;
  readonly minStepDelayHours: number;
  readonly stuckMs: number;
  readonly workerIdleMs: number;
};

export type NodeOptions = {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  readonly logger: Logger;
  readonly bell: Bell;
  readonly messageIds: MessageIds;
  readonly transports: { readonly SIMULATOR: Transport };
  readonly settings: NodeSettings;
  /** The process cannot go on, and why. */
  readonly onFatal: (error: unknown) => void;
};

export interface Node {
  readonly fleet: FleetView;
  /** Takes no new work, finishes what is being sent, and leaves. Safe to call twice. */
  stop(): Promise<void>;
}

/** All that runs while this process holds the lease. */
type Duty = {
  readonly epoch: number;
  readonly fleet: Fleet;
  readonly lastTick: () => { at: Date; ms: number } | null;
  readonly stop: () => Promise<void>;
  /** Stops, and tells nothing more of the devices: another node has them. */
  readonly lose: () => Promise<void>;
};

export async function startNode(options: NodeOptions): Promise<Node> {
  const { pool, clock, logger, settings, onFatal } = options;
  const membership = await joinNodes(pool, settings.nodeName, clock);
  let duty: Duty | undefined;
  let beginning: Promise<void> | undefined;
  let ending: Promise<void> | undefined;
  let endWaiting: (() => void) | undefined;
  let stopped = false;

  const endDuty = (how: "stop" | "lose") => {
    ending ??= duty?.[how]().finally(() => {
      duty = undefined;
      ending = undefined;
    });
    return ending;
  };

  const wait = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, ms);
      endWaiting = () => {
        timer.cancel();
        resolve();
      };
    });

  const begin = async ({ lease, from }: Takeover) => {
    logger.info({ takenFrom: from, epoch: lease.epoch }, "this process holds the lease: it dispatches now");
    // A node that was cut off may have a message between its attempt and the wire: it has until its deadline, and no longer.
    if (from === "dead") await wait(SEND_DEADLINE_MS);
    if (!stopped) duty = beginDuty(lease, options, () => void endDuty("lose"));
  };

  const beat = async () => {
    const size = duty?.fleet.size() ?? { devices: 0, activeWorkers: 0 };
    const tick = duty?.lastTick() ?? null;
    const epoch = await membership.beat({ ...size, lastTickAt: tick?.at ?? null, lastTickMs: tick?.ms ?? null });
    // It was suspended, or cut off, and another took over: no device is held by two for longer than this.
    if (duty && duty.epoch !== epoch) void endDuty("lose");
    if (duty || beginning || stopped) return;
    const takeover = await membership.takeOver();
    // Not awaited: this node's beat must go on while it waits, or a third would take it for dead.
    if (takeover && !stopped) beginning = begin(takeover).finally(() => (beginning = undefined));
  };

  const onError = (error: unknown) => (error instanceof OperatorError ? onFatal(error) : logger.error({ err: error }, "the heartbeat failed"));
  const beats = createLoop({ cycle: beat, intervalMs: BEAT_INTERVAL_MS, clock, onError });
  await beats.runOnce();
  beats.start();
  return {
    fleet: { worker: (deviceId) => duty?.fleet.worker(deviceId) ?? null },
    async stop() {
      if (stopped) return;
      stopped = true;
      await beats.stop();
      endWaiting?.();
      await beginning;
      await endDuty("stop");
      await leave(membership, logger);
    },
  };
}

async function leave(membership: Membership, logger: Logger): Promise<void> {
  try {
    await membership.leave();
  } catch (error) {
    // The others find out by the beat that stands still.
    logger.warn({ err: error }, "the lease could not be given up in order");
  }
}

function beginDuty(lease: Lease, options: NodeOptions, onLeaseLost: () => void): Duty {
  const { pool, clock, logger, bell, settings, messageIds } = options;
  let isLost = false;
  const ringEvents = () => bell.ring("events");
  const batches = createBatches({ pool, lease, clock, logger, minStepDelayHours: settings.minStepDelayHours, onSettled: ringEvents });
  const receipts = createReceipts({ pool, clock, logger, messageIds, settleAll: batches.settleAll, onCorrected: ringEvents });
  const statusLog = createStatusLog({ pool, clock, logger, onWritten: ringEvents });
  const fleet = createFleet({
    ...options,
    ...settings,
    statusLog: { ...statusLog, add: (change) => !isLost && statusLog.add(change) },
    send: (flow, device) => sendFlow(flow, device, { batches, clock, logger, messageIds, newId: options.newId, onLeaseLost }),
    onReceipt: receipts.add,
  });
  const dispatcher = createDispatcher({ ...settings, pool, fleet, clock, logger, intervalMs: settings.dispatchIntervalMs });
  const enroller = createEnroller({
    pool,
    clock,
    logger,
    intervalMs: settings.dispatchIntervalMs,
    batch: settings.enrollBatch,
    perSecond: settings.enrollPerSecond,
    minStepDelayHours: settings.minStepDelayHours,
    onEnrolled: () => {
      ringEvents();
      dispatcher.wake();
    },
  });
  const rescuer = createRescuer(options, lease, batches.settleAll);
  const upkeep = createUpkeep({ pool, clock, logger, onStopped: ringEvents });
  const sweep = createSweep({ pool, clock, logger });

  const loops = [enroller, dispatcher, rescuer, upkeep, sweep];
  const silences = [bell.listen("enrollment", enroller.wake), bell.listen("devices", dispatcher.wake)];
  for (const loop of loops) loop.start();
  const stop = async () => {
    for (const silence of silences) silence();
    await Promise.all(loops.map((loop) => loop.stop()));
    await fleet.close();
    await receipts.flush();
  };
  return {
    epoch: lease.epoch,
    fleet,
    lastTick: dispatcher.lastTick,
    stop,
    lose() {
      isLost = true;
      return stop();
    },
  };
}

function createRescuer({ pool, clock, logger, settings }: NodeOptions, lease: Lease, settleAll: Parameters<typeof rescueAttempts>[3]): Loop {
  const cycle = async () => {
    const rescued = await rescueAttempts(pool, lease, settings.stuckMs, settleAll);
    if (rescued > 0) logger.warn({ flows: rescued }, "attempts of which nothing was heard were settled as unknown");
  };
  return createLoop({ cycle, intervalMs: settings.dispatchIntervalMs, clock, onError: (error) => logger.error({ err: error }, "rescuing failed") });
}
