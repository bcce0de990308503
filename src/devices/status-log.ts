import type pg from "pg";
import { retrying } from "../db/transaction.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { type StatusChange, writeStatusChanges } from "./status.ts";

const GATHER_MS = 10;
/** Not a second, which the simulation takes for the wait of a loop that has nothing to do, and passes over. */
const RETRY_MS = 750;

/** Takes the sessions' changes of state and writes them down in their order, gathered over all devices: 3,000 that come up together are a
 *  few statements. */
export interface StatusLog {
  add(change: StatusChange): void;
  /** Waits until all that was added is written, or the writing fails. */
  flush(): Promise<void>;
}

export type StatusLogOptions = { readonly pool: pg.Pool; readonly nodeId: string; readonly clock: Clock; readonly logger: Logger; readonly onWritten: () => void };

export function createStatusLog({ pool, nodeId, clock, logger, onWritten }: StatusLogOptions): StatusLog {
  let pending: StatusChange[] = [];
  let writing: Promise<void> | undefined;

  /** The first change of each device; its later ones stay for the next statement. */
  const firstOfEach = () => {
    const seen = new Set<string>();
    const first = pending.filter(({ deviceId }) => !seen.has(deviceId) && seen.add(deviceId));
    const taken = new Set(first);
    pending = pending.filter((change) => !taken.has(change));
    return first;
  };

  const write = async () => {
    while (pending.length > 0) {
      const changes = firstOfEach();
      try {
        await retrying(() => writeStatusChanges(pool, nodeId, changes));
        onWritten();
      } catch (error) {
        pending.unshift(...changes);
        logger.warn({ err: error }, "the states of devices could not be written, to be tried again");
        void clock.setTimeout(() => void begin(), RETRY_MS);
        return;
      }
    }
  };

  const begin = () => {
    writing ??= write().finally(() => {
      writing = undefined;
    });
    return writing;
  };

  return {
    add(change) {
      if (pending.push(change) === 1) void clock.setTimeout(() => void begin(), GATHER_MS);
    },
    flush: begin,
  };
}
