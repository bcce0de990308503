import { builder } from "../graphql/builder.ts";
import { connection, connectionType, emptySlice, pageOf, type Slice } from "../graphql/connections.ts";
import type { ApiContext } from "../graphql/context.ts";
import { describedEnum } from "../graphql/described-enum.ts";
import { perParent, perRequest } from "../graphql/loaders.ts";
import { nodeRef } from "../graphql/node.ts";
import {
  countEnrollmentsOfLeads,
  ENROLLMENT_STATUSES,
  enrollmentPagesOfLeads,
  enrollmentsById,
  type Enrollment,
  type EnrollmentPageArgs,
} from "./enrollments.ts";
import type { Branch, BranchCondition } from "./branches.ts";
import { sequencesById, stepsById, type Sequence, type SequenceStep } from "./read.ts";

export const SequenceRef = nodeRef<Sequence>("Sequence", (ids, { db }) => sequencesById(db, ids));

export const SequenceStepRef = nodeRef<SequenceStep>("SequenceStep", (ids, { db }) => stepsById(db, ids));

export const EnrollmentRef = nodeRef<Enrollment>("Enrollment", (ids, { db }) => enrollmentsById(db, ids));

export const EnrollmentConnection = connectionType("Enrollment", EnrollmentRef, "estimated");

export const BranchConditionEnum = builder.enumType("BranchCondition", {
  description: "What must hold of a lead for a branch to be taken, looked at when its next message is due.",
  values: {
    ATTRIBUTE_EQUALS: { description: "Has each of these attributes, with exactly this value." },
    NICHE_IN: { description: "Is of one of these niches." },
    REPLIED_SINCE: { description: "Has replied since this step was sent." },
    READ: { description: "Has read this step's message." },
  } satisfies Record<BranchCondition, object>,
});

export const StepBranch = builder.objectRef<Branch>("StepBranch").implement({
  description: "Another step than the next one, for leads of which a condition holds.",
  fields: (t) => ({
    condition: t.field({ type: BranchConditionEnum, description: "What must hold.", resolve: ({ condition }) => condition }),
    value: t.expose("value", { type: "JSONObject", nullable: true, description: 'For ATTRIBUTE_EQUALS {"city": "Ipoh"}; for NICHE_IN {"niches": ["fitness"]}.' }),
    nextTrigger: t.exposeString("nextTrigger", { nullable: true, description: "The trigger of the step that follows then. Null: the sequence ends there." }),
  }),
});

export const FailurePolicyEnum = builder.enumType("FailurePolicy", {
  description: "What becomes of a lead whose flow failed.",
  values: {
    CONTINUE: { description: "It goes on to the next step." },
    STOP: { description: "Its enrolment stops, with FLOW_FAILED." },
  } as const,
});

export const EnrollmentStatusEnum = describedEnum("EnrollmentStatus", "Whether an enrolment goes on, and how it ended.", ENROLLMENT_STATUSES, {
  ACTIVE: "It goes on. While its sequence is paused, it stands still with it.",
  PAUSED: "Held by an operator until resumeEnrollment.",
  COMPLETED: "The lead came to the end of the sequence, or went on into another one.",
  STOPPED: "It ended early; stopReason says why.",
});

const pagesOfLeads = perParent<EnrollmentPageArgs, Slice<string>>((ids, args, { db }) => enrollmentPagesOfLeads(db, ids, args), emptySlice);

const countOfLead = perRequest<string, number>((ids, { db }) => countEnrollmentsOfLeads(db, ids));

/** `Lead.enrollments`, for the lead's own type to show. */
export async function enrollmentsOfLead(context: ApiContext, leadId: string, args: Parameters<typeof pageOf>[0]) {
  const slice = await pagesOfLeads(context, leadId, { page: pageOf(args), status: null });
  return connection(slice, undefined, async () => ({ total: await countOfLead(context).load(leadId), isExact: true }));
}
