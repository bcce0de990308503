// Gathers what the workers of all devices attempt and settle in the same few milliseconds into one statement each.

import type pg from "pg";
import { isDataError, isLockTimeout, retrying } from "../db/transaction.ts";
import { createBatcher } from "../lib/batcher.ts";
import type { Clock } from "../lib/clock.ts";
import type { Deadline } from "../lib/deadline.ts";
import { inHalves } from "../lib/halving.ts";
import type { Logger } from "../lib/logger.ts";
import { type AttemptAnswer, type AttemptRequest, attemptFlows, unlockedFlows } from "./attempt.ts";
import { correctFlows } from "./correct.ts";
import { type Settlement, settleFlows } from "../flows/settle.ts";

/** Short, for it is the attempt that a message waits for. What comes together in that time is attempted together: a statement costs 3 ms of its own,
 *  which of batches of 100 was a third. */
const ATTEMPT_WAIT_MS = 2;
const ATTEMPT_BATCH = 1000;
const SETTLE_BATCH = 2000;
const SETTLE_WAIT_MS = 10;
const RETRY_MS = 250;
/** More statements at the same time only stand in each other's way: without this bound there were eight at once, and a flow cost 8 % more. */
const ATTEMPTS_AT_ONCE = 2;
const SETTLES_AT_ONCE = 2;
const PATIENCE_MS = 1000;

/** Outcomes that wait to be written down, in memory, before those who send are held back. */
const MOST_UNSETTLED = 10 * SETTLE_BATCH;

/** One row is to blame, not the connection: the others of the batch need not wait for it. */
const isOfOne = (error: unknown) => isDataError(error) || isLockTimeout(error);

type Asked = { readonly request: AttemptRequest; readonly deadline: Deadline };

export interface Batches {
  /** "unanswered" where Postgres said nothing until the deadline: the flow may or may not be attempted, and must not be sent. */
  attempt(request: AttemptRequest, deadline: Deadline): Promise<AttemptAnswer | "unanswered">;
  /** Resolves once it is written down, however long Postgres is away; or once that is given up, because of its own data. */
  settle(settlement: Settlement): Promise<void>;
  settleAll(settlements: readonly Settlement[]): Promise<void>;
  /** So much waits to be settled that nothing new should be begun. */
  isBehind(): boolean;
  /** Resolves once everything is settled that is to be. */
  allSettled(): Promise<void>;
}

export type BatchesOptions = {
  readonly pool: pg.Pool;
  /** Under which it attempts. */
  readonly nodeId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly minStepDelayHours: number;
  readonly onSettled: () => void;
};

export function createBatches({ pool, nodeId, clock, logger, minStepDelayHours, onSettled }: BatchesOptions): Batches {
  const after = (ms: number) => new Promise<void>((resolve) => void clock.setTimeout(resolve, ms));

  /** Asked again where no answer came, by the same requests, as long as all have time to send. They came within a second or so
   *  of each other; one that is given up with the others was either never attempted, and stays in the queue, or is settled as missed. */
  const attemptInTime = async (asked: readonly Asked[]): Promise<readonly (AttemptAnswer | "unanswered" | Error)[]> => {
    const requests = asked.map(({ request }) => request);
    while (!asked.some(({ deadline }) => deadline.hasPassed())) {
      try {
        return await inHalves(requests, (some) => retrying(() => attemptFlows(pool, nodeId, some)), isDataError);
      } catch (error) {
        if (isLockTimeout(error)) return attemptUnlocked(requests);
        logger.warn({ err: error, flows: asked.length }, "attempts got no answer, to be asked again");
        await after(RETRY_MS);
      }
    }
    return asked.map(() => "unanswered");
  };

  /** Somebody holds one of them, in a bulk update say: the others need not miss their deadline for it. It stays in the queue. */
  const attemptUnlocked = async (requests: readonly AttemptRequest[]): Promise<readonly (AttemptAnswer | "unanswered" | Error)[]> => {
    const unlocked = await unlockedFlows(pool, requests.map(({ flowId }) => flowId));
    const some = requests.filter(({ flowId }) => unlocked.has(flowId));
    const answers = some.length === 0 ? [] : await inHalves(some, (few) => retrying(() => attemptFlows(pool, nodeId, few)), isDataError);
    const answerOf = new Map(some.map(({ flowId }, index) => [flowId, answers[index]]));
    return requests.map(({ flowId }) => answerOf.get(flowId) ?? { attempted: false, hindrance: "not_now", stopReason: null });
  };

  const attemptTogether = createBatcher<Asked, AttemptAnswer | "unanswered">({ clock, waitMs: ATTEMPT_WAIT_MS, most: ATTEMPT_BATCH, atOnce: ATTEMPTS_AT_ONCE, patienceMs: PATIENCE_MS, run: attemptInTime });

  const settleBatch = async (settlements: readonly Settlement[]): Promise<undefined[]> => {
    const settled = await retrying(() => settleFlows(pool, settlements, minStepDelayHours));
    // Rescue was first, after a suspension say: what was accepted corrects its "unknown".
    const late = settlements.flatMap(({ flowId, ending }) => (ending.kind === "accepted" && !settled.has(flowId) ? [{ flowId, kind: ending.kind, at: ending.at }] : []));
    if (late.length > 0) await correctFlows(pool, late, settleAll);
    onSettled();
    return settlements.map(() => undefined);
  };

  /** Tries until Postgres is there again: an outcome that is known is not thrown away. */
  const persistently = async (settlements: readonly Settlement[]): Promise<readonly (undefined | Error)[]> => {
    for (;;) {
      try {
        return await inHalves(settlements, settleBatch, isOfOne);
      } catch (error) {
        logger.warn({ err: error, flows: settlements.length }, "settling failed, to be tried again");
        await after(RETRY_MS);
      }
    }
  };

  const settleTogether = createBatcher<Settlement, undefined>({ clock, waitMs: SETTLE_WAIT_MS, most: SETTLE_BATCH, atOnce: SETTLES_AT_ONCE, patienceMs: PATIENCE_MS, run: persistently });

  const settleAlone = async (settlement: Settlement, firstFailure: unknown) => {
    let failure = firstFailure;
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

  let unsettled = 0;
  let idle: (() => void)[] = [];
  const settle = (settlement: Settlement): Promise<void> => {
    unsettled += 1;
    return settleTogether(settlement)
      .catch((failure: unknown) => settleAlone(settlement, failure))
      .finally(() => {
        unsettled -= 1;
        if (unsettled > 0) return;
        for (const resolve of idle) resolve();
        idle = [];
      });
  };

  const settleAll = async (all: readonly Settlement[]) => void (await Promise.all(all.map(settle)));

  return {
    attempt: (request, deadline) => attemptTogether({ request, deadline }),
    settle,
    settleAll,
    isBehind: () => unsettled > MOST_UNSETTLED,
    allSettled: () => (unsettled === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  };
}
