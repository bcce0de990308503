// Puts a campaign's leads into the queue, in the order of their ids: in one transaction their flows are made and the lane's place is moved on. Whoever else
// comes to the same lane waits for its row, and goes on from there: nobody is fed twice or passed over, whatever dies or races.

import type pg from "pg";
import { transaction } from "../db/transaction.ts";
import { appendEvents } from "../events/append.ts";
import { KNOWN_DEVICE } from "../leads/known-device.ts";

/** In one transaction. */
export const FEED_BATCH = 1000;

const feed = `
  WITH next AS MATERIALIZED (
    SELECT t.lead_id FROM campaign_leads t, lanes a
     WHERE a.id = $1 AND t.lane_id = a.id AND t.lead_id > coalesce(a.fed_lead_id, '00000000-0000-0000-0000-000000000000')
     ORDER BY t.lead_id LIMIT $2),
  moved AS (
    UPDATE lanes SET fed_lead_id = (SELECT lead_id FROM next ORDER BY lead_id DESC LIMIT 1), unfed = unfed - (SELECT count(*) FROM next)
     WHERE id = $1 AND EXISTS (SELECT FROM next)),
  found AS MATERIALIZED (
    SELECT n.lead_id, l.id IS NULL AS is_gone, l.opted_out_at IS NOT NULL AS has_opted_out, w.require_consent AND l.consent_at IS NULL AS lacks_consent, l.device_id, coalesce(l.time_zone, w.time_zone) AS zone
      FROM next n
      JOIN campaigns c ON c.id = $3
      JOIN workspaces w ON w.id = c.workspace_id
      LEFT JOIN LATERAL (                                            -- closed (OFFSET 0): looked up by the key. LEFT: SQL may have deleted it
        SELECT l.id, l.opted_out_at, l.consent_at, l.time_zone, ${KNOWN_DEVICE} AS device_id FROM leads l WHERE l.id = n.lead_id OFFSET 0) AS l ON true),
  target_lanes AS MATERIALIZED (                                     -- of the zone that the person lives in by now
    SELECT z.zone, campaign_lane_of($3, z.zone, false) AS lane_id FROM (SELECT DISTINCT zone FROM found) AS z),
  created AS (
    INSERT INTO flows (workspace_id, lane_id, lead_id, campaign_id, due_at, bound_device_id, queued, status, settled_at, skip_reason)
    SELECT c.workspace_id, t.lane_id, f.lead_id, c.id,
           lane_time(clock_timestamp(), a.paused_at, coalesce(a.pause_offset, interval '0')),  -- a lane made just now is not seen here yet, and its time is the wall's
           f.device_id, s.reason IS NULL, CASE WHEN s.reason IS NULL THEN 'ACTIVE' ELSE 'SKIPPED' END,
           CASE WHEN s.reason IS NOT NULL THEN clock_timestamp() END, s.reason
      FROM (SELECT * FROM found ORDER BY lead_id) AS f
      JOIN campaigns c ON c.id = $3
      JOIN target_lanes t ON t.zone = f.zone
      LEFT JOIN lanes a ON a.id = t.lane_id
     CROSS JOIN LATERAL (SELECT CASE WHEN f.is_gone THEN 'ERASED' WHEN f.has_opted_out THEN 'OPTED_OUT' WHEN f.lacks_consent THEN 'NO_CONSENT' END AS reason) AS s
    RETURNING id, workspace_id, campaign_id, skip_reason),
  logged AS (${appendEvents(["flow_id", "campaign_id", "reason"], `
      SELECT 1 AS place, workspace_id, 'FLOW_ACTIVATED' AS type, id AS flow_id, campaign_id, NULL AS reason FROM created
       UNION ALL
      SELECT 2, workspace_id, 'FLOW_SKIPPED', id, campaign_id, skip_reason FROM created WHERE skip_reason IS NOT NULL`, { inPlaces: true })}),
  counted AS (
    INSERT INTO campaign_count_deltas (workspace_id, campaign_id, fed, skipped)
    SELECT workspace_id, campaign_id, count(*), count(skip_reason) FROM created GROUP BY workspace_id, campaign_id)
  SELECT count(*)::int AS fed, count(*) FILTER (WHERE skip_reason IS NULL)::int AS queued FROM created`;

export type Fed = {
  /** Leads that have got a flow. */
  readonly fed: number;
  /** Those of them that it is to be sent to: the others have opted out since the launch. */
  readonly queued: number;
};

const NOBODY: Fed = { fed: 0, queued: 0 };

/** Feeds up to `leads` of a lane's audience; nobody where the campaign is not running any more. */
export function feedLane(pool: pg.Pool, campaignId: string, laneId: number, leads: number): Promise<Fed> {
  return transaction(pool, async (client) => {
    // Apart from the statement, so that it sees what who held the rows before has written. A pause or the end waits for this, or this for it.
    const running = await client.query("SELECT FROM campaigns WHERE id = $1 AND status = 'RUNNING' FOR SHARE", [campaignId]);
    if (running.rowCount === 0) return NOBODY;
    const lane = await client.query("SELECT FROM lanes WHERE id = $1 AND unfed > 0 FOR NO KEY UPDATE", [laneId]);
    if (lane.rowCount === 0) return NOBODY;
    const { rows } = await client.query<Fed>({ name: "feed_campaign", text: feed, values: [laneId, leads, campaignId] });
    return rows[0] ?? NOBODY;
  });
}
