import type pg from "pg";
import type { RuleSequence, RuleStep } from "./rules.ts";

type Queryable = Pick<pg.ClientBase, "query">;

export type GraphSequence = RuleSequence & { readonly status: string };

type SequenceRow = Omit<GraphSequence, "steps">;
type StepRow = RuleStep & { readonly sequenceId: string };

/** Every sequence of the workspace that is not archived, with its steps: what the rules are applied to. */
export async function loadGraph(client: Queryable, workspaceId: string): Promise<GraphSequence[]> {
  const sequences = await client.query<SequenceRow>(
    `SELECT id, name, status, trigger_delay_hours AS "triggerDelayHours", start_delay_minutes AS "startDelayMinutes",
            min_delay_seconds AS "minDelaySeconds", max_delay_seconds AS "maxDelaySeconds"
       FROM sequences WHERE workspace_id = $1 AND status <> 'ARCHIVED' ORDER BY id`,
    [workspaceId],
  );
  const steps = await client.query<StepRow>(
    `SELECT id, sequence_id AS "sequenceId", day_number AS "dayNumber", trigger, next_trigger AS "nextTrigger",
            trigger_delay_hours AS "triggerDelayHours", is_entry_point AS "isEntryPoint", message_text AS text
       FROM sequence_steps WHERE workspace_id = $1 ORDER BY day_number, id`,
    [workspaceId],
  );
  const bySequence = Map.groupBy(steps.rows, ({ sequenceId }) => sequenceId);
  return sequences.rows.map((sequence) => ({ ...sequence, steps: bySequence.get(sequence.id) ?? [] }));
}
