// Gathers what the workers of all devices attempt in the same few milliseconds into one statement.

import type pg from "pg";
import { isDataError, isLockTimeout, retrying } from "../db/transaction.ts";
import { createBatcher } from "../lib/batcher.ts";
import type { Clock } from "../lib/clock.ts";
import type { Deadline } from "../lib/deadline.ts";
import { inHalves } from "../lib/halving.ts";
import type { Logger } from "../lib/logger.ts";
import { type AttemptAnswer, type AttemptRequest, attemptFlows, unlockedFlows } from "./attempt.ts";

/** Short, for it is the attempt that a message waits for. What comes together in that time is attempted together: a statement costs 3 ms of its own,
 *  which of batches of 100 was a third. */
const WAIT_MS = 2;
const BATCH = 1000;
const RETRY_MS = 250;
/** More statements at the same time only stand in each other's way: without this bound there were eight at once, and a flow cost 8 % more. */
const AT_ONCE = 2;
const PATIENCE_MS = 1000;

export type Asked = AttemptRequest & { readonly deadline: Deadline };

/** "unanswered" where Postgres said nothing until the deadline: the flow may or may not be attempted, and must not be sent. An Error where its own data
 *  are at fault. */
export type Answer = AttemptAnswer | "unanswered" | Error;

export interface Attempts<T extends Asked> {
  /** The attempt id of what is added now. One for all that gather for the next statement: whoever tries a flow again does so after that one has begun. */
  id(): string;
  add(asked: T): void;
}

export type AttemptsOptions<T extends Asked> = {
  readonly pool: pg.Pool;
  /** Under which it attempts. */
  readonly nodeId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly newId: () => string;
  /** Hears of each batch once, with an answer for each in its order. */
  readonly onAnswers: (batch: readonly T[], answers: readonly Answer[]) => void;
};

export function createAttempts<T extends Asked>({ pool, nodeId, clock, logger, newId, onAnswers }: AttemptsOptions<T>): Attempts<T> {
  const attempt = (requests: readonly AttemptRequest[]) => inHalves(requests, (some) => retrying(() => attemptFlows(pool, nodeId, some)), isDataError);

  /** Somebody holds one of them, in a bulk update say: the others need not miss their deadline for it. It stays in the queue. */
  const attemptUnlocked = async (requests: readonly AttemptRequest[]): Promise<readonly Answer[]> => {
    const unlocked = await unlockedFlows(pool, requests.map(({ flowId }) => flowId));
    const some = requests.filter(({ flowId }) => unlocked.has(flowId));
    const answers = some.length === 0 ? [] : await attempt(some);
    const answerOf = new Map(some.map(({ flowId }, index) => [flowId, answers[index]]));
    return requests.map(({ flowId }) => answerOf.get(flowId) ?? { attempted: false, hindrance: "not_now", stopReason: null });
  };

  /** Asked again where no answer came, by the same requests, as long as the first has time to send. They came within a second or so
   *  of each other; one that is given up with the others was either never attempted, and stays in the queue, or is settled as missed. */
  const attemptInTime = async (batch: readonly Asked[]): Promise<readonly Answer[]> => {
    let ask: (requests: readonly AttemptRequest[]) => Promise<readonly Answer[]> = attempt;
    while (!batch[0]?.deadline.hasPassed()) {
      try {
        return await ask(batch);
      } catch (error) {
        if (isLockTimeout(error)) {
          ask = attemptUnlocked;
          continue;
        }
        logger.warn({ err: error, flows: batch.length }, "attempts got no answer, to be asked again");
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, RETRY_MS));
      }
    }
    return batch.map(() => "unanswered");
  };

  let id = newId();
  const run = async (batch: readonly T[]) => {
    id = newId();
    onAnswers(batch, await attemptInTime(batch));
  };
  const add = createBatcher<T>({ clock, waitMs: WAIT_MS, most: BATCH, atOnce: AT_ONCE, patienceMs: PATIENCE_MS, run });
  return { id: () => id, add };
}
