// What an estimate of a campaign's end is made from: what waits and when it may go, the devices and what they have sent, and what else they have to send.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import { dailyLimitOf, hourlyLimitOf } from "../devices/ramp.ts";
import { IS_RESTRICTED } from "../devices/restriction.ts";
import { SECOND_MS } from "../lib/clock.ts";
import { estimatedFinish, PLAYED_DAYS, type DeviceGroup, type WaitingLane } from "./estimate.ts";

type Queryable = Pick<pg.ClientBase, "query">;

/** Of devices with the same limits, whose history stands for the others': they share the work evenly, and 3,000 have two million attempts a day. */
const SAMPLE = 64;

/** What is not known of real devices: how long WhatsApp takes to acknowledge a message. */
const USUAL_SEND_MS = 1500;

/** One each day, as far ahead as it is played forward. */
const OPENINGS = PLAYED_DAYS + 2;

const FLEET = `
  WITH able AS MATERIALIZED (
    SELECT d.id, l.hourly_limit, l.daily_limit, CASE d.transport WHEN 'SIMULATOR' THEN d.simulated_latency_ms ELSE ${USUAL_SEND_MS} END AS send_ms,
           row_number() OVER (PARTITION BY l.hourly_limit, l.daily_limit ORDER BY d.id) AS place
      FROM devices d CROSS JOIN LATERAL (SELECT ${hourlyLimitOf("d")} AS hourly_limit, ${dailyLimitOf("d")} AS daily_limit) AS l WHERE d.workspace_id = $1 AND d.status = 'ONLINE' AND d.paused_at IS NULL AND (${IS_RESTRICTED}) IS NOT TRUE),
  groups AS (
    SELECT hourly_limit, daily_limit, count(*)::int AS devices, least(count(*), ${SAMPLE})::int AS sampled, avg(send_ms)::float8 AS send_ms
      FROM able GROUP BY hourly_limit, daily_limit),
  made AS (
    SELECT d.hourly_limit, d.daily_limit, floor(extract(epoch FROM statement_timestamp() - a.at) / 60)::int AS ago, count(*)::int AS attempts
      FROM able d JOIN device_attempts a ON a.device_id = d.id AND a.at > statement_timestamp() - interval '24 hours'
     WHERE d.place <= ${SAMPLE} GROUP BY 1, 2, 3)
  SELECT g.devices, g.sampled, g.hourly_limit AS "hourlyLimit", g.daily_limit AS "dailyLimit", g.send_ms AS "sendMs",
         (SELECT coalesce(json_agg(json_build_array(greatest(m.ago, 0), m.attempts)), '[]') FROM made m
           WHERE m.hourly_limit = g.hourly_limit AND m.daily_limit = g.daily_limit) AS attempts
    FROM groups g`;

type Group = Omit<DeviceGroup, "attempts"> & { readonly sampled: number; readonly sendMs: number; readonly attempts: readonly [ago: number, attempts: number][] };

const CAMPAIGNS = `
  WITH RECURSIVE wanted AS MATERIALIZED (
    SELECT c.id, c.min_delay_seconds, c.max_delay_seconds, w.hourly_ceiling, greatest(statement_timestamp(), CASE c.status WHEN 'SCHEDULED' THEN c.start_at END) AS since, t.waiting
      FROM campaigns c JOIN workspaces w ON w.id = c.workspace_id JOIN campaign_totals t ON t.campaign_id = c.id
     WHERE c.id IN (SELECT unnest($1::uuid[])) AND c.workspace_id = $2 AND c.status IN ('SCHEDULED', 'RUNNING')),
  lane AS MATERIALIZED (
    SELECT w.id AS campaign_id, a.id, a.workspace_id, a.time_zone, w.since, a.unfed + (SELECT count(*) FROM flows f WHERE f.lane_id = a.id AND f.queued)::int AS leads
      FROM wanted w JOIN lanes a ON a.campaign_id = w.id AND NOT a.is_test),
  opening AS (
    SELECT l.id, 1 AS nth, l.workspace_id, l.time_zone, o.* FROM lane l CROSS JOIN LATERAL lane_opening(l.workspace_id, NULL, l.time_zone, l.since) AS o WHERE l.leads > 0
     UNION ALL
    SELECT b.id, b.nth + 1, b.workspace_id, b.time_zone, o.*
      FROM opening b CROSS JOIN LATERAL lane_opening(b.workspace_id, NULL, b.time_zone, b.open_until) AS o WHERE b.open_until < 'infinity' AND b.nth < ${OPENINGS})
  SELECT w.id, extract(epoch FROM w.since)::float8 * 1000 AS since, w.min_delay_seconds AS "minDelaySeconds", w.max_delay_seconds AS "maxDelaySeconds",
         w.hourly_ceiling AS "hourlyCeiling", w.waiting::int AS waiting,
         (SELECT coalesce(json_agg(json_build_object('leads', l.leads, 'openings', (
             SELECT coalesce(json_agg(json_build_array(CASE WHEN o.open_from > '-infinity' THEN extract(epoch FROM o.open_from) * 1000 END,
                                                       CASE WHEN o.open_until < 'infinity' THEN extract(epoch FROM o.open_until) * 1000 END) ORDER BY o.nth), '[]')
               FROM opening o WHERE o.id = l.id AND o.open_from < 'infinity'))), '[]') FROM lane l WHERE l.campaign_id = w.id AND l.leads > 0) AS lanes
    FROM wanted w`;

type CampaignRow = {
  readonly id: string;
  readonly since: number;
  readonly minDelaySeconds: number;
  readonly maxDelaySeconds: number;
  readonly hourlyCeiling: number | null;
  readonly waiting: number;
  readonly lanes: readonly { readonly leads: number; readonly openings: readonly [from: number | null, until: number | null][] }[];
};

/** What else waits for the devices: other campaigns that run, and what is due of each sequence, up to some thousands. */
const RIVALS = `
  SELECT c.id AS "campaignId", t.waiting::int AS waiting
    FROM campaigns c JOIN campaign_totals t ON t.campaign_id = c.id WHERE c.workspace_id = $1 AND c.status = 'RUNNING' AND t.waiting > 0
   UNION ALL
  SELECT NULL, n.due
    FROM lanes a
   CROSS JOIN LATERAL (
     SELECT count(*)::int AS due FROM (SELECT FROM flows f WHERE f.lane_id = a.id AND f.queued AND f.due_at <= statement_timestamp() - a.pause_offset LIMIT 10000) AS q) AS n
   WHERE a.workspace_id = $1 AND a.sequence_id IS NOT NULL AND a.paused_at IS NULL AND statement_timestamp() BETWEEN a.open_from AND a.open_until AND n.due > 0`;

type Rival = { readonly campaignId: string | null; readonly waiting: number };

/** When each campaign will be done, at the present devices' limits and pace, in the order of `ids`; null where it is not on its way, or never will be done. */
export async function estimatedFinishes(db: WorkspaceDb, ids: readonly string[]): Promise<(Date | null)[]> {
  return db.read(async ({ $client }) => {
    const campaigns = (await $client.query<CampaignRow>(CAMPAIGNS, [textArray(ids), db.id])).rows;
    if (campaigns.length === 0) return ids.map(() => null);
    const fleet = await loadFleet($client, db.id);
    const rivals = (await $client.query<Rival>(RIVALS, [db.id])).rows;
    const byId = new Map(campaigns.map((campaign) => [campaign.id, finishOf(campaign, fleet, rivals)]));
    return ids.map((id) => byId.get(id) ?? null);
  });
}

type Fleet = { readonly groups: readonly DeviceGroup[]; readonly sendMs: number };

async function loadFleet(client: Queryable, workspaceId: string): Promise<Fleet> {
  const { rows } = await client.query<Group>(FLEET, [workspaceId]);
  const devices = rows.reduce((sum, group) => sum + group.devices, 0);
  return {
    groups: rows.map(({ sampled, attempts, ...group }) => ({
      ...group,
      attempts: new Map(attempts.map(([ago, made]) => [ago, (made * group.devices) / sampled])),
    })),
    sendMs: rows.reduce((sum, group) => sum + group.devices * group.sendMs, 0) / Math.max(devices, 1),
  };
}

function finishOf(campaign: CampaignRow, { groups, sendMs }: Fleet, rivals: readonly Rival[]): Date | null {
  const { id, since, minDelaySeconds, maxDelaySeconds, hourlyCeiling, waiting } = campaign;
  const pauseMs = ((minDelaySeconds + maxDelaySeconds) / 2) * SECOND_MS;
  const finish = estimatedFinish({
    from: since,
    lanes: lanesOf(campaign),
    groups,
    periodMs: Math.max(1, pauseMs + sendMs),
    hourlyCeiling,
    rivals: rivals.filter(({ campaignId }) => campaignId !== id).map((rival) => rival.waiting),
  });
  // What is being attempted is in no lane any more.
  return finish === null || waiting === 0 ? null : new Date(finish);
}

const lanesOf = ({ lanes }: CampaignRow): WaitingLane[] =>
  lanes.map(({ leads, openings }) => ({ leads, openings: openings.map(([from, until]) => [from ?? -Infinity, until ?? Infinity] as const) }));
