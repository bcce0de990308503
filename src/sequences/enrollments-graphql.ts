import { FlowRef } from "../flows/refs.ts";
import { flowsOfEnrollments, isWaiting, type Flow } from "../flows/service.ts";
import { builder } from "../graphql/builder.ts";
import type { ApiContext } from "../graphql/context.ts";
import { perRequest } from "../graphql/loaders.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { selectLeadIds } from "../leads/filter.ts";
import { LeadFilterInput, leadFilterOf, LeadRef } from "../leads/refs.ts";
import { enrollMatching, type EnrollCounts } from "./enrol-matching.ts";
import { isOpen, pauseEnrollment, resumeEnrollment, stopEnrollment, type Enrollment, type EnrollmentStatus } from "./enrollments.ts";
import { EnrollmentRef, EnrollmentStatusEnum, SequenceRef, SequenceStepRef } from "./refs.ts";

const flowsOf = perRequest<string, Flow[]>((ids, { db }) => flowsOfEnrollments(db, ids));

/** The flow that an open enrolment has come to. */
const currentFlow = async (enrollment: Enrollment, context: ApiContext): Promise<Flow | null> =>
  isOpen(enrollment) ? await FlowRef.getDataloader(context).load(enrollment.currentFlowId) : null;

EnrollmentRef.implement({
  description: "One lead's way through one sequence.",
  fields: (t) => ({
    lead: t.field({ type: LeadRef, nullable: true, description: "Null once the lead is erased.", resolve: ({ leadId }) => leadId }),
    sequence: t.field({ type: SequenceRef, description: "The sequence that the lead is enrolled in.", resolve: ({ sequenceId }) => sequenceId }),
    status: t.field({ type: EnrollmentStatusEnum, description: "Whether it goes on, and how it ended.", resolve: ({ status }) => status as EnrollmentStatus }),
    stopReason: t.exposeString("stopReason", {
      nullable: true,
      description: "Why it stopped: REPLIED, OPTED_OUT, NO_CONSENT, OPERATOR, SEQUENCE_ARCHIVED, ERASED or FLOW_FAILED. Null where it did not.",
    }),
    stopNote: t.exposeString("stopNote", { nullable: true, description: "What the operator who stopped it said." }),
    currentTrigger: t.string({
      nullable: true,
      description: "The trigger of the step that it has come to; while branches have still to decide, of the step before. Null once it has ended.",
      resolve: async (enrollment, _args, context) => {
        const flow = await currentFlow(enrollment, context);
        // The loader says null for a step that was removed.
        const step: { trigger: string } | null = flow?.stepId ? (await SequenceStepRef.getDataloader(context).load(flow.stepId)) : null;
        return step?.trigger ?? null;
      },
    }),
    nextTriggerTime: t.field({
      type: "DateTime",
      nullable: true,
      description: "When its next flow is due.",
      resolve: async (enrollment, _args, context) => {
        const flow = await currentFlow(enrollment, context);
        return flow && isWaiting(flow) ? flow.wallDueAt : null;
      },
    }),
    flows: t.field({
      type: [FlowRef],
      description: "Its messages so far, the first step's first: later ones come into being one by one.",
      resolve: ({ id }, _args, context) => flowsOf(context).load(id),
    }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
    finishedAt: t.expose("finishedAt", { type: "DateTime", nullable: true, description: "When it ended, completed or stopped. Null while it is open." }),
  }),
});

builder.queryField("enrollment", (t) =>
  t.field({
    type: EnrollmentRef,
    nullable: true,
    description: "The enrolment with this id. Null where there is none.",
    args: { id: t.arg.globalID({ required: true, for: EnrollmentRef }) },
    resolve: (_root, { id }) => id.id,
  }),
);

const EnrollLeadsPayload = payloadType<EnrollCounts>("EnrollLeadsPayload", (t) => ({
  enrolled: t.int({ description: "Leads newly enrolled.", resolve: ({ value }) => value?.enrolled ?? 0 }),
  skipped: t.int({
    description: "Leads left out: in the sequence already, opted out, or without a consent that is required.",
    resolve: ({ value }) => value?.skipped ?? 0,
  }),
}));

const EnrollmentPayload = payloadType<string>("EnrollmentPayload", (t) => ({
  enrollment: t.field({
    type: EnrollmentRef,
    nullable: true,
    description: "The enrolment as it is now. Null where the call was refused.",
    resolve: ({ value }) => value,
  }),
}));

builder.mutationFields((t) => {
  const ofEnrollment = { id: t.arg.globalID({ required: true, for: EnrollmentRef }) };
  return {
    enrollLeads: t.field({
      type: EnrollLeadsPayload,
      description: "Enrols those that match at the active sequence's first entry step, whatever their triggers, at most 100,000 at once. Nobody is enrolled twice at a time.",
      args: {
        sequenceId: t.arg.globalID({ required: true, for: SequenceRef, description: "The sequence to enrol them in. It must be active and without problems." }),
        filter: t.arg({ type: LeadFilterInput, required: true, description: "Which leads; with {} all of the workspace." }),
        limit: t.arg.int({ description: "Only so many of those that match, the oldest first, from 1 to 100,000: a way to start small." }),
        idempotencyKey: t.arg.string(),
      },
      resolve: (_root, { sequenceId, filter, limit, idempotencyKey }, { db, minStepDelayHours }) => {
        const wanted = leadFilterOf(filter);
        const select = (tx: Parameters<typeof selectLeadIds>[0], most: number) => selectLeadIds(tx, db.id, wanted, most);
        return payload(enrollMatching(db, { sequenceId: sequenceId.id, filter: wanted, limit, idempotencyKey, select, minStepDelayHours }));
      },
    }),
    pauseEnrollment: t.field({
      type: EnrollmentPayload,
      description: "Holds the lead's way through the sequence where it is, for all that is not attempted yet. resumeEnrollment lets it go on with the delay that remained.",
      args: ofEnrollment,
      resolve: (_root, { id }, { db }) => payload(pauseEnrollment(db, id.id)),
    }),
    resumeEnrollment: t.field({
      type: EnrollmentPayload,
      description: "Lets a paused enrolment go on with the delay that remained.",
      args: ofEnrollment,
      resolve: (_root, { id }, { db }) => payload(resumeEnrollment(db, id.id)),
    }),
    stopEnrollment: t.field({
      type: EnrollmentPayload,
      description: "Ends the lead's way through the sequence, for good, with the reason OPERATOR. What waits is skipped, and its trigger is taken off the lead; it can be enrolled anew.",
      args: { ...ofEnrollment, reason: t.arg.string({ description: "In your own words, at most 500 characters; kept as stopNote." }) },
      resolve: (_root, { id, reason }, { db }) => payload(stopEnrollment(db, id.id, reason ?? null)),
    }),
  };
});
