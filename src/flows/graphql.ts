import { DeviceRef } from "../devices/refs.ts";
import { builder } from "../graphql/builder.ts";
import { connection } from "../graphql/connections.ts";
import { perRequest } from "../graphql/loaders.ts";
import { LeadRef } from "../leads/refs.ts";
import { EnrollmentRef, SequenceRef, SequenceStepRef } from "../sequences/refs.ts";
import { FlowConnection, FlowFailureCodeEnum, FlowFilterInput, flowList, FlowOrderInput, FlowRef, FlowStatusEnum } from "./refs.ts";
import { countFlows, deviceRoom, isWaiting, listFlows } from "./service.ts";
import { FLOW_SKIP_REASONS, type FlowFailureCode, type FlowSkipReason, type FlowStatus } from "./states.ts";
import { flowWaits, type FlowWait } from "./waiting.ts";

const FlowSkipReasonEnum = builder.enumType("FlowSkipReason", { values: FLOW_SKIP_REASONS });

const FlowFailure = builder.objectRef<{ readonly code: FlowFailureCode; readonly message: string }>("FlowFailure").implement({
  fields: (t) => ({ code: t.expose("code", { type: FlowFailureCodeEnum }), message: t.exposeString("message") }),
});

const FlowWaitReason = builder.enumType("FlowWaitReason", {
  values: {
    NOT_DUE: {},
    SEQUENCE_PAUSED: {},
    ENROLLMENT_PAUSED: {},
    NO_DEVICE_ONLINE: {},
    DEVICE_LIMITS: {},
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

/** One answer for all flows of the request. */
const roomOf = perRequest<"room", Awaited<ReturnType<typeof deviceRoom>>>(async (keys, { db }) => {
  const room = await deviceRoom(db);
  return keys.map(() => room);
});

FlowRef.implement({
  description: "One message to one lead: a step of a sequence, or a campaign's. It is attempted at most once.",
  fields: (t) => ({
    lead: t.field({ type: LeadRef, nullable: true, description: "Null once the lead is erased.", resolve: ({ leadId }) => leadId }),
    sequence: t.field({ type: SequenceRef, nullable: true, resolve: ({ sequenceId }) => sequenceId }),
    step: t.field({ type: SequenceStepRef, nullable: true, resolve: ({ stepId }) => stepId }),
    enrollment: t.field({ type: EnrollmentRef, nullable: true, resolve: ({ enrollmentId }) => enrollmentId }),
    status: t.field({ type: FlowStatusEnum, resolve: ({ status }) => status as FlowStatus }),
    dueAt: t.expose("wallDueAt", { type: "DateTime" }),
    device: t.field({
      type: DeviceRef,
      nullable: true,
      description: "The device that attempted it, or is about to.",
      resolve: ({ deviceId, boundDeviceId }) => deviceId ?? boundDeviceId,
    }),
    text: t.exposeString("text", { nullable: true, description: "The text as it was sent." }),
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
    waitingFor: t.field({
      type: [FlowWaitType],
      description: "Every gate that now keeps it from being sent, with the time it opens. Empty once it is settled.",
      resolve: async (flow, _args, context) => {
        if (!isWaiting(flow)) return [];
        const [sequence, enrollment, { now, ...devices }] = await Promise.all([
          SequenceRef.getDataloader(context).load(flow.sequenceId),
          EnrollmentRef.getDataloader(context).load(flow.enrollmentId),
          roomOf(context).load("room"),
        ]);
        // Loaders say null for a row that is gone.
        const [sequenceStatus, enrollmentStatus] = [sequence, enrollment].map((row: { status: string } | null) => row?.status ?? null);
        return flowWaits({
          now,
          dueAt: flow.wallDueAt,
          isWaiting: true,
          sequenceStatus: sequenceStatus ?? null,
          enrollmentStatus: enrollmentStatus ?? null,
          devices,
        });
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
