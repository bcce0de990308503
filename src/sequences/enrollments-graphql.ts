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
    sequence: t.field({ type: SequenceRef, resolve: ({ sequenceId }) => sequenceId }),
    status: t.field({ type: EnrollmentStatusEnum, resolve: ({ status }) => status as EnrollmentStatus }),
    stopReason: t.exposeString("stopReason", {
      nullable: true,
      description: "Why it stopped: REPLIED, OPTED_OUT, OPERATOR, SEQUENCE_ARCHIVED, FLOW_FAILED.",
    }),
    stopNote: t.exposeString("stopNote", { nullable: true, description: "What the operator who stopped it said." }),
    currentTrigger: t.string({
      nullable: true,
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
    flows: t.field({ type: [FlowRef], resolve: ({ id }, _args, context) => flowsOf(context).load(id) }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
    finishedAt: t.expose("finishedAt", { type: "DateTime", nullable: true }),
  }),
});

builder.queryField("enrollment", (t) =>
  t.field({
    type: EnrollmentRef,
    nullable: true,
    args: { id: t.arg.globalID({ required: true, for: EnrollmentRef }) },
    resolve: (_root, { id }) => id.id,
  }),
);

const EnrollLeadsPayload = payloadType<EnrollCounts>("EnrollLeadsPayload", (t) => ({
  enrolled: t.int({ description: "Leads newly enrolled.", resolve: ({ value }) => value?.enrolled ?? 0 }),
  skipped: t.int({
    description: "Leads left out, being in the sequence already, or opted out.",
    resolve: ({ value }) => value?.skipped ?? 0,
  }),
}));

const EnrollmentPayload = payloadType<string>("EnrollmentPayload", (t) => ({
  enrollment: t.field({ type: EnrollmentRef, nullable: true, resolve: ({ value }) => value }),
}));

builder.mutationFields((t) => {
  const ofEnrollment = { id: t.arg.globalID({ required: true, for: EnrollmentRef }) };
  return {
    enrollLeads: t.field({
      type: EnrollLeadsPayload,
      description: "With a limit, only so many of those that match: a way to start small.",
      args: {
        sequenceId: t.arg.globalID({ required: true, for: SequenceRef }),
        filter: t.arg({ type: LeadFilterInput, required: true }),
        limit: t.arg.int(),
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
      args: ofEnrollment,
      resolve: (_root, { id }, { db }) => payload(pauseEnrollment(db, id.id)),
    }),
    resumeEnrollment: t.field({
      type: EnrollmentPayload,
      args: ofEnrollment,
      resolve: (_root, { id }, { db }) => payload(resumeEnrollment(db, id.id)),
    }),
    stopEnrollment: t.field({
      type: EnrollmentPayload,
      args: { ...ofEnrollment, reason: t.arg.string({ description: "In your own words, at most 500 characters; kept as stopNote." }) },
      resolve: (_root, { id, reason }, { db }) => payload(stopEnrollment(db, id.id, reason ?? null)),
    }),
  };
});
