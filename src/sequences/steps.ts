import { and, eq, sql } from "drizzle-orm";
import { idempotent } from "../access/idempotency.ts";
import { sequenceSteps } from "../db/tables/sequences.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import type { ChosenMedia } from "../media/caption.ts";
import type { Variant } from "../messages/variants.ts";
import { changeGraph, changeProblems, takenByArchived, takenError, type SequenceWrites } from "./graph-change.ts";
import type { GraphSequence } from "./graph.ts";
import type { RuleStep } from "./rules.ts";
import { missing } from "./service.ts";
import { type BranchInput, MAX_STEPS, toBranches, toRow, toRuleStep, type StepInput } from "./step-list.ts";

type Optional<T> = T | null | undefined;

/** A step that was written, and the sequence that it belongs to. */
export type WrittenStep = { readonly stepId: string; readonly sequenceId: string };

export type NewStep = StepInput & { readonly sequenceId: string; readonly idempotencyKey?: Optional<string> };

export async function createSequenceStep(
  writes: SequenceWrites,
  { sequenceId, idempotencyKey, ...input }: NewStep,
): Promise<Result<WrittenStep>> {
  const { db } = writes;
  return changeGraph(writes, (tx, graph) =>
    idempotent(tx, { key: idempotencyKey, operation: "createSequenceStep", input: { sequenceId, input } }, async () => {
      const current = graph.find(({ id }) => id === sequenceId);
      if (!current) return missing(tx, db, sequenceId, "sequenceId");
      if (input.id != null) return refused(invalid("A new step has no id yet; leave it out.", "input", "id"));
      if (current.steps.length >= MAX_STEPS) {
        return refused({
          code: "LIMIT_EXCEEDED",
          message: `A sequence has at most ${MAX_STEPS} steps; lead on to another sequence.`,
          field: ["sequenceId"],
        });
      }
      const step = toRuleStep(input);
      const problems = await stepChangeProblems(tx, writes, graph, {
        current,
        steps: [...current.steps, step],
        index: current.steps.length,
      });
      if (problems.length > 0) return refused(...problems);
      const [created] = await tx
        .insert(sequenceSteps)
        .values({ ...toRow(step), workspaceId: db.id, sequenceId })
        .returning({ id: sequenceSteps.id });
      if (!created) throw new Error("an insert returned no row");
      return ok({ stepId: created.id, sequenceId });
    }),
  );
}

export type StepChange = {
  readonly dayNumber?: Optional<number>;
  readonly trigger?: Optional<string>;
  readonly nextTrigger?: Optional<string>;
  readonly triggerDelayHours?: Optional<number>;
  readonly isEntryPoint?: Optional<boolean>;
  readonly text?: Optional<string>;
  /** Null: it has none any more. */
  readonly media?: Optional<ChosenMedia>;
  /** Null or none: it has no variants any more. */
  readonly variants?: Optional<readonly Variant[]>;
  /** Null or none: it has no branches any more. */
  readonly branches?: Optional<readonly BranchInput[]>;
};

export async function updateSequenceStep(writes: SequenceWrites, id: string, change: StepChange): Promise<Result<WrittenStep>> {
  return changeGraph(writes, async (tx, graph) => {
    const found = findStep(graph, id);
    if (!found) return missingStep(tx, writes.db, id, "input", "id");
    const cleared = (["dayNumber", "trigger", "isEntryPoint", "text"] as const).filter((field) => change[field] === null);
    if (cleared.length > 0)
      return refused(...cleared.map((field) => invalid(`${field} cannot be cleared; leave it out to keep it as it is.`, "input", field)));

    const { current, index, step } = found;
    // Null clears the next trigger and the step's own delay; what is left out stays.
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    const changed: RuleStep = {
      ...step,
      ...given,
      variants: change.variants === undefined ? step.variants : (change.variants ?? []),
      branches: change.branches === undefined ? step.branches : toBranches(change.branches ?? []),
    };
    const problems = await stepChangeProblems(tx, writes, graph, { current, steps: current.steps.with(index, changed), index });
    if (problems.length > 0) return refused(...problems);
    await tx.update(sequenceSteps).set(toRow(changed)).where(eq(sequenceSteps.id, id));
    return ok({ stepId: id, sequenceId: current.id });
  });
}

/** What led to it leads on to the step that followed it, and so do the leads that wait on it. */
export async function deleteSequenceStep(writes: SequenceWrites, id: string): Promise<Result<string>> {
  const { db, minStepDelayHours } = writes;
  return changeGraph(writes, async (tx, before) => {
    const found = findStep(before, id);
    if (!found) return missingStep(tx, db, id, "id");
    const { current, step } = found;
    const after = before.map((each) => ({
      ...each,
      steps: each.steps
        .filter((other) => other !== step)
        .map((other) => leadingPast(other, step)),
    }));
    const problems = changeProblems({ before, after, sequence: current, isWhole: current.status !== "DRAFT", minStepDelayHours });
    if (problems.length > 0) return refused(...problems.map(({ code, message }) => ({ code, message, field: ["id"] })));
    // In archived sequences, too: leads that wait there for a retry come past it.
    await tx
      .update(sequenceSteps)
      .set({ nextTrigger: step.nextTrigger })
      .where(and(eq(sequenceSteps.workspaceId, db.id), eq(sequenceSteps.nextTrigger, step.trigger), sql`${sequenceSteps.id} <> ${id}`));
    for (const other of before.flatMap(({ steps }) => steps).filter((each) => each !== step && each.branches.some(({ nextTrigger }) => nextTrigger === step.trigger))) {
      await tx.update(sequenceSteps).set({ branches: leadingPast(other, step).branches }).where(eq(sequenceSteps.id, other.id));
    }
    await tx.delete(sequenceSteps).where(eq(sequenceSteps.id, id));
    return ok(current.id);
  });
}

/** What led to `gone` leads on to the step that followed it. */
function leadingPast(step: RuleStep, gone: RuleStep): RuleStep {
  const past = <T extends { readonly nextTrigger: string | null }>(way: T): T => (way.nextTrigger === gone.trigger ? { ...way, nextTrigger: gone.nextTrigger } : way);
  return past({ ...step, branches: step.branches.map(past) });
}

type FoundStep = { readonly current: GraphSequence; readonly index: number; readonly step: RuleStep };

function findStep(graph: readonly GraphSequence[], id: string): FoundStep | undefined {
  for (const current of graph) {
    const index = current.steps.findIndex((step) => step.id === id);
    const step = current.steps[index];
    if (step) return { current, index, step };
  }
  return undefined;
}

async function missingStep(tx: Tx, db: WorkspaceDb, id: string, ...field: string[]): Promise<Result<never>> {
  const [row] = await tx
    .select({ sequenceId: sequenceSteps.sequenceId })
    .from(sequenceSteps)
    .where(and(eq(sequenceSteps.workspaceId, db.id), eq(sequenceSteps.id, id)));
  return row ? missing(tx, db, row.sequenceId, ...field) : refused({ code: "NOT_FOUND", message: "There is no step with this id.", field });
}

type Edit = { readonly current: GraphSequence; readonly steps: readonly RuleStep[]; readonly index: number };

async function stepChangeProblems(
  tx: Tx,
  writes: SequenceWrites,
  before: readonly GraphSequence[],
  { current, steps, index }: Edit,
): Promise<UserError[]> {
  const sequence = { ...current, steps };
  const after = before.map((each) => (each === current ? sequence : each));
  const trigger = steps[index]?.trigger ?? "";
  const owner = (await takenByArchived(tx, writes.db.id, [trigger])).get(trigger);
  const problems = changeProblems({
    before,
    after,
    sequence,
    isWhole: current.status !== "DRAFT",
    minStepDelayHours: writes.minStepDelayHours,
  });
  return [
    ...(owner === undefined ? [] : [takenError(trigger, owner, "input", "trigger")]),
    ...problems.map((error) => ofStep(error, index)),
  ];
}

/** A path into the sequence's steps as a path into the one step's input; what lies at another step is nowhere in it. */
function ofStep({ code, message, field }: UserError, index: number): UserError {
  const isOwn = field?.[0] === "steps" && field[1] === String(index);
  return isOwn ? { code, message, field: ["input", ...field.slice(2)] } : { code, message };
}
