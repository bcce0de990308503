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
  fields: (t) => ({
    condition: t.field({ type: BranchConditionEnum, required: true }),
    value: t.field({ type: "JSONObject" }),
    nextTrigger: t.string({ description: "The end where it is left out." }),
  }),
});

const SequenceStepInput = builder.inputType("SequenceStepInput", {
  fields: (t) => ({
    id: t.globalID({ for: [SequenceStepRef], description: "Keeps a step's identity when a sequence's list of steps is replaced." }),
    dayNumber: t.int({ required: true }),
    trigger: t.string({ required: true }),
    nextTrigger: t.string(),
    triggerDelayHours: t.float({ description: "The sequence's where it is left out." }),
    isEntryPoint: t.boolean({ required: true, defaultValue: false }),
    text: t.string({ required: true, description: "With media its caption, which may be empty." }),
    media: t.field({ type: MediaInputType, description: "Sent with the text." }),
    variants: t.field({ type: [MessageVariantInput], required: true, defaultValue: [], description: "Texts that stand in for the step's own, each for a share of the leads. At most 10." }),
    branches: t.field({ type: [StepBranchInput], required: true, defaultValue: [], description: "At most 10." }),
  }),
});

const UpdateSequenceStepInput = builder.inputType("UpdateSequenceStepInput", {
  fields: (t) => ({
    id: t.globalID({ required: true, for: [SequenceStepRef] }),
    dayNumber: t.int(),
    trigger: t.string(),
    nextTrigger: t.string(),
    triggerDelayHours: t.float(),
    isEntryPoint: t.boolean(),
    text: t.string(),
    media: t.field({ type: MediaInputType, description: "Null takes it away." }),
    variants: t.field({ type: [MessageVariantInput], description: "The whole list. A variant that keeps its name keeps its results." }),
    branches: t.field({ type: [StepBranchInput], description: "The whole list." }),
  }),
});

const CreateSequenceInput = builder.inputType("CreateSequenceInput", {
  fields: (t) => ({
    name: t.string({ required: true }),
    triggerPrefix: t.string(),
    scheduleTime: t.field({ type: "LocalTime" }),
    scheduleToleranceMinutes: t.int({ required: true, defaultValue: 10 }),
    timeZone: t.field({ type: "TimeZone" }),
    minDelaySeconds: t.int({ required: true, defaultValue: 10 }),
    maxDelaySeconds: t.int({ required: true, defaultValue: 30 }),
    triggerDelayHours: t.float({ required: true, defaultValue: 24 }),
    startDelayMinutes: t.int({ required: true, defaultValue: 0 }),
    stopOnReply: t.boolean({ required: true, defaultValue: true }),
    onFailure: t.field({ type: FailurePolicyEnum, required: true, defaultValue: "CONTINUE" }),
    noDeviceGraceMinutes: t.int({ required: true, defaultValue: 0 }),
    greeting: t.boolean({ required: true, defaultValue: false }),
    visibleVariation: t.boolean({ required: true, defaultValue: false }),
    steps: t.field({ type: [SequenceStepInput], required: true, defaultValue: [] }),
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
    timeZone: t.field({ type: "TimeZone" }),
    minDelaySeconds: t.int(),
    maxDelaySeconds: t.int(),
    triggerDelayHours: t.float(),
    startDelayMinutes: t.int(),
    stopOnReply: t.boolean(),
    onFailure: t.field({ type: FailurePolicyEnum }),
    noDeviceGraceMinutes: t.int(),
    greeting: t.boolean(),
    visibleVariation: t.boolean(),
    steps: t.field({ type: [SequenceStepInput] }),
  }),
});

const SequencePayload = payloadType<string>("SequencePayload", (t) => ({
  sequence: t.field({ type: SequenceRef, nullable: true, resolve: ({ value }) => value }),
}));

const SequenceStepPayload = payloadType<WrittenStep>("SequenceStepPayload", (t) => ({
  step: t.field({ type: SequenceStepRef, nullable: true, resolve: ({ value }) => value?.stepId }),
  sequence: t.field({ type: SequenceRef, nullable: true, resolve: ({ value }) => value?.sequenceId }),
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
      args: { input: t.arg({ type: CreateSequenceInput, required: true }) },
      resolve: (_root, { input }, context) => payload(withSteps(context, input.steps, (steps) => createSequence(context, { ...input, steps }))),
    }),
    updateSequence: t.field({
      type: SequencePayload,
      args: { input: t.arg({ type: UpdateSequenceInput, required: true }) },
      resolve: (_root, { input: { id, ...change } }, context) =>
        payload(change.steps ? withSteps(context, change.steps, (steps) => updateSequence(context, id.id, { ...change, steps })) : updateSequence(context, id.id, { ...change, steps: change.steps })),
    }),
    createSequenceStep: t.field({
      type: SequenceStepPayload,
      args: {
        sequenceId: t.arg.globalID({ required: true, for: SequenceRef }),
        input: t.arg({ type: SequenceStepInput, required: true }),
        idempotencyKey: t.arg.string(),
      },
      resolve: (_root, { sequenceId, input, idempotencyKey }, context) =>
        payload(withMedia(context, bareIds(input), (step) => createSequenceStep(context, { ...step, sequenceId: sequenceId.id, idempotencyKey }))),
    }),
    updateSequenceStep: t.field({
      type: SequenceStepPayload,
      args: { input: t.arg({ type: UpdateSequenceStepInput, required: true }) },
      resolve: (_root, { input: { id, ...change } }, context) => payload(withMedia(context, { ...change, media: mediaInput(change.media) }, (step) => updateSequenceStep(context, id.id, step))),
    }),
    deleteSequenceStep: t.field({
      type: SequencePayload,
      description: "Leads that wait on it move on to the step that follows it.",
      args: { id: t.arg.globalID({ required: true, for: SequenceStepRef }) },
      resolve: (_root, { id }, context) => payload(deleteSequenceStep(context, id.id)),
    }),
    activateSequence: t.field({
      type: SequencePayload,
      description: "Also enrols the leads that already carry its trigger.",
      args: ofSequence,
      resolve: (_root, { id }, context) => payload(activateSequence(context, id.id)),
    }),
    pauseSequence: t.field({
      type: SequencePayload,
      args: ofSequence,
      resolve: (_root, { id }, context) => payload(pauseSequence(context, id.id)),
    }),
    archiveSequence: t.field({
      type: SequencePayload,
      description: "For good; running enrolments stop with SEQUENCE_ARCHIVED.",
      args: ofSequence,
      resolve: (_root, { id }, context) => payload(archiveSequence(context, id.id)),
    }),
  };
});
