import type pg from "pg";
import { plainArray } from "../db/arrays.ts";
import type { RuleSequence, RuleStep } from "./rules.ts";

type Queryable = Pick<pg.ClientBase, "query">;

export type GraphSequence = RuleSequence & { readonly status: string };

type QuietColumns = { readonly quietStart: string | null; readonly quietEnd: string | null };
type SequenceRow = Omit<GraphSequence, "steps" | "quietHours"> & QuietColumns;
type StepRow = RuleStep & { readonly sequenceId: string };

/** Every sequence of the workspace that is not archived, with its steps: what the rules are applied to. `archivedToo`: those that are wanted though they are. */
export async function loadGraph(client: Queryable, workspaceId: string, archivedToo: readonly string[] = []): Promise<GraphSequence[]> {
  const sequences = await client.query<SequenceRow>(
    `SELECT s.id, s.name, s.status, s.trigger_delay_hours AS "triggerDelayHours", s.start_delay_minutes AS "startDelayMinutes",
            s.min_delay_seconds AS "minDelaySeconds", s.max_delay_seconds AS "maxDelaySeconds", s.schedule_time AS "scheduleTime",
            s.schedule_tolerance_minutes AS "scheduleToleranceMinutes", s.time_zone AS "timeZone", s.no_device_grace_minutes AS "noDeviceGraceMinutes", s.stop_on_reply AS "stopOnReply",
            w.quiet_start AS "quietStart", w.quiet_end AS "quietEnd"
       FROM sequences s JOIN workspaces w ON w.id = s.workspace_id WHERE s.workspace_id = $1 AND (s.status <> 'ARCHIVED' OR s.id = ANY ($2::uuid[])) ORDER BY s.id`,
    [workspaceId, plainArray(archivedToo)],
  );
  const steps = await client.query<StepRow>(
    `SELECT id, sequence_id AS "sequenceId", day_number AS "dayNumber", trigger, next_trigger AS "nextTrigger",
            trigger_delay_hours AS "triggerDelayHours", is_entry_point AS "isEntryPoint", message_text AS text, variants, branches,
            (SELECT json_build_object('id', m.id, 'kind', m.kind) FROM media m WHERE m.id = media_id) AS media
       FROM sequence_steps WHERE workspace_id = $1 ORDER BY day_number, id`,
    [workspaceId],
  );
  const bySequence = Map.groupBy(steps.rows, ({ sequenceId }) => sequenceId);
  return sequences.rows.map(({ quietStart, quietEnd, ...sequence }) => ({
    ...sequence,
    quietHours: quietStart !== null && quietEnd !== null ? { start: quietStart, end: quietEnd } : null,
    steps: bySequence.get(sequence.id) ?? [],
  }));
}
