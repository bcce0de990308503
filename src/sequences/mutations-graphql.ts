import { builder } from "../graphql/builder.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { BranchConditionEnum, FailurePolicyEnum, SequenceRef, SequenceStepRef } from "./refs.ts";
import { activateSequence, archiveSequence, createSequence, pauseSequence, updateSequence } from "./service.ts";
import { createSequenceStep, deleteSequenceStep, updateSequenceStep, type WrittenStep } from "./steps.ts";

const StepVariantInput = builder.inputType("StepVariantInput", {
  fields: (t) => ({
    name: t.string({ required: true, description: "What its results are counted under; unique in its step." }),
    share: t.int({ required: true, description: "Percent of the leads, 1 to 100. What all variants leave gets the step's own text." }),
    text: t.string({ required: true }),
  }),
});

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
    text: t.string({ required: true }),
    variants: t.field({ type: [StepVariantInput], required: true, defaultValue: [], description: "Texts that stand in for the step's own, each for a share of the leads. At most 10." }),
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
    variants: t.field({ type: [StepVariantInput], description: "The whole list. A variant that keeps its name keeps its results." }),
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

const bareId = <Step extends { readonly id?: { readonly id: string } | null | undefined }>(step: Step) => ({ ...step, id: step.id?.id });

builder.mutationFields((t) => {
  const ofSequence = { id: t.arg.globalID({ required: true, for: SequenceRef }) };
  return {
    createSequence: t.field({
      type: SequencePayload,
      args: { input: t.arg({ type: CreateSequenceInput, required: true }) },
      resolve: (_root, { input }, context) => payload(createSequence(context, { ...input, steps: input.steps.map(bareId) })),
    }),
    updateSequence: t.field({
      type: SequencePayload,
      args: { input: t.arg({ type: UpdateSequenceInput, required: true }) },
      resolve: (_root, { input: { id, ...change } }, context) =>
        payload(updateSequence(context, id.id, { ...change, steps: change.steps?.map(bareId) })),
    }),
    createSequenceStep: t.field({
      type: SequenceStepPayload,
      args: {
        sequenceId: t.arg.globalID({ required: true, for: SequenceRef }),
        input: t.arg({ type: SequenceStepInput, required: true }),
        idempotencyKey: t.arg.string(),
      },
      resolve: (_root, { sequenceId, input, idempotencyKey }, context) =>
        payload(createSequenceStep(context, { ...bareId(input), sequenceId: sequenceId.id, idempotencyKey })),
    }),
    updateSequenceStep: t.field({
      type: SequenceStepPayload,
      args: { input: t.arg({ type: UpdateSequenceStepInput, required: true }) },
      resolve: (_root, { input: { id, ...change } }, context) => payload(updateSequenceStep(context, id.id, change)),
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
