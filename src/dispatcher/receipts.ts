// Takes what the transports hear of messages, and works it into their flows, gathered.

import type pg from "pg";
import { retrying } from "../db/transaction.ts";
import type { MessageIds } from "../flows/message-id.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Receipt } from "../transports/transport.ts";
import { correctFlows, type FlowReceipt } from "./correct.ts";
import type { Settlement } from "../flows/settle.ts";

const GATHER_MS = 50;
/** Not a second, which the simulation takes for the wait of a loop that has nothing to do, and passes over. */
const RETRY_MS = 750;
const BATCH = 2000;

export interface Receipts {
  add(receipt: Receipt): void;
  /** Waits until all that was added is worked in, or that fails. */
  flush(): Promise<void>;
}

export type ReceiptsOptions = {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly messageIds: MessageIds;
  readonly settleAll: (settlements: readonly Settlement[]) => Promise<void>;
  readonly onCorrected: () => void;
};

export function createReceipts({ pool, clock, logger, messageIds, settleAll, onCorrected }: ReceiptsOptions): Receipts {
  let pending: FlowReceipt[] = [];
  let working: Promise<void> | undefined;

  const work = async () => {
    while (pending.length > 0) {
      const batch = pending.splice(0, BATCH);
      try {
        if ((await retrying(() => correctFlows(pool, batch, settleAll))) > 0) onCorrected();
      } catch (error) {
        pending = [...batch, ...pending];
        logger.warn({ err: error }, "receipts could not be worked in, to be tried again");
        void clock.setTimeout(() => void begin(), RETRY_MS);
        return;
      }
    }
  };

  const begin = () => {
    working ??= work().finally(() => {
      working = undefined;
    });
    return working;
  };

  return {
    add({ messageId, kind, at }) {
      // An id that is not one of ours: somebody wrote by hand from the same account.
      const flowId = messageIds.flowIdOf(messageId);
      if (flowId === null) return;
      if (pending.push({ flowId, kind, at }) === 1) void clock.setTimeout(() => void begin(), GATHER_MS);
    },
    flush: begin,
  };
}
