// What this process sends, for as long as one lease of its lasts: its devices, and the cycle that gives them work.

import type pg from "pg";
import { createStatusLog } from "../devices/status-log.ts";
import type { Bell } from "../events/bell.ts";
import type { MessageIds } from "../flows/message-id.ts";
import type { Settlement } from "../flows/settle.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import type { Transport } from "../transports/transport.ts";
import { createBatches } from "./batches.ts";
import { createDispatcher, type Tick } from "./dispatcher.ts";
import { createFleet, type Fleet } from "./fleet.ts";
import { createReceipts } from "./receipts.ts";
import { sendFlow } from "./send.ts";

export type SendingSettings = {
  readonly dispatchIntervalMs: number;
  readonly claimBatch: number;
  readonly sendConcurrency: number;
  readonly minStepDelayHours: number;
  readonly workerIdleMs: number;
};

export type SendingOptions = {
  readonly pool: pg.Pool;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  readonly logger: Logger;
  readonly bell: Bell;
  readonly messageIds: MessageIds;
  readonly transports: { readonly SIMULATOR: Transport };
  readonly settings: SendingSettings;
  readonly onLeaseLost: () => void;
};

export interface Sending {
  readonly fleet: Fleet;
  lastTick(): Tick | null;
  /** There may be something to send, or devices to open or hand over. */
  wake(): void;
  settleAll(settlements: readonly Settlement[]): Promise<void>;
  /** Takes no new work, finishes what is being sent, and disconnects. Safe to call twice. */
  stop(): Promise<void>;
  /** Stops, and tells nothing more of the devices: other nodes have them. */
  lose(): Promise<void>;
}

export function beginSending(options: SendingOptions): Sending {
  const { pool, nodeId, clock, logger, bell, messageIds, settings } = options;
  let isLost = false;
  const ringEvents = () => bell.ring("events");
  const batches = createBatches({ pool, nodeId, clock, logger, minStepDelayHours: settings.minStepDelayHours, onSettled: ringEvents });
  const receipts = createReceipts({ pool, clock, logger, messageIds, settleAll: batches.settleAll, onCorrected: ringEvents });
  const statusLog = createStatusLog({ pool, nodeId, clock, logger, onWritten: ringEvents });
  const fleet: Fleet = createFleet({
    ...options,
    ...settings,
    statusLog: { ...statusLog, add: (change) => !isLost && statusLog.add(change) },
    send: (flow, device) => sendFlow(flow, device, { batches, clock, logger, messageIds, newId: options.newId, onLeaseLost: options.onLeaseLost }),
    onReceipt: receipts.add,
    onReady: () => dispatcher.wake(),
  });
  const dispatcher = createDispatcher({ ...settings, pool, nodeId, fleet, clock, logger, intervalMs: settings.dispatchIntervalMs });
  const silence = bell.listen("devices", dispatcher.wake);
  dispatcher.start();

  const end = async () => {
    silence();
    // Together: what a cycle that runs gives out now is not begun any more.
    await Promise.all([dispatcher.stop(), fleet.close()]);
    await batches.allSettled();
    await receipts.flush();
  };
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= end());
  return {
    fleet,
    lastTick: dispatcher.lastTick,
    wake: dispatcher.wake,
    settleAll: batches.settleAll,
    stop,
    lose() {
      isLost = true;
      return stop();
    },
  };
}
