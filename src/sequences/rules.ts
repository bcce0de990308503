// What keeps a sequence from running. It is looked at as a whole, together with the workspace's others: leads go from one into the next.

import { triggerProblem } from "../leads/triggers.ts";
import { invalid, type UserError } from "../lib/errors.ts";
import { excerpt } from "../lib/text.ts";
import { isTimeZone } from "../lib/time-zone.ts";
import { captionProblems, type ChosenMedia, variantMediaProblem } from "../media/caption.ts";
import { type Variant, variantProblems } from "../messages/variants.ts";
import { type Branch, branchProblems } from "./branches.ts";
import { areQuietThroughout, shownTime, type QuietHours } from "./schedule.ts";
import { findLongestChain, findLoops, findUnreachable, stepGraph, type StepGraph } from "./step-graph.ts";

export type RuleStep = {
  readonly id: string;
  readonly dayNumber: number;
  readonly trigger: string;
  readonly nextTrigger: string | null;
  /** The sequence's where null. */
  readonly triggerDelayHours: number | null;
  readonly isEntryPoint: boolean;
  readonly text: string;
  /** Sent with the text, which is its caption. */
  readonly media: ChosenMedia | null;
  readonly variants: readonly Variant[];
  /** Tried in order before nextTrigger. */
  readonly branches: readonly Branch[];
};

export type RuleSequence = {
  readonly id: string;
  readonly name: string;
  readonly triggerDelayHours: number;
  readonly startDelayMinutes: number;
  readonly minDelaySeconds: number;
  readonly maxDelaySeconds: number;
  /** Its messages go out from this time of day on, for the tolerance; at any time where null. */
  readonly scheduleTime: string | null;
  readonly scheduleToleranceMinutes: number;
  /** The workspace's where null. */
  readonly timeZone: string | null;
  readonly noDeviceGraceMinutes: number;
  readonly stopOnReply: boolean;
  /** The workspace's. */
  readonly quietHours: QuietHours | null;
  readonly steps: readonly RuleStep[];
};

/** `incomplete`: not wrong in itself; what is still to come (a step, an entry point) would mend it. A draft may be so. */
export type SequenceProblem = UserError & { readonly incomplete?: true };

const incomplete = (error: UserError): SequenceProblem => ({ ...error, incomplete: true });

type RuleBounds = { readonly minStepDelayHours: number };

const MAX_DAY_NUMBER = 3650;
const MAX_STEP_DELAY_HOURS = 8760;
const MAX_START_DELAY_MINUTES = 525_600;
const MAX_TOLERANCE_MINUTES = 1440;
const MAX_GRACE_MINUTES = 525_600;
const MAX_DELAY_SECONDS = 86_400;
const MAX_SEQUENCES_IN_CHAIN = 50;
const MAX_TRIGGERS_SHOWN = 12;

/** Everything that is wrong with `sequence`; empty where it may run. `others`: the workspace's other sequences that are not archived.
 *  Each error's field is ["steps", index, name of the step's field], or a field of the sequence itself. */
export function sequenceProblems(sequence: RuleSequence, others: readonly RuleSequence[], bounds: RuleBounds): SequenceProblem[] {
  const { steps } = sequence;
  const own: SequenceProblem[] = [...timingProblems(sequence, bounds), ...scheduleProblems(sequence)];
  if (steps.length === 0) {
    return [...own, incomplete(invalid("The sequence has no steps; give it at least one, marked as entry point.", "steps"))];
  }

  const hasEntryPoint = steps.some((step) => step.isEntryPoint);
  if (!hasEntryPoint) {
    const first = `mark the step that leads begin with, such as ${stepName(steps, 0)}, with isEntryPoint`;
    own.push(incomplete(invalid(`No step is an entry point, so no lead could begin; ${first}.`, "steps", "0", "isEntryPoint")));
  }
  const graph = stepGraph(
    steps,
    others.map((other) => other.steps),
  );
  return [
    ...own,
    ...steps.flatMap((step, index) => stepProblems(step, stepName(steps, index), index, { ...bounds, stopOnReply: sequence.stopOnReply })),
    ...takenProblems(sequence, others),
    ...nextTriggerProblems(sequence, others).map(incomplete),
    ...loopProblems(steps, graph),
    // Without an entry point every step would be named as well, and none of them be the mistake.
    ...(hasEntryPoint ? reachProblems(steps, graph).map(incomplete) : []),
    ...chainProblems(steps, graph),
  ];
}

/** How an error calls the step. */
function stepName(steps: readonly RuleStep[], index: number): string {
  const trigger = steps[index]?.trigger;
  return `step ${index + 1}${trigger ? ` (${excerpt(trigger, 40)})` : ""}`;
}

/** An error of one field of one step. */
const stepError = (name: string, index: number, field: string, problem: string): UserError =>
  invalid(`${name.charAt(0).toUpperCase()}${name.slice(1)}: ${problem}`, "steps", String(index), field);

function timingProblems(sequence: RuleSequence, { minStepDelayHours }: RuleBounds): UserError[] {
  const { triggerDelayHours, startDelayMinutes, minDelaySeconds, maxDelaySeconds } = sequence;
  const problems: UserError[] = [];
  if (!isWithin(triggerDelayHours, minStepDelayHours, MAX_STEP_DELAY_HOURS)) {
    const right = `write a number from ${minStepDelayHours} to ${MAX_STEP_DELAY_HOURS}`;
    problems.push(invalid(`The sequence's hours between steps are ${triggerDelayHours}; ${right}.`, "triggerDelayHours"));
  }
  if (!isWholeWithin(startDelayMinutes, 0, MAX_START_DELAY_MINUTES)) {
    const right = `write a whole number from 0 to ${MAX_START_DELAY_MINUTES}`;
    problems.push(invalid(`The sequence's start delay is ${startDelayMinutes} minutes; ${right}.`, "startDelayMinutes"));
  }
  const pace = { minDelaySeconds, maxDelaySeconds };
  for (const [field, seconds] of Object.entries(pace)) {
    if (isWholeWithin(seconds, 0, MAX_DELAY_SECONDS)) continue;
    problems.push(invalid(`The sequence's ${field} is ${seconds}; write a whole number from 0 to ${MAX_DELAY_SECONDS}.`, field));
  }
  if (minDelaySeconds > maxDelaySeconds) {
    const what = `The sequence's minDelaySeconds (${minDelaySeconds}) is above its maxDelaySeconds (${maxDelaySeconds})`;
    problems.push(invalid(`${what}; the minimum may be at most the maximum.`, "minDelaySeconds"));
  }
  return problems;
}

function scheduleProblems({ scheduleTime, scheduleToleranceMinutes, timeZone, noDeviceGraceMinutes, quietHours }: RuleSequence): UserError[] {
  const problems: UserError[] = [];
  const bounds = { scheduleToleranceMinutes: [1, MAX_TOLERANCE_MINUTES], noDeviceGraceMinutes: [0, MAX_GRACE_MINUTES] } as const;
  for (const [field, minutes] of Object.entries({ scheduleToleranceMinutes, noDeviceGraceMinutes })) {
    const [least, most] = bounds[field as keyof typeof bounds];
    if (isWholeWithin(minutes, least, most)) continue;
    problems.push(invalid(`The sequence's ${field} is ${minutes}; write a whole number from ${least} to ${most}.`, field));
  }
  if (timeZone !== null && !isTimeZone(timeZone)) {
    const right = "use a name of the IANA list, such as Asia/Kuala_Lumpur, or leave it out for the workspace's";
    problems.push(invalid(`The sequence's time zone '${excerpt(timeZone, 40)}' is none; ${right}.`, "timeZone"));
  }
  if (scheduleTime !== null && quietHours && areQuietThroughout(scheduleTime, scheduleToleranceMinutes, quietHours)) {
    const window = `The sequence sends from ${shownTime(scheduleTime)} on for ${scheduleToleranceMinutes} minutes`;
    const quiet = `all of which lies in the workspace's quiet hours (${shownTime(quietHours.start)} to ${shownTime(quietHours.end)})`;
    problems.push(invalid(`${window}, ${quiet}, so that nothing would ever be sent; choose another time, or other quiet hours.`, "scheduleTime"));
  }
  return problems;
}

/** What is wrong with a step in itself. */
function stepProblems(step: RuleStep, name: string, index: number, { minStepDelayHours, stopOnReply }: RuleBounds & { readonly stopOnReply: boolean }): UserError[] {
  const problem = (field: string, sentence: string) => stepError(name, index, field, sentence);
  const problems: UserError[] = [];
  if (!isWholeWithin(step.dayNumber, 1, MAX_DAY_NUMBER)) {
    problems.push(problem("dayNumber", `the day number is ${step.dayNumber}; write a whole number from 1 to ${MAX_DAY_NUMBER}.`));
  }
  const unfit = triggerProblem(step.trigger);
  if (unfit) problems.push(problem("trigger", `the trigger ${unfit}.`));
  if (step.triggerDelayHours !== null && !isWithin(step.triggerDelayHours, minStepDelayHours, MAX_STEP_DELAY_HOURS)) {
    const right = `write a number from ${minStepDelayHours} to ${MAX_STEP_DELAY_HOURS}, or leave it out for the sequence's`;
    problems.push(problem("triggerDelayHours", `the hours to wait before the next step are ${step.triggerDelayHours}; ${right}.`));
  }
  for (const sentence of captionProblems(step.text, step.media)) problems.push(problem("text", sentence));
  const pointless = variantMediaProblem(step.variants, step.media);
  if (pointless) problems.push(problem("variants", pointless));
  const listed = (field: string, wrongs: readonly { readonly field: readonly string[]; readonly problem: string }[]) =>
    wrongs.map((wrong) => ({ ...problem(field, wrong.problem), field: ["steps", String(index), field, ...wrong.field] }));
  problems.push(...listed("variants", variantProblems(step.variants)), ...listed("branches", branchProblems(step.branches, { stopOnReply })));
  return problems;
}

/** Triggers that are another step's already. */
function takenProblems({ steps }: RuleSequence, others: readonly RuleSequence[]): UserError[] {
  const takenBy = new Map<string, string>();
  for (const other of others) for (const { trigger } of other.steps) takenBy.set(trigger, `the sequence '${excerpt(other.name, 60)}'`);
  return steps.flatMap((step, index) => {
    const owner = takenBy.get(step.trigger);
    if (owner === undefined) takenBy.set(step.trigger, stepName(steps, index));
    // An empty trigger has been named as such.
    if (owner === undefined || step.trigger === "") return [];
    const problem = `the trigger is taken by ${owner}; a trigger belongs to one step of the workspace, so choose another.`;
    return [{ ...stepError(stepName(steps, index), index, "trigger", problem), code: "TAKEN" as const }];
  });
}

/** Next triggers that lead nowhere. */
function nextTriggerProblems({ steps }: RuleSequence, others: readonly RuleSequence[]): UserError[] {
  const known = new Set([...steps, ...others.flatMap((other) => other.steps)].map((step) => step.trigger));
  const problemOf = (nextTrigger: string | null): string[] => {
    if (nextTrigger === null || (nextTrigger !== "" && known.has(nextTrigger))) return [];
    const right = "name the trigger of a step in this or another sequence, or leave it out where the sequence ends";
    return [`no step has the next trigger '${excerpt(nextTrigger, 40)}'; ${right}.`];
  };
  return steps.flatMap(({ nextTrigger, branches }, index) => {
    const error = (field: readonly string[], problem: string) => ({ ...stepError(stepName(steps, index), index, "nextTrigger", problem), field: ["steps", String(index), ...field] });
    return [
      ...problemOf(nextTrigger).map((problem) => error(["nextTrigger"], problem)),
      ...branches.flatMap((branch, place) =>
        problemOf(branch.nextTrigger).map((problem) => error(["branches", String(place), "nextTrigger"], `branch ${place + 1}: ${problem}`)),
      ),
    ];
  });
}

function loopProblems(steps: readonly RuleStep[], graph: StepGraph): UserError[] {
  return findLoops(graph).map(({ index, triggers }) => {
    const problem = `the next triggers lead in a loop: ${pathOf(triggers)}; leave one of them out, or let it lead elsewhere.`;
    return stepError(stepName(steps, index), index, "nextTrigger", problem);
  });
}

function reachProblems(steps: readonly RuleStep[], graph: StepGraph): UserError[] {
  const right = "make it another step's next trigger, or an entry point";
  return findUnreachable(graph).map((index) => stepError(stepName(steps, index), index, "trigger", `no step leads to it; ${right}.`));
}

function chainProblems(steps: readonly RuleStep[], graph: StepGraph): UserError[] {
  const longest = findLongestChain(graph);
  if (!longest || longest.sequences <= MAX_SEQUENCES_IN_CHAIN) return [];
  const right = `at most ${MAX_SEQUENCES_IN_CHAIN} may follow each other, so end it earlier`;
  const problem = `it is part of a chain of ${longest.sequences} sequences; ${right}.`;
  return [stepError(stepName(steps, longest.index), longest.index, "nextTrigger", problem)];
}

/** The triggers with arrows; of a long path its beginning and its end. */
function pathOf(triggers: readonly string[]): string {
  const isLong = triggers.length > MAX_TRIGGERS_SHOWN;
  const shown = isLong ? [...triggers.slice(0, MAX_TRIGGERS_SHOWN - 2), "…", ...triggers.slice(-2)] : triggers;
  return shown.map((trigger) => excerpt(trigger, 40)).join(" → ");
}

const isWithin = (value: number, least: number, most: number) => Number.isFinite(value) && value >= least && value <= most;

const isWholeWithin = (value: number, least: number, most: number) => Number.isInteger(value) && isWithin(value, least, most);
