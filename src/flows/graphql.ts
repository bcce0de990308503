import { CampaignRef } from "../campaigns/refs.ts";
import { DeviceRef } from "../devices/refs.ts";
import { builder } from "../graphql/builder.ts";
import { connection } from "../graphql/connections.ts";
import { describedEnum } from "../graphql/described-enum.ts";
import { perRequest } from "../graphql/loaders.ts";
import { LeadRef } from "../leads/refs.ts";
import { MediaRef } from "../media/refs.ts";
import { EnrollmentRef, SequenceRef, SequenceStepRef } from "../sequences/refs.ts";
import { FlowConnection, FlowFailureCodeEnum, FlowFilterInput, flowList, FlowOrderInput, FlowRef, FlowStatusEnum } from "./refs.ts";
import { countFlows, isWaiting, listFlows } from "./service.ts";
import { flowSituations } from "./situations.ts";
import { FLOW_SKIP_REASONS, type FlowFailureCode, type FlowSkipReason, type FlowStatus } from "./states.ts";
import { flowWaits, type FlowWait, type Situation } from "./waiting.ts";

const FlowSkipReasonEnum = describedEnum("FlowSkipReason", "Why a flow was skipped.", FLOW_SKIP_REASONS, {
  OPTED_OUT: "The person has opted out.",
  REPLIED: "The person wrote back, and the sequence stops on a reply.",
  NO_CONSENT: "The workspace wants a recorded consent, and the lead has none.",
  OPERATOR: "An operator stopped the lead's enrolment.",
  STEP_REMOVED: "Its step was removed from the sequence; the lead has gone on to the one that follows.",
  SEQUENCE_ARCHIVED: "Its sequence was archived.",
  ERASED: "The lead was erased.",
});

const FlowFailure = builder.objectRef<{ readonly code: FlowFailureCode; readonly message: string }>("FlowFailure").implement({
  description: "Why a flow failed.",
  fields: (t) => ({
    code: t.expose("code", { type: FlowFailureCodeEnum, description: "The reason, for programs." }),
    message: t.exposeString("message", { description: "The reason as a sentence, for people. Empty once the lead is erased." }),
  }),
});

const FlowWaitReason = builder.enumType("FlowWaitReason", {
  description: "What keeps a flow from being sent.",
  values: {
    NOT_DUE: { description: "Its delay is not over yet." },
    SEQUENCE_PAUSED: { description: "Its sequence is not active." },
    ENROLLMENT_PAUSED: { description: "The lead's enrolment is paused." },
    CAMPAIGN_PAUSED: { description: "Its campaign is paused, or was cancelled a moment ago." },
    SCHEDULE_WINDOW: { description: "It is not the time of day at which its sequence sends." },
    QUIET_HOURS: { description: "These are quiet hours where the lead is." },
    FREQUENCY_CAP: { description: "The lead has had as many messages as the workspace's cap allows, or a message of an older enrolment or campaign goes first." },
    NO_DEVICE_ONLINE: { description: "No device that could send it is online and not paused." },
    DEVICE_LIMITS: { description: "Every device that could send it has reached its hourly or daily limit." },
    DEVICE_RESTRICTED: { description: "The lead's own device is restricted by WhatsApp, and this person has not written to it." },
    PACE: { description: "Every device that could send it pauses between two messages." },
    RATE_CEILING: { description: "The workspace's hourly ceiling." },
    SYSTEM_HOLD: { description: "Sending is held (after a restore, or by a guard) until an operator confirms." },
    QUEUED: { description: "Nothing keeps it: the next cycle takes it." },
  } as const,
});

const FlowWaitType = builder.objectRef<FlowWait>("FlowWait").implement({
  description: "Something that keeps a flow from being sent now.",
  fields: (t) => ({
    reason: t.expose("reason", { type: FlowWaitReason, description: "What keeps it." }),
    message: t.exposeString("message", { description: "The same as a sentence, with the times and limits that it is about." }),
    until: t.expose("until", {
      type: "DateTime",
      nullable: true,
      description: "The earliest time at which this gate opens, where it is known.",
    }),
  }),
});

const situationsOf = perRequest<string, Situation | null>((ids, { db }) => flowSituations(db, ids));

FlowRef.implement({
  description: "One message to one lead: a step of a sequence, or a campaign's. It is attempted at most once.",
  fields: (t) => ({
    lead: t.field({ type: LeadRef, nullable: true, description: "Null once the lead is erased.", resolve: ({ leadId }) => leadId }),
    sequence: t.field({
      type: SequenceRef,
      nullable: true,
      description: "The sequence that it is a step of. Null for a campaign's message.",
      resolve: ({ sequenceId }) => sequenceId,
    }),
    step: t.field({ type: SequenceStepRef, nullable: true, description: "Null for a campaign's message, once the step was removed, and while branches have still to decide which it is.", resolve: ({ stepId, undecided }) => (undecided ? null : stepId) }),
    enrollment: t.field({
      type: EnrollmentRef,
      nullable: true,
      description: "The enrolment that it is a step of. Null for a campaign's message.",
      resolve: ({ enrollmentId }) => enrollmentId,
    }),
    campaign: t.field({
      type: CampaignRef,
      nullable: true,
      description: "The campaign that it is of. Null for a sequence's message, and where the campaign was deleted.",
      resolve: ({ campaignId }) => campaignId,
    }),
    isTest: t.exposeBoolean("isTest", { description: "A campaign's test message: in none of its counts." }),
    status: t.field({ type: FlowStatusEnum, description: "Whether it waits, is on its way, or how it ended.", resolve: ({ status }) => status as FlowStatus }),
    dueAt: t.expose("wallDueAt", {
      type: "DateTime",
      description: "When it is due, or was. It may go out later: waitingFor says what keeps it. While its sequence or campaign is paused, it moves on with the time.",
    }),
    device: t.field({
      type: DeviceRef,
      nullable: true,
      description: "The device that attempted it, or is about to.",
      resolve: ({ deviceId, boundDeviceId }) => deviceId ?? boundDeviceId,
    }),
    text: t.exposeString("text", { nullable: true, description: "The text as it was sent." }),
    media: t.field({ type: MediaRef, nullable: true, description: "What was sent with the text.", resolve: ({ mediaId }) => mediaId }),
    variant: t.string({
      nullable: true,
      description: "The name of the step's or campaign's variant that was sent. Null for its own text.",
      resolve: ({ variant }) => variant || null,
    }),
    messageId: t.string({
      nullable: true,
      description: "Known before the attempt, so that acknowledgements find their flow even after a crash.",
      resolve: ({ id }, _args, { messageIds }) => messageIds.messageIdOf(id),
    }),
    attemptedAt: t.expose("attemptedAt", {
      type: "DateTime",
      nullable: true,
      description: "From then on it may have reached WhatsApp. Null where it was not attempted.",
    }),
    sentAt: t.expose("sentAt", { type: "DateTime", nullable: true, description: "When WhatsApp took it. Null where it was not sent." }),
    deliveredAt: t.expose("deliveredAt", { type: "DateTime", nullable: true, description: "When it reached the recipient's phone, as far as WhatsApp has told." }),
    readAt: t.expose("readAt", { type: "DateTime", nullable: true, description: "When it was read, as far as the recipient lets WhatsApp tell." }),
    failedAt: t.expose("failedAt", {
      type: "DateTime",
      nullable: true,
      description: "When it failed. Null again where a later acknowledgement shows that it was sent.",
    }),
    failure: t.field({
      type: FlowFailure,
      nullable: true,
      description: "Why it failed. Null where it did not.",
      resolve: ({ failedAt, failureCode, failureMessage }) =>
        failedAt && failureCode ? { code: failureCode as FlowFailureCode, message: failureMessage ?? "" } : null,
    }),
    skipReason: t.field({
      type: FlowSkipReasonEnum,
      nullable: true,
      description: "Why it was skipped. Null where it was not.",
      resolve: ({ skipReason }) => skipReason as FlowSkipReason | null,
    }),
    retryOf: t.field({
      type: FlowRef,
      nullable: true,
      description: "The failed flow that an operator had attempted again by this one.",
      resolve: ({ retryOf }) => retryOf,
    }),
    retriedAs: t.field({
      type: FlowRef,
      nullable: true,
      description: "The new flow as which an operator had this one attempted again. Null where it was not.",
      resolve: ({ retriedAs }) => retriedAs,
    }),
    waitingFor: t.field({
      type: [FlowWaitType],
      description: "Every gate that now keeps it from being sent, with the time it opens. Empty once it is settled.",
      resolve: async (flow, _args, context) => {
        const situation = isWaiting(flow) ? await situationsOf(context).load(flow.id) : null;
        return situation ? flowWaits(situation) : [];
      },
    }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
  }),
});

builder.queryFields((t) => ({
  flow: t.field({
    type: FlowRef,
    nullable: true,
    description: "The flow with this id. Null where there is none.",
    args: { id: t.arg.globalID({ required: true, for: FlowRef }) },
    resolve: (_root, { id }) => id.id,
  }),
  flows: t.field({
    type: FlowConnection,
    description: "The workspace's messages, of sequences and campaigns.",
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: FlowFilterInput }),
      orderBy: t.arg({ type: FlowOrderInput, description: "The list's order; the newest first where it is left out." }),
    },
    resolve: async (_root, args, { db }) => {
      const { filter, order, page } = flowList(args);
      return connection(await listFlows(db, filter, order, page), order, () => countFlows(db, filter));
    },
  }),
}));
