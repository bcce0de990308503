import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { appendEvents } from "../events/append.ts";
import { lockEnrollments } from "./pause.ts";

type Queryable = Pick<pg.ClientBase, "query">;

const STOP_REASONS = ["OPTED_OUT", "REPLIED", "NO_CONSENT", "OPERATOR", "SEQUENCE_ARCHIVED", "ERASED"] as const;
export type StopReason = (typeof STOP_REASONS)[number];

export const isStopReason = (reason: string | null): reason is StopReason => STOP_REASONS.some((known) => known === reason);

const stop = `
  WITH open AS MATERIALIZED (
    SELECT id, current_flow_id FROM enrollments
     WHERE id = ANY ($1::uuid[]) AND status IN ('ACTIVE', 'PAUSED')),
  skipped AS (
    UPDATE flows f SET queued = false, undecided = false, status = 'SKIPPED', settled_at = clock_timestamp(), skip_reason = $2
      FROM open o
     WHERE f.id = o.current_flow_id
       AND f.attempted_at IS NULL                 -- one that is being attempted ends as its attempt does, and nothing follows it
       AND f.settled_at IS NULL
    RETURNING f.id, f.workspace_id, f.sequence_id),
  stopped AS (
    UPDATE enrollments e SET status = 'STOPPED', stop_reason = $2, stop_note = $3, finished_at = clock_timestamp()
      FROM open o WHERE e.id = o.id
    RETURNING e.id, e.workspace_id, e.sequence_id, e.lead_id, e.trigger, e.paused_lane_time),
  words AS (SELECT lead_id, array_agg(trigger) AS words FROM stopped GROUP BY lead_id ORDER BY lead_id),
  leads_written AS (
    UPDATE leads l SET trigger = without_triggers(l.trigger, w.words) FROM words w WHERE l.id = w.lead_id AND trigger_words(l.trigger) && w.words),
  logged AS (${appendEvents(["flow_id", "sequence_id", "enrollment_id", "status", "reason"], `
      SELECT 1 AS place, workspace_id, 'FLOW_SKIPPED' AS type, id AS flow_id, sequence_id, NULL::uuid AS enrollment_id, NULL AS status, $2 AS reason FROM skipped
       UNION ALL
      SELECT 2, workspace_id, 'ENROLLMENT', NULL, sequence_id, id, 'STOPPED', coalesce($3, $2) FROM stopped`, { inPlaces: true })}),
  counted AS (
    INSERT INTO sequence_count_deltas (workspace_id, sequence_id, active, paused, stopped)
    SELECT workspace_id, sequence_id, -count(*) FILTER (WHERE paused_lane_time IS NULL), -count(*) FILTER (WHERE paused_lane_time IS NOT NULL), count(*)
      FROM stopped GROUP BY workspace_id, sequence_id)
  SELECT count(*)::int AS stopped FROM stopped`;

/** Ends open enrolments: what is not attempted yet is skipped, and their words are taken off the leads. Returns how many were open.
 *  `note`: what the operator said. Needs a transaction. */
export async function stopEnrollments(client: Queryable, enrollmentIds: readonly string[], reason: StopReason, note: string | null = null): Promise<number> {
  await lockEnrollments(client, enrollmentIds);
  const { rows } = await client.query<{ stopped: number }>(stop, [textArray(enrollmentIds), reason, note]);
  return rows[0]?.stopped ?? 0;
}

/** The open enrolments of a lead: those to stop when the person opts out. */
export async function openEnrollmentsOf(client: Queryable, leadId: string): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>("SELECT id FROM enrollments WHERE lead_id = $1 AND status IN ('ACTIVE', 'PAUSED')", [leadId]);
  return rows.map((row) => row.id);
}

const answered = `
  SELECT e.id
    FROM unnest($1::uuid[]) AS r(lead_id)
   CROSS JOIN LATERAL (SELECT id, sequence_id FROM enrollments WHERE lead_id = r.lead_id AND status IN ('ACTIVE', 'PAUSED') OFFSET 0) AS e
    JOIN sequences s ON s.id = e.sequence_id
   WHERE s.stop_on_reply
     AND EXISTS (
       SELECT FROM flows_of_enrollment(e.id) AS w(id)
        CROSS JOIN LATERAL (SELECT attempted_at FROM flows WHERE flows.id = w.id OFFSET 0) AS f
        WHERE f.attempted_at IS NOT NULL)`;

/** The open enrolments that end when these leads reply. Only where something of the enrolment has been attempted: what a person writes before the first
 *  message of a sequence (to the shop, by chance, or to say yes to the messages) is no answer to it, and would end it before it began. When the reply was
 *  written does not count, but whether it is heard after the first attempt: WhatsApp's clock is not ours, and in doubt who writes is left in peace. */
export async function answeredEnrollmentsOf(client: Queryable, leadIds: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(answered, [textArray([...new Set(leadIds)])]);
  return rows.map((row) => row.id);
}

/** Some flows that wait in archived sequences, at most `limit`. Once its enrolments are stopped these are retries, which go beside an enrolment that has ended
 *  already: nothing else would ever end them. */
export async function waitingOfArchived(client: Queryable, limit: number): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT f.id FROM sequences s JOIN lanes a ON a.sequence_id = s.id
      CROSS JOIN LATERAL (SELECT id FROM flows WHERE lane_id = a.id AND queued LIMIT $1) AS f
      WHERE s.status = 'ARCHIVED' LIMIT $1`,
    [limit],
  );
  return rows.map((row) => row.id);
}

/** Some open enrolments of archived sequences, at most `limit`. */
export async function enrollmentsOfArchived(client: Queryable, limit: number): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    // Closed (OFFSET 0), so that each archived sequence looks into the index of what is open: joined, all enrolments were read every 2 s.
    `SELECT e.id FROM sequences s
      CROSS JOIN LATERAL (SELECT id FROM enrollments WHERE sequence_id = s.id AND status IN ('ACTIVE', 'PAUSED') OFFSET 0) AS e
      WHERE s.status = 'ARCHIVED' LIMIT $1`,
    [limit],
  );
  return rows.map((row) => row.id);
}
