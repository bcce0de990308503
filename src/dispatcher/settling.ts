// Gathers the outcomes of all devices into one statement each few milliseconds, and tries until they are written down.

import type pg from "pg";
import { isDataError, isLockTimeout, retrying } from "../db/transaction.ts";
import { type Settlement, settleFlows } from "../flows/settle.ts";
import { createBatcher } from "../lib/batcher.ts";
import type { Clock } from "../lib/clock.ts";
import { inHalves } from "../lib/halving.ts";
import type { Logger } from "../lib/logger.ts";
import { correctFlows } from "./correct.ts";
import type { DispatchObserver } from "./observer.ts";

const BATCH = 2000;
const WAIT_MS = 10;
const RETRY_MS = 250;
/** More statements at the same time only stand in each other's way. */
const AT_ONCE = 2;
const PATIENCE_MS = 1000;

/** Outcomes that wait to be written down, in memory, before those who send are held back. */
const MOST_UNSETTLED = 10 * BATCH;

/** One row is to blame, not the connection: the others of the batch need not wait for it. */
const isOfOne = (error: unknown) => isDataError(error) || isLockTimeout(error);

/** Once it is written down, however long Postgres is away; or once that is given up, because of its own data. */
type Unsettled = Settlement & { readonly onSettled?: () => void };

export interface Settling {
  settle(settlement: Unsettled): void;
  settleAll(settlements: readonly Settlement[]): Promise<void>;
  /** So much waits to be settled that nothing new should be begun. */
  isBehind(): boolean;
  /** Resolves once everything is settled that is to be. */
  allSettled(): Promise<void>;
}

export type SettlingOptions = {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly minStepDelayHours: number;
  /** A batch has been written down. */
  readonly onWritten: () => void;
  readonly observer: DispatchObserver;
};

export function createSettling({ pool, clock, logger, minStepDelayHours, onWritten, observer }: SettlingOptions): Settling {
  const retryTime = () => new Promise<void>((resolve) => void clock.setTimeout(resolve, RETRY_MS));
  let unsettled = 0;
  let idle: (() => void)[] = [];

  const write = async (settlements: readonly Settlement[]): Promise<undefined[]> => {
    const from = clock.monotonic();
    const settled = await retrying(() => settleFlows(pool, settlements, minStepDelayHours));
    observer.settled(clock.monotonic() - from, settlements.flatMap(({ flowId, ending }) => (settled.has(flowId) ? [ending] : [])));
    // Rescue was first, after a suspension say: what was accepted corrects its "unknown".
    const late = settlements.flatMap(({ flowId, ending }) => (ending.kind === "accepted" && !settled.has(flowId) ? [{ flowId, kind: ending.kind, at: ending.at }] : []));
    if (late.length > 0) await correctFlows(pool, late, settleAll);
    onWritten();
    return settlements.map(() => undefined);
  };

  /** Tries until Postgres is there again: an outcome that is known is not thrown away. */
  const persistently = async (settlements: readonly Settlement[]): Promise<readonly (undefined | Error)[]> => {
    for (;;) {
      try {
        return await inHalves(settlements, write, isOfOne);
      } catch (error) {
        logger.warn({ err: error, flows: settlements.length }, "settling failed, to be tried again");
        await retryTime();
      }
    }
  };

  const alone = async (settlement: Settlement, firstFailure: unknown) => {
    let failure = firstFailure;
    // Somebody holds its lead, in a bulk update say: it goes on trying alone, and its outcome does not become unknown for that.
    while (!isDataError(failure)) {
      await retryTime();
      try {
        await write([settlement]);
        return;
      } catch (error) {
        failure = error;
      }
    }
    // It stays attempted, and rescue ends it as unknown; no other flow is held up by it.
    logger.error({ err: failure, flowId: settlement.flowId }, "a flow cannot be settled");
  };

  const end = ({ onSettled }: Unsettled) => {
    unsettled -= 1;
    onSettled?.();
    if (unsettled > 0) return;
    for (const resolve of idle) resolve();
    idle = [];
  };

  const run = async (batch: readonly Unsettled[]) => {
    const failures = await persistently(batch);
    batch.forEach((one, index) => {
      const failure = failures[index];
      if (failure === undefined) end(one);
      else void alone(one, failure).then(() => end(one));
    });
  };
  const add = createBatcher<Unsettled>({ clock, waitMs: WAIT_MS, most: BATCH, atOnce: AT_ONCE, patienceMs: PATIENCE_MS, run });

  const settle = (settlement: Unsettled) => {
    unsettled += 1;
    add(settlement);
  };

  const settleAll = async (all: readonly Settlement[]) => {
    await Promise.all(all.map((settlement) => new Promise<void>((resolve) => settle({ ...settlement, onSettled: resolve }))));
  };

  return {
    settle,
    settleAll,
    isBehind: () => unsettled > MOST_UNSETTLED,
    allSettled: () => (unsettled === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  };
}
