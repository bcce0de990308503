import { CampaignRef } from "../campaigns/refs.ts";
import { DeviceRef } from "../devices/refs.ts";
import { builder } from "../graphql/builder.ts";
import { connection } from "../graphql/connections.ts";
import { perRequest } from "../graphql/loaders.ts";
import { LeadRef } from "../leads/refs.ts";
import { MediaRef } from "../media/refs.ts";
import { EnrollmentRef, SequenceRef, SequenceStepRef } from "../sequences/refs.ts";
import { FlowConnection, FlowFailureCodeEnum, FlowFilterInput, flowList, FlowOrderInput, FlowRef, FlowStatusEnum } from "./refs.ts";
import { countFlows, isWaiting, listFlows } from "./service.ts";
import { flowSituations } from "./situations.ts";
import { FLOW_SKIP_REASONS, type FlowFailureCode, type FlowSkipReason, type FlowStatus } from "./states.ts";
import { flowWaits, type FlowWait, type Situation } from "./waiting.ts";

const FlowSkipReasonEnum = builder.enumType("FlowSkipReason", { values: FLOW_SKIP_REASONS });

const FlowFailure = builder.objectRef<{ readonly code: FlowFailureCode; readonly message: string }>("FlowFailure").implement({
  fields: (t) => ({ code: t.expose("code", { type: FlowFailureCodeEnum }), message: t.exposeString("message") }),
});

const FlowWaitReason = builder.enumType("FlowWaitReason", {
  values: {
    NOT_DUE: {},
    SEQUENCE_PAUSED: {},
    ENROLLMENT_PAUSED: {},
    CAMPAIGN_PAUSED: {},
    SCHEDULE_WINDOW: {},
    QUIET_HOURS: {},
    FREQUENCY_CAP: {},
    NO_DEVICE_ONLINE: {},
    DEVICE_LIMITS: {},
    DEVICE_RESTRICTED: {},
    PACE: {},
    RATE_CEILING: { description: "The workspace's hourly ceiling." },
    SYSTEM_HOLD: { description: "Sending is held (after a restore, or by a guard) until an operator confirms." },
    QUEUED: { description: "Nothing keeps it: the next cycle takes it." },
  } as const,
});

const FlowWaitType = builder.objectRef<FlowWait>("FlowWait").implement({
  fields: (t) => ({
    reason: t.expose("reason", { type: FlowWaitReason }),
    message: t.exposeString("message"),
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
    sequence: t.field({ type: SequenceRef, nullable: true, resolve: ({ sequenceId }) => sequenceId }),
    step: t.field({ type: SequenceStepRef, nullable: true, description: "Null while branches have still to decide which it is.", resolve: ({ stepId, undecided }) => (undecided ? null : stepId) }),
    enrollment: t.field({ type: EnrollmentRef, nullable: true, resolve: ({ enrollmentId }) => enrollmentId }),
    campaign: t.field({ type: CampaignRef, nullable: true, resolve: ({ campaignId }) => campaignId }),
    isTest: t.exposeBoolean("isTest", { description: "A campaign's test message: in none of its counts." }),
    status: t.field({ type: FlowStatusEnum, resolve: ({ status }) => status as FlowStatus }),
    dueAt: t.expose("wallDueAt", { type: "DateTime" }),
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
    attemptedAt: t.expose("attemptedAt", { type: "DateTime", nullable: true }),
    sentAt: t.expose("sentAt", { type: "DateTime", nullable: true }),
    deliveredAt: t.expose("deliveredAt", { type: "DateTime", nullable: true }),
    readAt: t.expose("readAt", { type: "DateTime", nullable: true }),
    failedAt: t.expose("failedAt", { type: "DateTime", nullable: true }),
    failure: t.field({
      type: FlowFailure,
      nullable: true,
      resolve: ({ failedAt, failureCode, failureMessage }) =>
        failedAt && failureCode ? { code: failureCode as FlowFailureCode, message: failureMessage ?? "" } : null,
    }),
    skipReason: t.field({ type: FlowSkipReasonEnum, nullable: true, resolve: ({ skipReason }) => skipReason as FlowSkipReason | null }),
    retryOf: t.field({
      type: FlowRef,
      nullable: true,
      description: "The failed flow that an operator had attempted again by this one.",
      resolve: ({ retryOf }) => retryOf,
    }),
    retriedAs: t.field({ type: FlowRef, nullable: true, resolve: ({ retriedAs }) => retriedAs }),
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
    args: { id: t.arg.globalID({ required: true, for: FlowRef }) },
    resolve: (_root, { id }) => id.id,
  }),
  flows: t.field({
    type: FlowConnection,
    args: { ...t.arg.connectionArgs(), filter: t.arg({ type: FlowFilterInput }), orderBy: t.arg({ type: FlowOrderInput }) },
    resolve: async (_root, args, { db }) => {
      const { filter, order, page } = flowList(args);
      return connection(await listFlows(db, filter, order, page), order, () => countFlows(db, filter));
    },
  }),
}));
