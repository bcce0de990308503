import { builder } from "../graphql/builder.ts";
import type { ApiContext } from "../graphql/context.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import type { Result } from "../lib/errors.ts";
import { mediaInput, MediaInputType } from "../media/refs.ts";
import { resolveAll, type Resolved, withMedia } from "../media/resolve.ts";
import { MessageVariantInput } from "../messages/refs.ts";
import { BranchConditionEnum, FailurePolicyEnum, SequenceRef, SequenceStepRef } from "./refs.ts";
import { activateSequence, archiveSequence, createSequence, pauseSequence, updateSequence } from "./service.ts";
import { createSequenceStep, deleteSequenceStep, updateSequenceStep, type WrittenStep } from "./steps.ts";

const StepBranchInput = builder.inputType("StepBranchInput", {
  description: "Another step than the next one, for leads of which a condition holds.",
  fields: (t) => ({
    condition: t.field({ type: BranchConditionEnum, required: true, description: "What must hold. No two branches of a step have the same." }),
    value: t.field({
      type: "JSONObject",
      description: 'For ATTRIBUTE_EQUALS {"city": "Ipoh"}, for NICHE_IN {"niches": ["fitness"]}, of at most 50 values; for the others nothing.',
    }),
    nextTrigger: t.string({ description: "The trigger of the step that follows then. The sequence ends there where it is left out." }),
  }),
});

const SequenceStepInput = builder.inputType("SequenceStepInput", {
  description: "A step to be made or, in a sequence's list of steps, kept or changed.",
  fields: (t) => ({
    id: t.globalID({ for: [SequenceStepRef], description: "Keeps a step's identity when a sequence's list of steps is replaced." }),
    dayNumber: t.int({ required: true }),
    trigger: t.string({ required: true }),
    nextTrigger: t.string(),
    triggerDelayHours: t.float({
      description: "Hours from this step to the one that follows, at most 8,760, and at least what the server allows, usually 1. The sequence's where it is left out.",
    }),
    isEntryPoint: t.boolean({ required: true, defaultValue: false }),
    text: t.string({ required: true, description: "With media its caption, which may be empty." }),
    media: t.field({ type: MediaInputType, description: "Sent with the text." }),
    variants: t.field({ type: [MessageVariantInput], required: true, defaultValue: [], description: "Texts that stand in for the step's own, each for a share of the leads. At most 10." }),
    branches: t.field({ type: [StepBranchInput], required: true, defaultValue: [], description: "At most 10." }),
  }),
});

const UpdateSequenceStepInput = builder.inputType("UpdateSequenceStepInput", {
  description: "What is to be changed of a step. What is left out stays as it is.",
  fields: (t) => ({
    id: t.globalID({ required: true, for: [SequenceStepRef] }),
    dayNumber: t.int(),
    trigger: t.string(),
    nextTrigger: t.string(),
    triggerDelayHours: t.float({
      description: "Hours from this step to the one that follows, at most 8,760, and at least what the server allows, usually 1. Null: the sequence's.",
    }),
    isEntryPoint: t.boolean(),
    text: t.string(),
    media: t.field({ type: MediaInputType, description: "Null takes it away." }),
    variants: t.field({ type: [MessageVariantInput], description: "The whole list. A variant that keeps its name keeps its results." }),
    branches: t.field({ type: [StepBranchInput], description: "The whole list." }),
  }),
});

const CreateSequenceInput = builder.inputType("CreateSequenceInput", {
  description: "A sequence to be made, as a draft.",
  fields: (t) => ({
    name: t.string({ required: true }),
    triggerPrefix: t.string(),
    scheduleTime: t.field({ type: "LocalTime" }),
    scheduleToleranceMinutes: t.int({ required: true, defaultValue: 10 }),
    timeZone: t.field({
      type: "TimeZone",
      description: "The zone of scheduleTime, quiet hours and greetings for leads that have none of their own; the workspace's where it is left out.",
    }),
    minDelaySeconds: t.int({ required: true, defaultValue: 10 }),
    maxDelaySeconds: t.int({ required: true, defaultValue: 30 }),
    triggerDelayHours: t.float({
      required: true,
      defaultValue: 24,
      description: "How long after a step the next one is due, in hours, for steps that set none of their own: at most 8,760, and at least what the server allows, usually 1.",
    }),
    startDelayMinutes: t.int({ required: true, defaultValue: 0 }),
    stopOnReply: t.boolean({ required: true, defaultValue: true }),
    onFailure: t.field({ type: FailurePolicyEnum, required: true, defaultValue: "CONTINUE" }),
    noDeviceGraceMinutes: t.int({ required: true, defaultValue: 0 }),
    greeting: t.boolean({ required: true, defaultValue: false }),
    visibleVariation: t.boolean({ required: true, defaultValue: false }),
    steps: t.field({ type: [SequenceStepInput], required: true, defaultValue: [], description: "Its steps, at most 500. They may also be added later, one by one." }),
    idempotencyKey: t.string(),
  }),
});

const UpdateSequenceInput = builder.inputType("UpdateSequenceInput", {
  description: "With steps, the whole list is replaced; flows already attempted keep the text they were sent with.",
  fields: (t) => ({
    id: t.globalID({ required: true, for: [SequenceRef] }),
    name: t.string(),
    triggerPrefix: t.string(),
    scheduleTime: t.field({ type: "LocalTime" }),
    scheduleToleranceMinutes: t.int(),
    timeZone: t.field({
      type: "TimeZone",
      description: "The zone of scheduleTime, quiet hours and greetings for leads that have none of their own. Null: the workspace's.",
    }),
    minDelaySeconds: t.int(),
    maxDelaySeconds: t.int(),
    triggerDelayHours: t.float({
      description: "How long after a step the next one is due, in hours, for steps that set none of their own: at most 8,760, and at least what the server allows, usually 1.",
    }),
    startDelayMinutes: t.int(),
    stopOnReply: t.boolean(),
    onFailure: t.field({ type: FailurePolicyEnum }),
    noDeviceGraceMinutes: t.int(),
    greeting: t.boolean(),
    visibleVariation: t.boolean(),
    steps: t.field({
      type: [SequenceStepInput],
      description: "The whole list, at most 500. A step keeps its identity by its id, or else by its trigger; leads that wait on one that is not listed move on from it.",
    }),
  }),
});

const SequencePayload = payloadType<string>("SequencePayload", (t) => ({
  sequence: t.field({ type: SequenceRef, nullable: true, description: "The sequence as it is now. Null where the call was refused.", resolve: ({ value }) => value }),
}));

const SequenceStepPayload = payloadType<WrittenStep>("SequenceStepPayload", (t) => ({
  step: t.field({
    type: SequenceStepRef,
    nullable: true,
    description: "The step as it is now. Null where the call was refused.",
    resolve: ({ value }) => value?.stepId,
  }),
  sequence: t.field({
    type: SequenceRef,
    nullable: true,
    description: "The sequence that it belongs to, as it is now. Null where the call was refused.",
    resolve: ({ value }) => value?.sequenceId,
  }),
}));

type GivenStep = (typeof SequenceStepInput)["$inferInput"];

const bareIds = (step: GivenStep) => ({ ...step, id: step.id?.id, media: mediaInput(step.media) });

/** What `write` makes of the steps once their media is there. */
async function withSteps<T>(context: ApiContext, steps: readonly GivenStep[], write: (steps: Resolved<ReturnType<typeof bareIds>>[]) => Promise<Result<T>>): Promise<Result<T>> {
  const resolved = await resolveAll(context, steps.map(bareIds), (index) => ["input", "steps", String(index)]);
  return resolved.ok ? write(resolved.value) : resolved;
}

builder.mutationFields((t) => {
  const ofSequence = { id: t.arg.globalID({ required: true, for: SequenceRef }) };
  return {
    createSequence: t.field({
      type: SequencePayload,
      description: "Makes a sequence as a draft: it enrols nobody before activateSequence.",
      args: { input: t.arg({ type: CreateSequenceInput, required: true }) },
      resolve: (_root, { input }, context) => payload(withSteps(context, input.steps, (steps) => createSequence(context, { ...input, steps }))),
    }),
    updateSequence: t.field({
      type: SequencePayload,
      description: "Changes a sequence, also while it runs: what is attempted already stays as it was. What is left out stays; null clears triggerPrefix, scheduleTime and timeZone.",
      args: { input: t.arg({ type: UpdateSequenceInput, required: true }) },
      resolve: (_root, { input: { id, ...change } }, context) =>
        payload(change.steps ? withSteps(context, change.steps, (steps) => updateSequence(context, id.id, { ...change, steps })) : updateSequence(context, id.id, { ...change, steps: change.steps })),
    }),
    createSequenceStep: t.field({
      type: SequenceStepPayload,
      description: "Adds a step to a sequence. Only a draft may be left incomplete by it; a sequence that runs must be in order with it.",
      args: {
        sequenceId: t.arg.globalID({ required: true, for: SequenceRef, description: "The sequence that gets the step. It must not be archived." }),
        input: t.arg({ type: SequenceStepInput, required: true }),
        idempotencyKey: t.arg.string(),
      },
      resolve: (_root, { sequenceId, input, idempotencyKey }, context) =>
        payload(withMedia(context, bareIds(input), (step) => createSequenceStep(context, { ...step, sequenceId: sequenceId.id, idempotencyKey }))),
    }),
    updateSequenceStep: t.field({
      type: SequenceStepPayload,
      description: "Changes a step, also while leads wait on it: what is attempted already stays as it was. What is left out stays as it is.",
      args: { input: t.arg({ type: UpdateSequenceStepInput, required: true }) },
      resolve: (_root, { input: { id, ...change } }, context) => payload(withMedia(context, { ...change, media: mediaInput(change.media) }, (step) => updateSequenceStep(context, id.id, step))),
    }),
    deleteSequenceStep: t.field({
      type: SequencePayload,
      description: "Removes a step, for good. What led to it leads on to the step that follows it, and leads that wait on it move on to that.",
      args: { id: t.arg.globalID({ required: true, for: SequenceStepRef }) },
      resolve: (_root, { id }, context) => payload(deleteSequenceStep(context, id.id)),
    }),
    activateSequence: t.field({
      type: SequencePayload,
      description: "Makes a draft run, or lets a paused sequence go on; refused while it has problems. Also enrols the leads that already carry its trigger.",
      args: ofSequence,
      resolve: (_root, { id }, context) => payload(activateSequence(context, id.id)),
    }),
    pauseSequence: t.field({
      type: SequencePayload,
      description: "Holds everything of an active sequence that is not attempted yet, and enrols nobody. activateSequence lets it go on, each lead with the delay that remained.",
      args: ofSequence,
      resolve: (_root, { id }, context) => payload(pauseSequence(context, id.id)),
    }),
    archiveSequence: t.field({
      type: SequencePayload,
      description: "Ends a sequence, for good: it enrols nobody any more, and running enrolments stop with SEQUENCE_ARCHIVED. Refused where an active sequence leads into it.",
      args: ofSequence,
      resolve: (_root, { id }, context) => payload(archiveSequence(context, id.id)),
    }),
  };
});
