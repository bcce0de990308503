import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { appendEvents } from "../events/append.ts";

type Queryable = Pick<pg.ClientBase, "query">;

/** SQL: whether a flow that waits in a paused enrolment stands where the message before it was sent. No step leads to itself. */
export const IS_UNDECIDED = "coalesce((SELECT p.step_id = f.step_id FROM flows p WHERE p.id = f.previous_id), false)";

const pause = `
  WITH paused AS (
    UPDATE enrollments e SET status = 'PAUSED', paused_lane_time = lane_time(clock_timestamp(), a.paused_at, a.pause_offset)
      FROM flows f JOIN lanes a ON a.id = f.lane_id
     WHERE e.id = ANY ($1::uuid[]) AND e.status = 'ACTIVE' AND f.id = e.current_flow_id
    RETURNING e.id, e.workspace_id, e.sequence_id, e.current_flow_id),
  logged AS (${appendEvents(["enrollment_id", "sequence_id", "status"], "SELECT workspace_id, 'ENROLLMENT' AS type, id AS enrollment_id, sequence_id, 'PAUSED' AS status FROM paused")}),
  -- Its flow waits apart: left in the queue, a million paused ones would stand in front of those that can be sent.
  parked AS (UPDATE flows f SET queued = false, undecided = false FROM paused p WHERE f.id = p.current_flow_id AND (f.queued OR f.undecided)),
  counted AS (
    INSERT INTO sequence_count_deltas (workspace_id, sequence_id, active, paused)
    SELECT workspace_id, sequence_id, -count(*), count(*) FROM paused GROUP BY workspace_id, sequence_id)
  SELECT count(*)::int AS changed FROM paused`;

const resume = `
  WITH was AS MATERIALIZED (
    SELECT e.id, lane_time(clock_timestamp(), a.paused_at, a.pause_offset) - e.paused_lane_time AS stood_still
      FROM enrollments e JOIN flows f ON f.id = e.current_flow_id JOIN lanes a ON a.id = f.lane_id
     WHERE e.id = ANY ($1::uuid[]) AND e.status = 'PAUSED'),
  resumed AS (
    UPDATE enrollments e SET status = 'ACTIVE', paused_lane_time = NULL
      FROM was w WHERE e.id = w.id AND e.status = 'PAUSED'
    RETURNING e.id, e.workspace_id, e.sequence_id, e.current_flow_id, w.stood_still),
  logged AS (${appendEvents(["enrollment_id", "sequence_id", "status"], "SELECT workspace_id, 'ENROLLMENT' AS type, id AS enrollment_id, sequence_id, 'ACTIVE' AS status FROM resumed")}),
  requeued AS (
    UPDATE flows f SET queued = NOT s.is_undecided, undecided = s.is_undecided, due_at = f.due_at + r.stood_still       -- each lead's remaining delay is kept
      FROM resumed r CROSS JOIN LATERAL (SELECT ${IS_UNDECIDED} AS is_undecided FROM flows f WHERE f.id = r.current_flow_id) AS s
     WHERE f.id = r.current_flow_id AND NOT f.queued AND f.attempted_at IS NULL AND f.settled_at IS NULL),
  counted AS (
    INSERT INTO sequence_count_deltas (workspace_id, sequence_id, active, paused)
    SELECT workspace_id, sequence_id, count(*), -count(*) FROM resumed GROUP BY workspace_id, sequence_id)
  SELECT count(*)::int AS changed FROM resumed`;

/** Locks enrolments in a statement of its own, so that the next one's snapshot sees the flows that they have come to meanwhile: in one statement,
 *  a step that settles at the same moment would be missed. Needs a transaction. */
export async function lockEnrollments(client: Queryable, enrollmentIds: readonly string[]): Promise<void> {
  await client.query("SELECT FROM enrollments WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE", [textArray(enrollmentIds)]);
}

/** Holds enrolments where they are, from now on for all that is not attempted yet. Returns how many were active.
 *  Needs a transaction. */
export async function pauseEnrollments(client: Queryable, enrollmentIds: readonly string[]): Promise<number> {
  await lockEnrollments(client, enrollmentIds);
  const { rows } = await client.query<{ changed: number }>(pause, [textArray(enrollmentIds)]);
  return rows[0]?.changed ?? 0;
}

/** Lets paused enrolments go on, each with the delay that remained. Returns how many were paused. Needs a transaction. */
export async function resumeEnrollments(client: Queryable, enrollmentIds: readonly string[]): Promise<number> {
  await lockEnrollments(client, enrollmentIds);
  const { rows } = await client.query<{ changed: number }>(resume, [textArray(enrollmentIds)]);
  return rows[0]?.changed ?? 0;
}
