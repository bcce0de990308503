// What must be done from time to time so that everything else stays quick and true.

import type pg from "pg";
import { transaction } from "../db/transaction.ts";
import type { Settlement } from "../flows/settle.ts";
import { type Clock, MINUTE_MS, SECOND_MS } from "../lib/clock.ts";
import { createLoop, type Loop } from "../lib/loop.ts";
import type { Logger } from "../lib/logger.ts";
import { holdFirstContacts } from "./first-contacts.ts";
import { enrollmentsOfArchived, stopEnrollments, waitingOfArchived } from "../sequences/stop.ts";

const INTERVAL_MS = 2 * SECOND_MS;
const SWEEP_INTERVAL_MS = MINUTE_MS;
const STOP_BATCH = 1000;

/** Adds what the batches counted to the totals. The views sequence_totals and campaign_totals read both, so that a reader sees each count once, before and
 *  after. */
const foldCounts = (source: "sequence" | "campaign", counts: readonly string[]) => `
  WITH folded AS (
    DELETE FROM ${source}_count_deltas WHERE id IN (SELECT id FROM ${source}_count_deltas ORDER BY id LIMIT 10000 FOR UPDATE SKIP LOCKED) RETURNING *)
  INSERT INTO ${source}_counts AS c (${source}_id, workspace_id, ${counts.join(", ")})
  SELECT ${source}_id, workspace_id, ${counts.map((count) => `sum(${count})`).join(", ")} FROM folded GROUP BY ${source}_id, workspace_id ORDER BY ${source}_id
      ON CONFLICT (${source}_id) DO UPDATE SET ${counts.map((count) => `${count} = c.${count} + excluded.${count}`).join(", ")}`;

const foldSequenceCounts = foldCounts("sequence", ["enrolled", "active", "paused", "completed", "stopped", "sent", "failed"]);
const foldCampaignCounts = foldCounts("campaign", ["fed", "sent", "failed", "skipped", "cancelled"]);

export type UpkeepOptions = {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settleAll: (settlements: readonly Settlement[]) => Promise<void>;
  readonly onStopped: () => void;
};

/** Folds the counts, moves lanes on to the next time in which they are open, holds first contacts, and ends what is left of archived sequences. */
export function createUpkeep({ pool, clock, logger, settleAll, onStopped }: UpkeepOptions): Loop {
  const cycle = async () => {
    await pool.query(foldSequenceCounts);
    await pool.query(foldCampaignCounts);
    await pool.query("SELECT turn_lanes()");
    for (const { id, devices } of await holdFirstContacts(pool)) {
      logger.warn({ workspaceId: id, restricted: devices }, "a workspace's first contacts are held, for too many of its devices are restricted, until an operator releases them");
    }
    for (let ids = await enrollmentsOfArchived(pool, STOP_BATCH); ids.length > 0; ids = await enrollmentsOfArchived(pool, STOP_BATCH)) {
      const archived = ids;
      await transaction(pool, (client) => stopEnrollments(client, archived, "SEQUENCE_ARCHIVED"));
      onStopped();
    }
    const left = await waitingOfArchived(pool, STOP_BATCH); // the rest in the next cycle
    await settleAll(left.map((flowId) => ({ flowId, attemptId: null, ending: { kind: "skipped", reason: "SEQUENCE_ARCHIVED" } })));
  };
  return createLoop({ cycle, intervalMs: INTERVAL_MS, clock, onError: (error) => logger.error({ err: error }, "upkeep failed, to be tried again") });
}

/** Makes the partitions of the weeks to come, and takes away what is of no account any more. */
export function createSweep({ pool, clock, logger }: Pick<UpkeepOptions, "pool" | "clock" | "logger">): Loop {
  const cycle = async () => {
    await pool.query("SELECT ensure_partitions()");
    // No limit looks back further than a day and a send deadline.
    await pool.query("DELETE FROM device_attempts WHERE at < statement_timestamp() - interval '25 hours'");
    await pool.query("DELETE FROM idempotency_keys WHERE created_at < statement_timestamp() - interval '7 days'");
  };
  return createLoop({ cycle, intervalMs: SWEEP_INTERVAL_MS, clock, onError: (error) => logger.error({ err: error }, "sweeping failed, to be tried again") });
}
