// Gathers what the workers of all devices attempt and settle in the same few milliseconds into one statement each.

import DataLoader from "dataloader";
import type pg from "pg";
import { isDataError, isLockTimeout, retrying } from "../db/transaction.ts";
import type { Clock } from "../lib/clock.ts";
import type { Deadline } from "../lib/deadline.ts";
import { inHalves } from "../lib/halving.ts";
import type { Logger } from "../lib/logger.ts";
import { type AttemptAnswer, type AttemptRequest, attemptFlows } from "./attempt.ts";
import { correctFlows } from "./correct.ts";
import type { Lease } from "./lease.ts";
import { type Settlement, settleFlows } from "./settle.ts";

/** Small, for it is the attempt that a message waits for: 100 take 2 ms. */
const ATTEMPT_BATCH = 100;
const ATTEMPT_WAIT_MS = 2;
const SETTLE_BATCH = 2000;
const SETTLE_WAIT_MS = 10;
const RETRY_MS = 250;

/** One row is to blame, not the connection: the others of the batch need not wait for it. */
const isOfOne = (error: unknown) => isDataError(error) || isLockTimeout(error);

export interface Batches {
  /** "unanswered" where Postgres said nothing until the deadline: the flow may or may not be attempted, and must not be sent. */
  attempt(request: AttemptRequest, deadline: Deadline): Promise<AttemptAnswer | "unanswered">;
  /** Resolves once it is written down, however long Postgres is away; or once that is given up, because of its own data. */
  settle(settlement: Settlement): Promise<void>;
  settleAll(settlements: readonly Settlement[]): Promise<void>;
}

export type BatchesOptions = {
  readonly pool: pg.Pool;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly minStepDelayHours: number;
  readonly onSettled: () => void;
};

export function createBatches({ pool, lease, clock, logger, minStepDelayHours, onSettled }: BatchesOptions): Batches {
  const after = (ms: number) => new Promise<void>((resolve) => void clock.setTimeout(resolve, ms));

  const attempts = new DataLoader<AttemptRequest, AttemptAnswer>(
    (requests) => inHalves(requests, (some) => retrying(() => attemptFlows(pool, lease, some)), isDataError),
    { cache: false, maxBatchSize: ATTEMPT_BATCH, batchScheduleFn: (run) => void clock.setTimeout(run, ATTEMPT_WAIT_MS) },
  );

  const settleBatch = async (settlements: readonly Settlement[]): Promise<null[]> => {
    const settled = await retrying(() => settleFlows(pool, settlements, minStepDelayHours));
    // Rescue was first, after a suspension say: what was accepted corrects its "unknown".
    const late = settlements.flatMap(({ flowId, ending }) => (ending.kind === "accepted" && !settled.has(flowId) ? [{ flowId, kind: ending.kind, at: ending.at }] : []));
    if (late.length > 0) await correctFlows(pool, late, settleAll);
    onSettled();
    return settlements.map(() => null);
  };

  /** Tries until Postgres is there again: an outcome that is known is not thrown away. */
  const persistently = async (settlements: readonly Settlement[]): Promise<(null | Error)[]> => {
    for (;;) {
      try {
        return await inHalves(settlements, settleBatch, isOfOne);
      } catch (error) {
        logger.warn({ err: error, flows: settlements.length }, "settling failed, to be tried again");
        await after(RETRY_MS);
      }
    }
  };

  const settlements = new DataLoader<Settlement, null>(persistently, {
    cache: false,
    maxBatchSize: SETTLE_BATCH,
    batchScheduleFn: (run) => void clock.setTimeout(run, SETTLE_WAIT_MS),
  });

  const settle = async (settlement: Settlement) => {
    let failure: unknown;
    try {
      await settlements.load(settlement);
      return;
    } catch (error) {
      failure = error;
    }
    // Somebody holds its lead, in a bulk update say: it goes on trying alone, and its outcome does not become unknown for that.
    while (!isDataError(failure)) {
      await after(RETRY_MS);
      try {
        await settleBatch([settlement]);
        return;
      } catch (error) {
        failure = error;
      }
    }
    // It stays attempted, and rescue ends it as unknown; no other flow is held up by it.
    logger.error({ err: failure, flowId: settlement.flowId }, "a flow cannot be settled");
  };

  const settleAll = async (all: readonly Settlement[]) => void (await Promise.all(all.map(settle)));

  return {
    async attempt(request, deadline) {
      while (!deadline.hasPassed()) {
        try {
          return await attempts.load(request);
        } catch (error) {
          if (isDataError(error)) throw error;
          logger.warn({ err: error, flowId: request.flowId }, "an attempt got no answer, to be asked again");
          await after(RETRY_MS);
        }
      }
      return "unanswered";
    },
    settle,
    settleAll,
  };
}
