import { builder } from "../graphql/builder.ts";
import { connection, connectionType, emptySlice, pageOf, type Slice } from "../graphql/connections.ts";
import { describedEnum } from "../graphql/described-enum.ts";
import { perParent, perRequest } from "../graphql/loaders.ts";
import { badUserInput } from "../graphql/errors.ts";
import { UserErrorType } from "../graphql/payload.ts";
import type { UserError } from "../lib/errors.ts";
import { MediaRef } from "../media/refs.ts";
import { MessageVariant, MessageVariantResult } from "../messages/refs.ts";
import { type VariantResult, variantResults } from "../messages/variant-results.ts";
import { ENROLLMENT_STATUSES, enrollmentPagesOfSequences, type EnrollmentPageArgs, type EnrollmentStatus } from "./enrollments.ts";
import {
  countSequences,
  listSequences,
  SEQUENCE_STATUSES,
  sequencesById,
  sequenceTotals,
  stepsOfSequences,
  type SequenceStatus,
  type SequenceStep,
  type SequenceTotals,
} from "./read.ts";
import { followSequence } from "./progress.ts";
import { EnrollmentConnection, EnrollmentStatusEnum, FailurePolicyEnum, SequenceRef, SequenceStepRef, StepBranch } from "./refs.ts";
import { problemsOfSequences } from "./service.ts";

const SequenceStatusEnum = describedEnum("SequenceStatus", "Whether a sequence runs.", SEQUENCE_STATUSES, {
  DRAFT: "Not activated yet: it may be incomplete, and enrols nobody.",
  ACTIVE: "It enrols leads and sends. One that SQL has made active, and that has problems, enrols nobody.",
  PAUSED: "Held by an operator until activateSequence: it enrols nobody, and sends nothing.",
  ARCHIVED: "Ended, for good.",
});

const stepsOf = perRequest<string, SequenceStep[]>((ids, { db }) => stepsOfSequences(db, ids));
const problemsOf = perRequest<string, UserError[]>((ids, { db, minStepDelayHours }) => problemsOfSequences(db, ids, minStepDelayHours));
const totalsOf = perRequest<string, SequenceTotals>((ids, { db }) => sequenceTotals(db, ids));
const enrollmentsOf = perParent<EnrollmentPageArgs, Slice<string>>(
  (ids, args, { db }) => enrollmentPagesOfSequences(db, ids, args),
  emptySlice,
);

const SequenceProgress = builder.objectRef<SequenceTotals>("SequenceProgress").implement({
  description: "How many leads are in a sequence, and what became of its messages.",
  fields: (t) => ({
    enrolled: t.exposeInt("enrolled", { description: "All enrolments that there have been; a lead that was enrolled anew counts again." }),
    active: t.exposeInt("active", { description: "Enrolments that go on." }),
    paused: t.exposeInt("paused", { description: "Enrolments that an operator has paused." }),
    completed: t.exposeInt("completed", { description: "Enrolments that came to their end." }),
    stopped: t.exposeInt("stopped", { description: "Enrolments that ended early: after a reply or an opt-out, by an operator, or for another reason." }),
    flowsSent: t.exposeInt("flowsSent", { description: "Messages that were sent." }),
    flowsFailed: t.exposeInt("flowsFailed", { description: "Messages that failed." }),
    flowsWaiting: t.exposeInt("flowsWaiting", { description: "Messages that are the next of an open enrolment, and are not being attempted." }),
    percent: t.float({
      description: "Enrolments finished of all enrolled, 0 to 100.",
      resolve: ({ enrolled, completed, stopped }) => (100 * (completed + stopped)) / Math.max(enrolled, 1),
    }),
  }),
});

SequenceRef.implement({
  description: "Messages that a lead gets one after the other, each some time after the one before.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "What it is called." }),
    triggerPrefix: t.exposeString("triggerPrefix", {
      nullable: true,
      description: "What its triggers begin with: a note for people, which nothing is checked against.",
    }),
    status: t.field({ type: SequenceStatusEnum, description: "Whether it runs.", resolve: ({ status }) => status as SequenceStatus }),
    scheduleTime: t.expose("scheduleTime", {
      type: "LocalTime",
      nullable: true,
      description: "HH:MM at which its messages go out, within scheduleToleranceMinutes; any time where null.",
    }),
    scheduleToleranceMinutes: t.exposeInt("scheduleToleranceMinutes", {
      description: "How long its messages go out from scheduleTime on, in minutes. What is not sent by then waits for the next day.",
    }),
    timeZone: t.expose("timeZone", {
      type: "TimeZone",
      nullable: true,
      description: "The zone of scheduleTime where the lead has none of its own; the workspace's where null.",
    }),
    minDelaySeconds: t.exposeInt("minDelaySeconds"),
    maxDelaySeconds: t.exposeInt("maxDelaySeconds"),
    triggerDelayHours: t.exposeFloat("triggerDelayHours", {
      description: "How long after a step the next one is due, in hours, for steps that set none of their own.",
    }),
    startDelayMinutes: t.exposeInt("startDelayMinutes", { description: "From enrolment to the first message, in minutes." }),
    stopOnReply: t.exposeBoolean("stopOnReply", { description: "A lead that replies leaves it, once something of it has been sent." }),
    onFailure: t.field({
      type: FailurePolicyEnum,
      description: "What becomes of a lead whose message failed.",
      resolve: ({ onFailure }) => onFailure as "CONTINUE" | "STOP",
    }),
    noDeviceGraceMinutes: t.exposeInt("noDeviceGraceMinutes", {
      description: "How long a flow waits when no device of the workspace could come back by itself; 0: it fails at once.",
    }),
    greeting: t.exposeBoolean("greeting", { description: "Begin the message with a greeting for the time of day." }),
    visibleVariation: t.exposeBoolean("visibleVariation", {
      description:
        "Vary punctuation and case visibly, seeded by the flow: a full stop at the end (30 %), a comma behind the greeting (20 %), its first letter small (20 %).",
    }),
    problems: t.field({
      type: [UserErrorType],
      description: "What keeps it from running; activateSequence refuses while there is any.",
      resolve: ({ id }, _args, context) => problemsOf(context).load(id),
    }),
    steps: t.field({ type: [SequenceStepRef], description: "Its steps, by their day numbers.", resolve: ({ id }, _args, context) => stepsOf(context).load(id) }),
    progress: t.field({
      type: SequenceProgress,
      description: "How many leads are in it, and what became of its messages.",
      resolve: ({ id }, _args, context) => totalsOf(context).load(id),
    }),
    enrollments: t.field({
      type: EnrollmentConnection,
      description: "The ways of leads through it, open and ended, the newest first.",
      args: { ...t.arg.connectionArgs(), status: t.arg({ type: [EnrollmentStatusEnum], description: "Only those in one of these states." }) },
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

const resultsOf = perRequest<string, VariantResult[]>((ids, { db }) => variantResults(db, "step", ids));

SequenceStepRef.implement({
  description: "A message of a sequence, and where its leads go from there.",
  fields: (t) => ({
    sequence: t.field({ type: SequenceRef, description: "The sequence that it belongs to.", resolve: ({ sequenceId }) => sequenceId }),
    dayNumber: t.exposeInt("dayNumber", {
      description: "Its place in the sequence, as people count it. Steps are listed by it; when a step is due, the delays and the time of day decide.",
    }),
    trigger: t.exposeString("trigger", { description: "Unique in the workspace." }),
    nextTrigger: t.exposeString("nextTrigger", {
      nullable: true,
      description: "The trigger of the step that follows, in this sequence or another; the end where null.",
    }),
    triggerDelayHours: t.float({
      description: "Hours from this step to the one that follows; the sequence's where it sets none of its own.",
      resolve: async ({ triggerDelayHours, sequenceId }, _args, context) =>
        triggerDelayHours ?? (await SequenceRef.getDataloader(context).load(sequenceId)).triggerDelayHours,
    }),
    isEntryPoint: t.exposeBoolean("isEntryPoint", { description: "Whether leads can begin here: its trigger on a lead enrols it." }),
    text: t.exposeString("messageText", {
      description: "Its own text, as a template: {{name}} is filled in, and one of {Hi|Hello} chosen. Empty where its media go without one.",
    }),
    media: t.field({ type: MediaRef, nullable: true, description: "Sent with the text, which is its caption.", resolve: ({ mediaId }) => mediaId }),
    branches: t.field({
      type: [StepBranch],
      description: "Tried in order before nextTrigger, once the next message is due.",
      resolve: ({ branches }) => [...branches],
    }),
    variants: t.field({ type: [MessageVariant], resolve: ({ variants }) => [...variants] }),
    variantResults: t.field({
      type: [MessageVariantResult],
      description: "What became of each variant that something was attempted of, the step's own text first.",
      resolve: ({ id }, _args, context) => resultsOf(context).load(id),
    }),
  }),
});

const SequenceConnection = connectionType("Sequence", SequenceRef, "exactly");

builder.queryFields((t) => ({
  sequence: t.field({
    type: SequenceRef,
    nullable: true,
    description: "The sequence with this id. Null where there is none.",
    args: { id: t.arg.globalID({ required: true, for: SequenceRef }) },
    resolve: (_root, { id }) => id.id,
  }),
  sequences: t.field({
    type: SequenceConnection,
    description: "The workspace's sequences, the oldest first.",
    args: { ...t.arg.connectionArgs(), status: t.arg({ type: [SequenceStatusEnum], description: "Only those in one of these states." }) },
    resolve: async (_root, { status, ...args }, { db }) =>
      connection(await listSequences(db, status, pageOf(args)), undefined, () => countSequences(db, status)),
  }),
}));

builder.subscriptionField("sequenceProgress", (t) =>
  t.field({
    type: SequenceRef,
    description: "The sequence as it is now, then as it goes on, at most once a second; ends when it is archived and nobody is in it any more.",
    args: { id: t.arg.globalID({ required: true, for: SequenceRef }) },
    subscribe: async (_root, { id }, { db, watch, signal }) => {
      const [found] = await sequencesById(db, [id.id]);
      if (!found) throw badUserInput(`There is no sequence Sequence:${id.id}; the query sequences lists them.`);
      return followSequence(watch, db, id.id, signal);
    },
    resolve: (sequence) => sequence,
  }),
);
