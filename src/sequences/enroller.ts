// Carries the words that were set on leads into enrolments: reviews changed sequences, then drains the queue at a limited rate.

import type pg from "pg";
import { transaction } from "../db/transaction.ts";
import type { Clock, Timer } from "../lib/clock.ts";
import { SECOND_MS } from "../lib/clock.ts";
import { createLoop, type Loop } from "../lib/loop.ts";
import type { Logger } from "../lib/logger.ts";
import { enrolQueued } from "./enrol.ts";
import { reviewWorkspace, workspacesToReview } from "./review.ts";

export type EnrollerOptions = {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
  /** Leads per transaction. */
  readonly batch: number;
  readonly perSecond: number;
  readonly minStepDelayHours: number;
  readonly onEnrolled: () => void;
};

export function createEnroller(options: EnrollerOptions): Loop {
  const { pool, clock, logger, intervalMs, batch, perSecond, minStepDelayHours, onEnrolled } = options;
  let stopping = false;
  let pause: { readonly timer: Timer; readonly end: () => void } | undefined;

  const pauseFor = (ms: number) =>
    new Promise<void>((resolve) => {
      if (stopping) return resolve(); // it was told to while the last batch committed
      pause = { timer: clock.setTimeout(resolve, ms), end: resolve };
    });

  const review = async () => {
    for (const workspaceId of await workspacesToReview(pool)) {
      try {
        await reviewWorkspace(pool, workspaceId, minStepDelayHours);
      } catch (error) {
        // The other workspaces' leads do not wait for it.
        logger.error({ err: error, workspaceId }, "a workspace's sequences could not be reviewed");
      }
    }
  };

  const drainOnce = (workspaceId: string) =>
    transaction(pool, async (client) => {
      // Held until the commit: a review that ends in between would not see the leads whose words are dropped here, nor we its verdict.
      const { rowCount } = await client.query("SELECT FROM workspaces WHERE id = $1 AND graph_revision = reviewed_revision FOR SHARE", [workspaceId]);
      return rowCount === 0 ? { taken: 0, enrolled: 0 } : enrolQueued(client, workspaceId, batch);
    });

  const drain = async (workspaceId: string) => {
    try {
      return await drainOnce(workspaceId);
    } catch (error) {
      logger.error({ err: error, workspaceId }, "a workspace's leads could not be enrolled, to be tried again");
      return { taken: 0, enrolled: 0 };
    }
  };

  const waitingWorkspaces = async () => {
    const { rows } = await pool.query<{ id: string }>(
      "SELECT id FROM workspaces w WHERE graph_revision = reviewed_revision AND EXISTS (SELECT FROM enrollment_queue q WHERE q.workspace_id = w.id) ORDER BY id",
    );
    return rows.map((row) => row.id);
  };

  /** One transaction for each workspace that has words waiting. Returns how many words were taken. */
  const drainRound = async () => {
    let taken = 0;
    for (const workspaceId of await waitingWorkspaces()) {
      if (stopping) break;
      const from = clock.monotonic();
      const done = await drain(workspaceId);
      taken += done.taken;
      if (done.enrolled === 0) continue;
      onEnrolled();
      await pauseFor(Math.max(0, (done.enrolled / perSecond) * SECOND_MS - (clock.monotonic() - from)));
    }
    return taken;
  };

  const cycle = async () => {
    await review();
    while (!stopping && (await drainRound()) > 0) await review();
  };

  const loop = createLoop({ cycle, intervalMs, clock, onError: (error) => logger.error({ err: error }, "an enrolling cycle failed") });
  return {
    ...loop,
    async stop() {
      stopping = true;
      pause?.timer.cancel();
      pause?.end();
      await loop.stop();
    },
  };
}
