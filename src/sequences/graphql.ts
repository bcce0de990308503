import { builder } from "../graphql/builder.ts";
import { connection, connectionType, emptySlice, pageOf, type Slice } from "../graphql/connections.ts";
import { perParent, perRequest } from "../graphql/loaders.ts";
import { payload, payloadType, UserErrorType } from "../graphql/payload.ts";
import type { UserError } from "../lib/errors.ts";
import { ENROLLMENT_STATUSES, enrollmentPagesOfSequences, type EnrollmentPageArgs, type EnrollmentStatus } from "./enrollments.ts";
import {
  countSequences,
  listSequences,
  SEQUENCE_STATUSES,
  sequenceTotals,
  stepsOfSequences,
  type SequenceStatus,
  type SequenceStep,
  type SequenceTotals,
} from "./read.ts";
import { EnrollmentConnection, EnrollmentStatusEnum, SequenceRef, SequenceStepRef } from "./refs.ts";
import { activateSequence, archiveSequence, createSequence, pauseSequence, problemsOfSequences, updateSequence } from "./service.ts";
import { createSequenceStep, deleteSequenceStep, updateSequenceStep, type WrittenStep } from "./steps.ts";

const SequenceStatusEnum = builder.enumType("SequenceStatus", { values: SEQUENCE_STATUSES });

const FailurePolicy = builder.enumType("FailurePolicy", {
  description: "What becomes of a lead whose flow failed.",
  values: ["CONTINUE", "STOP"] as const,
});

const stepsOf = perRequest<string, SequenceStep[]>((ids, { db }) => stepsOfSequences(db, ids));
const problemsOf = perRequest<string, UserError[]>((ids, { db, minStepDelayHours }) => problemsOfSequences(db, ids, minStepDelayHours));
const totalsOf = perRequest<string, SequenceTotals>((ids, { db }) => sequenceTotals(db, ids));
const enrollmentsOf = perParent<EnrollmentPageArgs, Slice<string>>(
  (ids, args, { db }) => enrollmentPagesOfSequences(db, ids, args),
  emptySlice,
);

const SequenceProgress = builder.objectRef<SequenceTotals>("SequenceProgress").implement({
  fields: (t) => ({
    enrolled: t.exposeInt("enrolled"),
    active: t.exposeInt("active"),
    paused: t.exposeInt("paused"),
    completed: t.exposeInt("completed"),
    stopped: t.exposeInt("stopped"),
    flowsSent: t.exposeInt("flowsSent"),
    flowsFailed: t.exposeInt("flowsFailed"),
    flowsWaiting: t.exposeInt("flowsWaiting"),
    percent: t.float({
      description: "Enrolments finished of all enrolled, 0 to 100.",
      resolve: ({ enrolled, completed, stopped }) => (100 * (completed + stopped)) / Math.max(enrolled, 1),
    }),
  }),
});

SequenceRef.implement({
  fields: (t) => ({
    name: t.exposeString("name"),
    triggerPrefix: t.exposeString("triggerPrefix", { nullable: true }),
    status: t.field({ type: SequenceStatusEnum, resolve: ({ status }) => status as SequenceStatus }),
    minDelaySeconds: t.exposeInt("minDelaySeconds"),
    maxDelaySeconds: t.exposeInt("maxDelaySeconds"),
    triggerDelayHours: t.exposeFloat("triggerDelayHours", { description: "The delay of steps that set none of their own." }),
    startDelayMinutes: t.exposeInt("startDelayMinutes", { description: "From enrolment to the first message." }),
    onFailure: t.field({ type: FailurePolicy, resolve: ({ onFailure }) => onFailure as "CONTINUE" | "STOP" }),
    problems: t.field({
      type: [UserErrorType],
      description: "What keeps it from running; activateSequence refuses while there is any.",
      resolve: ({ id }, _args, context) => problemsOf(context).load(id),
    }),
    steps: t.field({ type: [SequenceStepRef], resolve: ({ id }, _args, context) => stepsOf(context).load(id) }),
    progress: t.field({ type: SequenceProgress, resolve: ({ id }, _args, context) => totalsOf(context).load(id) }),
    enrollments: t.field({
      type: EnrollmentConnection,
      args: { ...t.arg.connectionArgs(), status: t.arg({ type: [EnrollmentStatusEnum] }) },
      resolve: async ({ id }, { status, ...args }, context) => {
        const slice = await enrollmentsOf(context, id, { page: pageOf(args), status: status ?? null });
        return connection(slice, undefined, async () => ({ total: enrolledIn(await totalsOf(context).load(id), status), isExact: true }));
      },
    }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
  }),
});

/** The counts are kept, so that a million enrolments need not be counted. */
function enrolledIn(totals: SequenceTotals, status: readonly EnrollmentStatus[] | null | undefined): number {
  const counts = { ACTIVE: totals.active, PAUSED: totals.paused, COMPLETED: totals.completed, STOPPED: totals.stopped };
  return [...new Set(status ?? ENROLLMENT_STATUSES)].reduce((sum, each) => sum + counts[each], 0);
}

SequenceStepRef.implement({
  fields: (t) => ({
    sequence: t.field({ type: SequenceRef, resolve: ({ sequenceId }) => sequenceId }),
    dayNumber: t.exposeInt("dayNumber"),
    trigger: t.exposeString("trigger", { description: "Unique in the workspace." }),
    nextTrigger: t.exposeString("nextTrigger", {
      nullable: true,
      description: "The trigger of the step that follows, in this sequence or another; the end where null.",
    }),
    triggerDelayHours: t.float({
      description: "Hours from this step to the one that follows.",
      resolve: async ({ triggerDelayHours, sequenceId }, _args, context) =>
        triggerDelayHours ?? (await SequenceRef.getDataloader(context).load(sequenceId)).triggerDelayHours,
    }),
    isEntryPoint: t.exposeBoolean("isEntryPoint"),
    text: t.exposeString("messageText"),
  }),
});

const SequenceConnection = connectionType("Sequence", SequenceRef, "exactly");

builder.queryFields((t) => ({
  sequence: t.field({
    type: SequenceRef,
    nullable: true,
    args: { id: t.arg.globalID({ required: true, for: SequenceRef }) },
    resolve: (_root, { id }) => id.id,
  }),
  sequences: t.field({
    type: SequenceConnection,
    args: { ...t.arg.connectionArgs(), status: t.arg({ type: [SequenceStatusEnum] }) },
    resolve: async (_root, { status, ...args }, { db }) =>
      connection(await listSequences(db, status, pageOf(args)), undefined, () => countSequences(db, status)),
  }),
}));

const SequenceStepInput = builder.inputType("SequenceStepInput", {
  fields: (t) => ({
    id: t.globalID({ for: [SequenceStepRef], description: "Keeps a step's identity when a sequence's list of steps is replaced." }),
    dayNumber: t.int({ required: true }),
    trigger: t.string({ required: true }),
    nextTrigger: t.string(),
    triggerDelayHours: t.float({ description: "The sequence's where it is left out." }),
    isEntryPoint: t.boolean({ required: true, defaultValue: false }),
    text: t.string({ required: true }),
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
  }),
});

const CreateSequenceInput = builder.inputType("CreateSequenceInput", {
  fields: (t) => ({
    name: t.string({ required: true }),
    triggerPrefix: t.string(),
    minDelaySeconds: t.int({ required: true, defaultValue: 10 }),
    maxDelaySeconds: t.int({ required: true, defaultValue: 30 }),
    triggerDelayHours: t.float({ required: true, defaultValue: 24 }),
    startDelayMinutes: t.int({ required: true, defaultValue: 0 }),
    onFailure: t.field({ type: FailurePolicy, required: true, defaultValue: "CONTINUE" }),
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
    minDelaySeconds: t.int(),
    maxDelaySeconds: t.int(),
    triggerDelayHours: t.float(),
    startDelayMinutes: t.int(),
    onFailure: t.field({ type: FailurePolicy }),
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
