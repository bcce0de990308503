// Reads the due flows that the devices can send before the next cycle. It only reads: nothing is marked, so there is nothing to give back,
// nothing to rescue and nothing to lose when the process dies here. A row that two have read costs one of them a lost race at the attempt.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";

export type ClaimedFlow = {
  readonly id: string;
  readonly workspaceId: string;
  readonly boundDeviceId: string | null;
  readonly minDelaySeconds: number;
  readonly maxDelaySeconds: number;
  /** The sequence's revision that `template` belongs to. */
  readonly revision: number;
  /** Null where the step was removed while the lead waited on it. */
  readonly template: string | null;
  /** Null where it was deleted by SQL. */
  readonly lead: Recipient | null;
};

export type Recipient = {
  readonly phone: string;
  readonly name: string | null;
  readonly niche: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
};

export type ClaimShare = { readonly workspaceId: string; readonly flows: number };

const claim = `
  SELECT f.id, f.workspace_id, f.bound_device_id, s.min_delay_seconds, s.max_delay_seconds, s.revision, st.message_text, l.phone, l.name, l.niche, l.attributes
    FROM unnest($1::uuid[], $2::int[]) AS share(workspace_id, flows)
   CROSS JOIN LATERAL (
     SELECT due.* FROM lanes a
      CROSS JOIN LATERAL (
        SELECT f.id, f.workspace_id, f.bound_device_id, f.lead_id, f.step_id, f.sequence_id, f.due_at + a.pause_offset AS due_wall
          FROM flows f
         WHERE f.lane_id = a.id AND f.queued
           AND f.due_at <= statement_timestamp() - a.pause_offset   -- lane time: a lane that stood still for an hour is an hour behind. Not
                                                                    -- clock_timestamp(): being volatile, it would be no index condition, and
                                                                    -- all that is due tomorrow be read (1M flows: 3 s instead of 1 ms)
           AND f.id NOT IN (SELECT unnest($3::uuid[]))              -- in the workers' queues already
         ORDER BY f.due_at, f.id LIMIT share.flows) AS due
      WHERE a.workspace_id = share.workspace_id AND a.paused_at IS NULL       -- closed lanes are not even looked into
      ORDER BY due.due_wall, due.id LIMIT share.flows) AS f
    JOIN sequences s ON s.id = f.sequence_id
    LEFT JOIN LATERAL (                                             -- closed (OFFSET 0): looked up by key, where a join read a million leads.
      SELECT phone, name, niche, attributes FROM leads WHERE id = f.lead_id OFFSET 0) AS l ON true   -- LEFT: SQL may have deleted it
    LEFT JOIN sequence_steps st ON st.id = f.step_id
   ORDER BY f.due_wall, f.id`;

type Row = {
  id: string;
  workspace_id: string;
  bound_device_id: string | null;
  min_delay_seconds: number;
  max_delay_seconds: number;
  revision: number;
  message_text: string | null;
  phone: string | null;
  name: string | null;
  niche: string | null;
  attributes: Record<string, unknown>;
};

/** The oldest due flows of each workspace's open lanes, at most its share. `held`: the flows that wait in the workers' queues. */
export async function claimFlows(pool: pg.Pool, shares: readonly ClaimShare[], held: readonly string[]): Promise<ClaimedFlow[]> {
  const { rows } = await pool.query<Row>({
    name: "claim",
    text: claim,
    values: [textArray(shares.map((share) => share.workspaceId)), textArray(shares.map((share) => String(share.flows))), textArray(held)],
  });
  return rows.map((row) => ({
    id: row.id,
    workspaceId: row.workspace_id,
    boundDeviceId: row.bound_device_id,
    minDelaySeconds: row.min_delay_seconds,
    maxDelaySeconds: row.max_delay_seconds,
    revision: row.revision,
    template: row.message_text,
    lead: row.phone === null ? null : { phone: row.phone, name: row.name, niche: row.niche, attributes: row.attributes },
  }));
}
