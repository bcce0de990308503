// Keeps campaigns going: begins those whose time has come, feeds the queue as devices can take it, sweeps what a cancelled one has left in the queue, and
// ends those that are done. Two feeders for a moment do no harm.

import type pg from "pg";
import { transaction } from "../db/transaction.ts";
import { IS_RESTRICTED } from "../devices/restriction.ts";
import type { Settlement } from "../flows/settle.ts";
import type { Clock } from "../lib/clock.ts";
import { SECOND_MS } from "../lib/clock.ts";
import { createLoop, type Loop } from "../lib/loop.ts";
import type { Logger } from "../lib/logger.ts";
import { FEED_BATCH, feedLane } from "./feed.ts";
import { type LaneToFeed, leadsToFeed, MAX_QUEUED, partsOf, type Queue, type Supply } from "./plan.ts";

const INTERVAL_MS = 2 * SECOND_MS;
const SWEEP_BATCH = 1000;

export type FeederOptions = {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly claimBatch: number;
  readonly settleAll: (settlements: readonly Settlement[]) => Promise<void>;
  /** Something was put into the queue. */
  readonly onFed: () => void;
};

const live = "SELECT FROM campaigns WHERE status IN ('SCHEDULED', 'RUNNING') OR status = 'CANCELLED' AND finished_at IS NULL LIMIT 1";

const begin = `
  UPDATE campaigns SET status = 'RUNNING', started_at = coalesce(started_at, clock_timestamp())
   WHERE status = 'SCHEDULED' AND (start_at IS NULL OR start_at <= clock_timestamp())`;

/** Of campaigns that run, with leads to come in lanes that are open: how many wait in the queue, and how many of these could go now, those apart that a device
 *  keeps for itself. What waits for a restricted device or for an operator counts for nothing: others would stand behind it for days. */
const hungry = `
  SELECT c.id, c.min_delay_seconds AS "minDelaySeconds", c.max_delay_seconds AS "maxDelaySeconds", w.hourly_ceiling AS "hourlyCeiling",
         (SELECT count(*)::int FROM devices d
           WHERE d.workspace_id = c.workspace_id AND d.status = 'ONLINE' AND d.paused_at IS NULL AND (${IS_RESTRICTED}) IS NOT TRUE) AS devices,
         n.queued, n.free, n.kept, o.lanes
    FROM campaigns c JOIN workspaces w ON w.id = c.workspace_id
   CROSS JOIN LATERAL (
     SELECT json_agg(json_build_object('laneId', a.id, 'unfed', a.unfed) ORDER BY a.id) AS lanes
       FROM lanes a
      WHERE a.campaign_id = c.id AND a.unfed > 0 AND a.paused_at IS NULL AND a.open_from <= statement_timestamp() AND a.open_until > statement_timestamp()) AS o
   CROSS JOIN LATERAL (
     SELECT coalesce(sum(b.queued), 0)::int AS queued, coalesce(sum(b.due) FILTER (WHERE d.id IS NULL OR d.spills), 0)::int AS free,
            coalesce(json_agg(b.due) FILTER (WHERE NOT d.spills AND (${IS_RESTRICTED}) IS NOT TRUE), '[]') AS kept
       FROM (SELECT q.bound_device_id, count(*) AS queued,
                    count(*) FILTER (WHERE q.due_at <= statement_timestamp() - q.pause_offset AND (
                      w.first_contacts_held_at IS NULL OR EXISTS (SELECT FROM leads l WHERE l.id = q.lead_id AND l.last_replied_at IS NOT NULL))) AS due
               FROM (SELECT f.due_at, f.bound_device_id, f.lead_id, a.pause_offset FROM lanes a JOIN flows f ON f.lane_id = a.id AND f.queued
                      WHERE a.campaign_id = c.id AND NOT a.is_test AND a.open_from <= statement_timestamp() AND a.open_until > statement_timestamp()
                      LIMIT ${MAX_QUEUED}) AS q
              GROUP BY q.bound_device_id) AS b
       LEFT JOIN devices d ON d.id = b.bound_device_id) AS n
   WHERE c.status = 'RUNNING' AND o.lanes IS NOT NULL`;

type Hungry = Omit<Supply, "claimBatch"> & Queue & { readonly id: string; readonly lanes: readonly LaneToFeed[] };

/** Of cancelled campaigns, and of those that are done but for a test message, for which it is too late. */
const leftBehind = `
  SELECT f.id FROM campaigns c JOIN lanes a ON a.campaign_id = c.id
   CROSS JOIN LATERAL (SELECT id FROM flows WHERE lane_id = a.id AND queued LIMIT ${SWEEP_BATCH}) AS f
   WHERE c.status = 'CANCELLED' AND c.finished_at IS NULL
      OR c.status = 'RUNNING' AND a.is_test AND (SELECT t.waiting FROM campaign_totals t WHERE t.campaign_id = c.id) = 0
   LIMIT ${SWEEP_BATCH}`;

const ending = "SELECT id FROM campaigns WHERE status = 'RUNNING' OR status = 'CANCELLED' AND finished_at IS NULL";

const end = `
  UPDATE campaigns c SET status = CASE c.status WHEN 'RUNNING' THEN 'COMPLETED' ELSE c.status END, finished_at = clock_timestamp()
    FROM campaign_totals t
   WHERE c.id = ANY ($1::uuid[]) AND t.campaign_id = c.id AND t.waiting = 0
     AND NOT EXISTS (SELECT FROM lanes a JOIN flows f ON f.lane_id = a.id AND f.queued WHERE a.campaign_id = c.id)     -- its lanes close: a test would wait for ever
  RETURNING c.id`;

/** Waits for no row that a launch or a retry holds: those are looked at the next time. */
const endCampaigns = (pool: pg.Pool) =>
  transaction(pool, async (client) => {
    const { rows } = await client.query<{ id: string }>(`${ending} ORDER BY id FOR UPDATE SKIP LOCKED`);
    // Locked first, and counted in a statement of its own: a retry that was made meanwhile waits for something again.
    if (rows.length > 0) await client.query(end, [rows.map(({ id }) => id)]);
  });

export function createFeeder({ pool, clock, logger, claimBatch, settleAll, onFed }: FeederOptions): Loop {
  let stopping = false;

  const feedCampaign = async (campaign: Hungry) => {
    let queued = 0;
    for (const part of partsOf(campaign.lanes, leadsToFeed({ ...campaign, claimBatch }, campaign))) {
      let left = part.leads;
      while (left > 0 && !stopping) {
        const done = await feedLane(pool, campaign.id, part.laneId, Math.min(left, FEED_BATCH));
        if (done.fed === 0) break;
        // Who has opted out takes no place in the queue: others come in instead.
        left -= done.queued;
        queued += done.queued;
      }
    }
    return queued;
  };

  const feedAll = async () => {
    let queued = 0;
    for (const campaign of (await pool.query<Hungry>(hungry)).rows) {
      try {
        queued += await feedCampaign(campaign);
      } catch (error) {
        // The other campaigns do not wait for it.
        logger.error({ err: error, campaignId: campaign.id }, "a campaign could not be fed, to be tried again");
      }
    }
    if (queued > 0) onFed();
  };

  const sweep = async () => {
    const { rows } = await pool.query<{ id: string }>(leftBehind); // the rest in the next cycle
    await settleAll(rows.map(({ id }) => ({ flowId: id, attemptId: null, ending: { kind: "cancelled" } })));
  };

  const cycle = async () => {
    // Mostly there is none: nothing more is asked then.
    if ((await pool.query(live)).rowCount === 0) return;
    await pool.query(begin);
    await feedAll();
    await sweep();
    await endCampaigns(pool);
  };

  const loop = createLoop({ cycle, intervalMs: INTERVAL_MS, clock, onError: (error) => logger.error({ err: error }, "feeding campaigns failed, to be tried again") });
  return {
    ...loop,
    async stop() {
      stopping = true;
      await loop.stop();
    },
  };
}
