// Changes of the graph of steps: one after the other, and none that leaves a running sequence broken.

import { sql } from "drizzle-orm";
import { textArray } from "../db/arrays.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import type { Bell } from "../events/bell.ts";
import { invalid, refused, type Result, type UserError } from "../lib/errors.ts";
import { loadGraph, type GraphSequence } from "./graph.ts";
import { sequenceProblems } from "./rules.ts";
import type { QuietHours } from "./schedule.ts";

/** What a change needs beside its input. */
export type SequenceWrites = {
  readonly db: WorkspaceDb;
  readonly bell: Bell;
  /** The shortest delay between two steps that a sequence may ask for. */
  readonly minStepDelayHours: number;
};

/** Runs `change` while nobody else can change the workspace's graph. What is refused is rolled back; what is done wakes the enroller. */
export async function changeGraph<T>(
  writes: SequenceWrites,
  change: (tx: Tx, graph: readonly GraphSequence[], quietHours: QuietHours | null) => Promise<Result<T>>,
): Promise<Result<T>> {
  const { db, bell } = writes;
  const result = await db.write(async (tx) => {
    const { rows } = await tx.execute<QuietHours>(
      sql`SELECT quiet_start AS start, quiet_end AS "end" FROM workspaces WHERE id = ${db.id} FOR NO KEY UPDATE`,
    );
    return change(tx, await loadGraph(tx.$client, db.id), rows[0]?.start ? rows[0] : null);
  });
  if (result.ok) bell.ring("enrollment");
  return result;
}

type Change = {
  readonly before: readonly GraphSequence[];
  readonly after: readonly GraphSequence[];
  /** The sequence that is changed. */
  readonly sequence: GraphSequence;
  /** Also what may still come (an entry point, a next step that does not exist yet) is refused. */
  readonly isWhole: boolean;
  readonly minStepDelayHours: number;
};

/** What keeps the change from being made, with paths that begin at the sequence. */
export function changeProblems({ before, after, sequence, isWhole, minStepDelayHours }: Change): UserError[] {
  const problems = (graph: readonly GraphSequence[], id: string) => {
    const one = graph.find((each) => each.id === id);
    return one
      ? sequenceProblems(
          one,
          graph.filter((other) => other !== one),
          { minStepDelayHours },
        )
      : [];
  };
  const own = problems(after, sequence.id).filter(({ incomplete }) => isWhole || !incomplete);
  const others = after.filter(({ id, status }) => id !== sequence.id && status === "ACTIVE");
  const broken = others.flatMap(({ id, name }) => {
    const known = new Set(problems(before, id).map(({ message }) => message));
    // What was wrong there before is no reason to refuse this.
    return problems(after, id)
      .filter(({ message }) => !known.has(message))
      .map(({ message }): UserError => ({
        code: "CONFLICT",
        message: `The active sequence '${name}' would no longer be in order. ${message}`,
      }));
  });
  // A loop through both is one mistake, and named where it is made.
  return own.length > 0 ? own : broken;
}

/** Archived sequences keep their steps, and a trigger belongs to one step of the workspace. */
export async function takenByArchived(tx: Tx, workspaceId: string, triggers: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const { rows } = await tx.execute<{ trigger: string; name: string }>(sql`
    SELECT st.trigger, s.name FROM sequence_steps st JOIN sequences s ON s.id = st.sequence_id
     WHERE st.workspace_id = ${workspaceId} AND st.trigger = ANY (${textArray(triggers)}::text[]) AND s.status = 'ARCHIVED'`);
  return new Map(rows.map(({ trigger, name }) => [trigger, name]));
}

export const takenError = (trigger: string, owner: string, ...field: string[]): UserError => ({
  ...invalid(
    `The trigger '${trigger}' is taken by the archived sequence '${owner}'; a trigger belongs to one step of the workspace, so choose another.`,
    ...field,
  ),
  code: "TAKEN",
});

export const noSequence = (...field: string[]): Result<never> =>
  refused({ code: "NOT_FOUND", message: "There is no sequence with this id.", field });

export const archived = (name: string, ...field: string[]): Result<never> =>
  refused({ code: "INVALID_STATE", message: `The sequence '${name}' is archived, for good; make a new one.`, field });

/** A path of the rules as a path into the mutation's input. */
export const inInput = (error: UserError): UserError => (error.field ? { ...error, field: ["input", ...error.field] } : error);
