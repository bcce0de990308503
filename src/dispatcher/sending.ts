// What this process sends, for as long as one lease of its lasts: its devices, and the cycle that gives them work.

import type pg from "pg";
import { createStatusLog } from "../devices/status-log.ts";
import type { Bell } from "../events/bell.ts";
import type { MessageIds } from "../flows/message-id.ts";
import type { Settlement } from "../flows/settle.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { createDispatcher, type Tick } from "./dispatcher.ts";
import { createFleet, type Fleet, type FleetOptions } from "./fleet.ts";
import type { DispatchObserver } from "./observer.ts";
import { createReceipts } from "./receipts.ts";
import { createSender } from "./send.ts";
import { createSettling } from "./settling.ts";

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
  readonly transports: FleetOptions["transports"];
  readonly settings: SendingSettings;
  readonly observer: DispatchObserver;
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
  /** Disconnects now and stops, and tells nothing more of the devices: other nodes have them, or will in a moment. */
  lose(): Promise<void>;
}

export function beginSending(options: SendingOptions): Sending {
  const { pool, nodeId, clock, logger, bell, messageIds, observer, settings } = options;
  let isLost = false;
  const ringEvents = () => bell.ring("events");
  const settling = createSettling({ pool, clock, logger, minStepDelayHours: settings.minStepDelayHours, onWritten: ringEvents, observer });
  const receipts = createReceipts({ pool, clock, logger, messageIds, settleAll: settling.settleAll, onCorrected: ringEvents });
  const sender = createSender({ ...options, settling, sendConcurrency: settings.sendConcurrency });
  const statusLog = createStatusLog({ pool, nodeId, clock, logger, onWritten: ringEvents });
  const fleet: Fleet = createFleet({
    ...options,
    ...settings,
    statusLog: { ...statusLog, add: (change) => !isLost && statusLog.add(change) },
    send: sender.send,
    onReceipt: receipts.add,
    onReady: () => dispatcher.wake(),
  });
  const dispatcher = createDispatcher({ ...settings, pool, nodeId, fleet, clock, logger, observer, intervalMs: settings.dispatchIntervalMs });
  const silence = bell.listen("devices", dispatcher.wake);
  dispatcher.start();

  const end = async () => {
    silence();
    sender.close();
    // Together: what a cycle that runs gives out now is not begun any more.
    await Promise.all([dispatcher.stop(), fleet.close()]);
    await settling.allSettled();
    await receipts.flush();
  };
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= end());
  return {
    fleet,
    lastTick: dispatcher.lastTick,
    wake: dispatcher.wake,
    settleAll: settling.settleAll,
    stop,
    lose() {
      isLost = true;
      fleet.abandon();
      return stop();
    },
  };
}
