// Whom a campaign goes to: kept as the filter that it was made with, and fixed as rows when it is launched.

import { sql } from "drizzle-orm";
import { leads } from "../db/tables/leads.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { leadConditions, type LeadFilter } from "../leads/filter.ts";
import { ok, refused, type Result } from "../lib/errors.ts";

export type StoredAudience = Readonly<Record<string, unknown>>;

/** As plain JSON, without what was left out. */
export const storedAudience = (filter: LeadFilter): StoredAudience => JSON.parse(JSON.stringify(filter, (_key, value) => (value === null ? undefined : value)));

/** What was kept, with its times as times. */
function audienceFilter(stored: StoredAudience): LeadFilter {
  const time = (value: unknown) => (typeof value === "string" ? new Date(value) : undefined);
  return { ...stored, createdAfter: time(stored["createdAfter"]), createdBefore: time(stored["createdBefore"]) };
}

const ID_TYPES = { ids: "Lead", importId: "LeadImport", sequenceId: "Sequence", preferredDeviceId: "Device" } as const;

/** As a LeadFilter is written by the API's callers, to be used in a query again. */
export function shownAudience(stored: StoredAudience): Record<string, unknown> {
  const shown = { ...stored };
  for (const [field, type] of Object.entries(ID_TYPES)) {
    const value = stored[field];
    if (Array.isArray(value)) shown[field] = value.map((id) => `${type}:${id}`);
    else if (typeof value === "string") shown[field] = `${type}:${value}`;
  }
  return shown;
}

/** What is wrong with the filter, before anybody is looked for. */
export async function checkAudience(tx: Tx, db: WorkspaceDb, filter: LeadFilter): Promise<Result<null>> {
  const conditions = await leadConditions(tx, db.id, filter);
  if (conditions.ok) return ok(null);
  return refused(...conditions.errors.map((error) => ({ ...error, field: ["input", "audience", ...(error.field ?? []).slice(1)] })));
}

/** Writes down who matches now, each once, and who of them waits in which zone's lane. In one statement, and so of one instant. Who has opted out is no
 *  part of it, nor who may have before being erased, nor who lacks a consent that is required. Returns how many they are. The campaign's row must be held. */
export async function fixAudience(tx: Tx, db: WorkspaceDb, campaignId: string, stored: StoredAudience): Promise<Result<number>> {
  const conditions = await leadConditions(tx, db.id, audienceFilter(stored));
  if (!conditions.ok) return conditions;
  const { rows } = await tx.execute<{ leads: number }>(sql`
    WITH audience AS MATERIALIZED (
      SELECT ${leads.id}, coalesce(${leads.timeZone}, w.time_zone) AS zone
        FROM ${leads} JOIN workspaces w ON w.id = ${leads.workspaceId}
       WHERE ${conditions.value} AND ${leads.optedOutAt} IS NULL AND (${leads.consentAt} IS NOT NULL OR NOT w.require_consent)
         AND NOT EXISTS (SELECT FROM unscreened_leads u WHERE u.lead_id = ${leads.id})),
    zones AS MATERIALIZED (
      SELECT z.zone, campaign_lane_of(${campaignId}::uuid, z.zone, false) AS lane_id FROM (SELECT DISTINCT zone FROM audience) AS z),
    fixed AS (
      INSERT INTO campaign_leads (campaign_id, lead_id, workspace_id, lane_id)
      SELECT ${campaignId}::uuid, a.id, ${db.id}::uuid, z.lane_id FROM audience a JOIN zones z ON z.zone = a.zone ORDER BY a.id
      RETURNING lane_id)
    SELECT count(*)::int AS leads FROM fixed`);
  await tx.execute(sql`
    UPDATE lanes a SET unfed = n.leads
      FROM (SELECT lane_id, count(*) AS leads FROM campaign_leads WHERE campaign_id = ${campaignId}::uuid GROUP BY lane_id) AS n
     WHERE a.id = n.lane_id`);
  return ok(rows[0]?.leads ?? 0);
}
