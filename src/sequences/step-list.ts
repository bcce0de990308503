import { eq, inArray, sql } from "drizzle-orm";
import { sequenceSteps } from "../db/tables/sequences.ts";
import type { Tx } from "../db/workspace.ts";
import { invalid, type UserError } from "../lib/errors.ts";
import { takenByArchived, takenError } from "./graph-change.ts";
import type { ChosenMedia } from "../media/caption.ts";
import { storedVariants, type Variant } from "../messages/variants.ts";
import type { Branch } from "./branches.ts";
import type { RuleStep } from "./rules.ts";

type Optional<T> = T | null | undefined;

export type StepInput = {
  readonly id?: Optional<string>;
  readonly dayNumber: number;
  readonly trigger: string;
  readonly nextTrigger?: Optional<string>;
  readonly triggerDelayHours?: Optional<number>;
  readonly isEntryPoint: boolean;
  readonly text: string;
  readonly media?: Optional<ChosenMedia>;
  readonly variants?: Optional<readonly Variant[]>;
  readonly branches?: Optional<readonly BranchInput[]>;
};

export type BranchInput = Pick<Branch, "condition"> & { readonly value?: Optional<Readonly<Record<string, unknown>>>; readonly nextTrigger?: Optional<string> };

export const toBranches = (inputs: readonly BranchInput[]): Branch[] =>
  inputs.map(({ condition, value, nextTrigger }) => ({ condition, value: value ?? null, nextTrigger: nextTrigger ?? null }));

/** Steps that are not rows yet. */
const NO_ID = "";

/** The steps as the rules see them. Each keeps the identity of the present step that has its id, or else its trigger: leads that wait on a step
 *  whose list was sent again without ids must not be moved on as if it had been removed. */
export function toRuleSteps(inputs: readonly StepInput[], present: readonly RuleStep[] = []): RuleStep[] {
  const claimed = new Set(inputs.map(({ id }) => id));
  const idsByTrigger = new Map(present.filter(({ id }) => !claimed.has(id)).map(({ trigger, id }) => [trigger, id]));
  return inputs.map((input) => toRuleStep(input, input.id ?? idsByTrigger.get(input.trigger)));
}

export const toRuleStep = (input: StepInput, id = NO_ID): RuleStep => ({
  id,
  dayNumber: input.dayNumber,
  trigger: input.trigger,
  nextTrigger: input.nextTrigger ?? null,
  triggerDelayHours: input.triggerDelayHours ?? null,
  isEntryPoint: input.isEntryPoint,
  text: input.text,
  media: input.media ?? null,
  variants: input.variants ?? [],
  branches: toBranches(input.branches ?? []),
});

export const MAX_STEPS = 500;

/** What is wrong with a list of steps beside what the rules look at. */
export async function stepProblemsOfInput(
  tx: Tx,
  workspaceId: string,
  steps: readonly StepInput[],
  present: readonly RuleStep[] = [],
): Promise<UserError[]> {
  if (steps.length > MAX_STEPS) {
    return [
      {
        code: "LIMIT_EXCEEDED",
        message: `A sequence has at most ${MAX_STEPS} steps, not ${steps.length}; lead on to another sequence.`,
        field: ["input", "steps"],
      },
    ];
  }
  const owners = await takenByArchived(
    tx,
    workspaceId,
    steps.map(({ trigger }) => trigger),
  );
  const known = new Set(present.map(({ id }) => id));
  const seen = new Set<string>();
  return steps.flatMap(({ id, trigger }, index) => {
    const path = ["input", "steps", String(index)];
    const errors: UserError[] = [];
    const owner = owners.get(trigger);
    if (owner !== undefined) errors.push(takenError(trigger, owner, ...path, "trigger"));
    if (id != null && !known.has(id)) {
      errors.push({
        code: "NOT_FOUND",
        message: "The sequence has no step with this id; leave the id out to add a step.",
        field: [...path, "id"],
      });
    }
    if (id != null && seen.has(id)) errors.push(invalid("The same step stands in the list twice.", ...path, "id"));
    if (id != null) seen.add(id);
    return errors;
  });
}

export const toRow = ({ id: _id, text, media, variants, branches, ...step }: RuleStep) => ({
  ...step,
  messageText: text,
  mediaId: media?.id ?? null,
  variants: storedVariants(variants),
  branches: toBranches(branches),
});

type Replacement = {
  readonly workspaceId: string;
  readonly sequenceId: string;
  readonly before: readonly RuleStep[];
  readonly after: readonly RuleStep[];
};

/** Makes a sequence's steps what `after` says. */
export async function replaceSteps(tx: Tx, { workspaceId, sequenceId, before, after }: Replacement): Promise<void> {
  // Two steps may change their triggers with one another.
  await tx.execute(sql`SET CONSTRAINTS sequence_steps_workspace_id_trigger DEFERRED`);
  const kept = new Set(after.map(({ id }) => id));
  const gone = before.filter(({ id }) => !kept.has(id)).map(({ id }) => id);
  if (gone.length > 0) await tx.delete(sequenceSteps).where(inArray(sequenceSteps.id, gone));
  const present = new Map(before.map((step) => [step.id, JSON.stringify(toRow(step))]));
  for (const step of after) {
    const was = present.get(step.id);
    // One that stays as it is raises no revision.
    if (was !== undefined && was !== JSON.stringify(toRow(step)))
      await tx.update(sequenceSteps).set(toRow(step)).where(eq(sequenceSteps.id, step.id));
  }
  const added = after.filter(({ id }) => !present.has(id)).map((step) => ({ ...toRow(step), workspaceId, sequenceId }));
  if (added.length > 0) await tx.insert(sequenceSteps).values(added);
}
