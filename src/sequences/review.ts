// Looks at every sequence that was changed, by whomever: whether it is sound, and which leads carry its words already.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { transaction } from "../db/transaction.ts";
import { loadGraph } from "./graph.ts";
import { sequenceProblems } from "./rules.ts";

type Queryable = Pick<pg.ClientBase, "query">;

/** Workspaces whose sequences were changed since their last review. */
export async function workspacesToReview(pool: Queryable): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>("SELECT id FROM workspaces WHERE graph_revision <> reviewed_revision ORDER BY id");
  return rows.map((row) => row.id);
}

const writeVerdicts = `
  WITH verdict AS (SELECT * FROM unnest($1::uuid[], $2::boolean[]) AS v(id, is_sound)),
  written AS (
    UPDATE sequences s SET is_sound = v.is_sound, reviewed_revision = s.revision
      FROM verdict v WHERE s.id = v.id AND (s.is_sound <> v.is_sound OR s.reviewed_revision <> s.revision)
    RETURNING s.id, s.is_active, s.is_sound)
  SELECT id FROM written WHERE is_active AND is_sound`;

const queueCarriers = `
  INSERT INTO enrollment_queue (workspace_id, lead_id, trigger)
  SELECT l.workspace_id, l.id, st.trigger
    FROM sequence_steps st
    JOIN leads l ON l.workspace_id = st.workspace_id AND l.trigger IS NOT NULL AND trigger_words(l.trigger) @> ARRAY[st.trigger]
   WHERE st.sequence_id = ANY ($1::uuid[]) AND st.is_entry_point AND l.opted_out_at IS NULL
     AND NOT EXISTS (SELECT FROM enrollments e WHERE e.sequence_id = st.sequence_id AND e.lead_id = l.id AND e.status IN ('ACTIVE', 'PAUSED'))`;

/** Times that a review begins anew because somebody is changing a sequence; after that it is the next cycle's. */
const TURNS = 10;

/** Reviews one workspace: marks which sequences are sound, and queues the leads that carry an entry trigger of one that has become ready, or
 *  was changed. A lead that carries a trigger and is not in its sequence is one that should be. */
export async function reviewWorkspace(pool: pg.Pool, workspaceId: string, minStepDelayHours: number): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) {
    if (await transaction(pool, (client) => review(client, workspaceId, minStepDelayHours), { keeps: (done) => done })) return;
  }
}

/** False where a sequence is being changed right now. */
async function review(client: Queryable, workspaceId: string, minStepDelayHours: number): Promise<boolean> {
  // Against enrolling, which holds the row FOR SHARE, and against changes, which raise graph_revision: each sees the other's commit.
  await client.query("SELECT FROM workspaces WHERE id = $1 FOR NO KEY UPDATE", [workspaceId]);
  // A change holds its sequence first and waits for the workspace then. Waiting for the sequence here would be a deadlock, and Postgres may
  // end it by failing an operator's statement.
  const locked = await client.query("SELECT id FROM sequences WHERE workspace_id = $1 AND status <> 'ARCHIVED' FOR NO KEY UPDATE SKIP LOCKED", [workspaceId]);
  const graph = await loadGraph(client, workspaceId);
  if (graph.length !== locked.rowCount) return false;

  const verdicts = graph.map((sequence) => {
    const others = graph.filter((other) => other !== sequence);
    return { id: sequence.id, isSound: sequenceProblems(sequence, others, { minStepDelayHours }).length === 0 };
  });
  const ready = await client.query<{ id: string }>(writeVerdicts, [
    textArray(verdicts.map(({ id }) => id)),
    textArray(verdicts.map(({ isSound }) => String(isSound))),
  ]);
  await client.query(queueCarriers, [textArray(ready.rows.map((row) => row.id))]);
  await client.query("UPDATE workspaces SET reviewed_revision = graph_revision WHERE id = $1", [workspaceId]);
  return true;
}
