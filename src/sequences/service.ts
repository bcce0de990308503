import { and, eq } from "drizzle-orm";
import { idempotent, WITHIN_INPUT } from "../access/idempotency.ts";
import { sequences } from "../db/tables/sequences.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import { archived, changeGraph, changeProblems, inInput, noSequence, type SequenceWrites } from "./graph-change.ts";
import { loadGraph, type GraphSequence } from "./graph.ts";
import { sequenceProblems } from "./rules.ts";
import { replaceSteps, stepProblemsOfInput, toRuleSteps, type StepInput } from "./step-list.ts";

type Optional<T> = T | null | undefined;

export type SequenceFields = {
  readonly name: string;
  readonly triggerPrefix: string | null;
  /** HH:MM, in the lead's zone, else in `timeZone`, else in the workspace's. */
  readonly scheduleTime: string | null;
  readonly scheduleToleranceMinutes: number;
  readonly timeZone: string | null;
  readonly minDelaySeconds: number;
  readonly maxDelaySeconds: number;
  readonly triggerDelayHours: number;
  readonly startDelayMinutes: number;
  readonly stopOnReply: boolean;
  readonly onFailure: "CONTINUE" | "STOP";
  readonly noDeviceGraceMinutes: number;
  readonly greeting: boolean;
  readonly visibleVariation: boolean;
};

/** What a sequence can be without; null takes it away. */
const CLEARABLE = ["triggerPrefix", "scheduleTime", "timeZone"] as const satisfies readonly (keyof SequenceFields)[];
type Clearable = (typeof CLEARABLE)[number];

const isClearable = (field: string): boolean => CLEARABLE.some((each) => each === field);

export type NewSequence = Omit<SequenceFields, Clearable> & { readonly [Name in Clearable]?: Optional<string> } & {
  readonly steps: readonly StepInput[];
  readonly idempotencyKey?: Optional<string>;
};

export type SequenceChange = { readonly [Name in keyof SequenceFields]?: Optional<SequenceFields[Name]> } & {
  readonly steps?: Optional<readonly StepInput[]>;
};

/** Not a row yet; the database makes the real one. */
const NEW_ID = "new";

export async function createSequence(writes: SequenceWrites, { idempotencyKey, ...input }: NewSequence): Promise<Result<string>> {
  const { steps, ...fields } = input;
  const { db, minStepDelayHours } = writes;
  return changeGraph(writes, (tx, before, quietHours) =>
    idempotent(tx, { key: idempotencyKey, operation: "createSequence", input, at: WITHIN_INPUT }, async () => {
      const { scheduleTime = null, timeZone = null } = fields;
      const sequence: GraphSequence = { ...fields, scheduleTime, timeZone, quietHours, id: NEW_ID, status: "DRAFT", steps: toRuleSteps(steps) };
      const problems = [
        ...fieldProblems(fields),
        ...(steps.some(({ id }) => id != null)
          ? [invalid("A new sequence's steps have no ids yet; leave them out.", "input", "steps")]
          : []),
        ...(await stepProblemsOfInput(tx, db.id, steps)),
        ...changeProblems({ before, after: [...before, sequence], sequence, isWhole: steps.length > 0, minStepDelayHours }).map(inInput),
      ];
      if (problems.length > 0) return refused(...problems);
      const values = { ...fields, name: fields.name.trim(), workspaceId: db.id };
      const [created] = await tx.insert(sequences).values(values).returning({ id: sequences.id });
      if (!created) throw new Error("an insert returned no row");
      await replaceSteps(tx, { workspaceId: db.id, sequenceId: created.id, before: [], after: sequence.steps });
      return ok(created.id);
    }),
  );
}

export async function updateSequence(writes: SequenceWrites, id: string, { steps, ...change }: SequenceChange): Promise<Result<string>> {
  const { db, minStepDelayHours } = writes;
  return changeGraph(writes, async (tx, before) => {
    const current = before.find((each) => each.id === id);
    if (!current) return missing(tx, db, id, "input", "id");
    const isGiven = ([field, value]: [string, unknown]) => value !== undefined && (value !== null || isClearable(field));
    const given = Object.fromEntries(Object.entries(change).filter(isGiven));
    const kept = steps && toRuleSteps(steps, current.steps);
    const sequence: GraphSequence = { ...current, ...given, ...(kept && { steps: kept }) };
    const after = before.map((each) => (each === current ? sequence : each));
    const isWhole = current.status !== "DRAFT" || (steps?.length ?? 0) > 0;
    const problems = [
      ...fieldProblems(change),
      ...(steps ? await stepProblemsOfInput(tx, db.id, steps, current.steps) : []),
      ...changeProblems({ before, after, sequence, isWhole, minStepDelayHours }).map(inInput),
    ];
    if (problems.length > 0) return refused(...problems);
    const values = { ...given, ...(change.name != null && { name: change.name.trim() }) };
    if (Object.keys(values).length > 0) await tx.update(sequences).set(values).where(eq(sequences.id, id));
    if (kept) await replaceSteps(tx, { workspaceId: db.id, sequenceId: id, before: current.steps, after: kept });
    return ok(id);
  });
}

/** Also of leads that carry its trigger already: they are enrolled as soon as it has been looked at. */
export const activateSequence = (writes: SequenceWrites, id: string): Promise<Result<string>> =>
  changeStatus(writes, id, "ACTIVE", (sequence, graph) =>
    sequenceProblems(
      sequence,
      graph.filter((other) => other !== sequence),
      writes,
    ),
  );

/** Holds everything of it that is not attempted yet; each lead keeps the delay that remains. */
export const pauseSequence = (writes: SequenceWrites, id: string): Promise<Result<string>> =>
  changeStatus(writes, id, "PAUSED", ({ status, name }) =>
    status === "ACTIVE"
      ? []
      : [{ code: "INVALID_STATE", message: `The sequence '${name}' is ${status}; only an ACTIVE one can be paused.`, field: ["id"] }],
  );

/** For good; its enrolments are stopped. */
export const archiveSequence = (writes: SequenceWrites, id: string): Promise<Result<string>> =>
  changeStatus(writes, id, "ARCHIVED", (sequence, before) => {
    const after = before.filter((each) => each !== sequence);
    return changeProblems({ before, after, sequence, isWhole: false, minStepDelayHours: writes.minStepDelayHours });
  });

type Refusals = (sequence: GraphSequence, graph: readonly GraphSequence[]) => readonly UserError[];

async function changeStatus(
  writes: SequenceWrites,
  id: string,
  status: "ACTIVE" | "PAUSED" | "ARCHIVED",
  refusals: Refusals,
): Promise<Result<string>> {
  return changeGraph(writes, async (tx, graph) => {
    const sequence = graph.find((each) => each.id === id);
    if (!sequence) return status === "ARCHIVED" && (await isArchived(tx, writes.db, id)) ? ok(id) : missing(tx, writes.db, id, "id");
    if (sequence.status === status) return ok(id);
    const errors = refusals(sequence, graph);
    if (errors.length > 0) return refused(...errors);
    await tx.update(sequences).set({ status }).where(eq(sequences.id, id));
    return ok(id);
  });
}

async function isArchived(tx: Tx, db: WorkspaceDb, id: string): Promise<boolean> {
  return (await tx.$count(sequences, and(eq(sequences.workspaceId, db.id), eq(sequences.id, id), eq(sequences.status, "ARCHIVED")))) > 0;
}

/** Not in the graph: archived, or none of the workspace's. */
export async function missing(tx: Tx, db: WorkspaceDb, id: string, ...field: string[]): Promise<Result<never>> {
  const [row] = await tx
    .select({ name: sequences.name })
    .from(sequences)
    .where(and(eq(sequences.workspaceId, db.id), eq(sequences.id, id)));
  return row ? archived(row.name, ...field) : noSequence(...field);
}

/** What keeps each sequence from running, in the order of `ids`. An archived one never runs again: there is nothing to mend. */
export async function problemsOfSequences(db: WorkspaceDb, ids: readonly string[], minStepDelayHours: number): Promise<UserError[][]> {
  const graph = await db.read((tx) => loadGraph(tx.$client, db.id));
  return ids.map((id) => {
    const sequence = graph.find((each) => each.id === id);
    return sequence
      ? sequenceProblems(
          sequence,
          graph.filter((other) => other !== sequence),
          { minStepDelayHours },
        )
      : [];
  });
}

const MAX_NAME_LENGTH = 200;
const MAX_PREFIX_LENGTH = 100;

/** The rest is the rules' to judge. */
function fieldProblems(fields: Omit<SequenceChange, "steps">): UserError[] {
  const problems: UserError[] = [];
  const { name, triggerPrefix, ...rest } = fields;
  if (name !== undefined && (name === null || name.trim() === "" || name.trim().length > MAX_NAME_LENGTH)) {
    problems.push(invalid(`A sequence's name must have 1 to ${MAX_NAME_LENGTH} characters.`, "input", "name"));
  }
  if (triggerPrefix != null && triggerPrefix.length > MAX_PREFIX_LENGTH) {
    problems.push(invalid(`triggerPrefix may have at most ${MAX_PREFIX_LENGTH} characters.`, "input", "triggerPrefix"));
  }
  for (const [field, value] of Object.entries(rest)) {
    if (value === null && !isClearable(field)) problems.push(invalid(`${field} cannot be cleared; leave it out to keep it as it is.`, "input", field));
  }
  return problems;
}
