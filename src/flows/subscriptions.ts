import { CampaignRef } from "../campaigns/refs.ts";
import { DeviceRef, DeviceStatusEnum } from "../devices/refs.ts";
import type { DeviceStatus } from "../devices/service.ts";
import { FLOW_EVENT_TYPES, type FlowEventType, type LoggedEvent } from "../events/types.ts";
import { builder } from "../graphql/builder.ts";
import { followEvents } from "../graphql/follow-events.ts";
import type { ApiContext } from "../graphql/context.ts";
import { describedEnum } from "../graphql/described-enum.ts";
import { SequenceRef } from "../sequences/refs.ts";
import { FlowRef } from "./refs.ts";

const FlowEventTypeEnum = describedEnum("FlowEventType", "What happened to a flow.", FLOW_EVENT_TYPES, {
  FLOW_ACTIVATED: "It came into being, and waits to be due.",
  FLOW_SENT: "WhatsApp took it; or it turned out so after it had been taken for failed (OUTCOME_UNKNOWN).",
  FLOW_DELIVERED: "It reached the recipient's phone.",
  FLOW_READ: "It was read.",
  FLOW_FAILED: "It could not be sent, or nobody knows whether it was.",
  FLOW_SKIPPED: "A rule said no.",
  FLOW_CANCELLED: "It was cancelled, by an operator or because it was of no use any more.",
});

type FlowEvent = LoggedEvent & { readonly type: FlowEventType; readonly flowId: string };
type DeviceEvent = LoggedEvent & { readonly deviceId: string };

const FlowEventObject = builder.objectRef<FlowEvent>("FlowEvent").implement({
  description: "A flow came into being, was sent, failed, or went on in another way.",
  fields: (t) => ({
    cursor: t.expose("cursor", { type: "Cursor", description: "Pass it as `after` to go on from here." }),
    type: t.expose("type", { type: FlowEventTypeEnum, description: "What happened to it." }),
    at: t.expose("at", { type: "DateTime", description: "When it happened." }),
    flow: t.field({ type: FlowRef, description: "The flow as it is now, which may be further than it was then.", resolve: ({ flowId }) => flowId }),
  }),
});

const DeviceEventObject = builder.objectRef<DeviceEvent>("DeviceEvent").implement({
  description: "A device came, went, or was restricted: its status changed.",
  fields: (t) => ({
    cursor: t.expose("cursor", { type: "Cursor", description: "Pass it as `after` to go on from here." }),
    at: t.expose("at", { type: "DateTime", description: "When its status changed." }),
    status: t.field({ type: DeviceStatusEnum, description: "What it was then.", resolve: ({ status }) => status as DeviceStatus }),
    previousStatus: t.field({ type: DeviceStatusEnum, description: "What it was before.", resolve: ({ previousStatus }) => previousStatus as DeviceStatus }),
    reason: t.exposeString("reason", { nullable: true, description: "Why, in words an operator can act on, where that is known." }),
    deviceId: t.globalID({ description: "The device's id, also where it was deleted since.", resolve: ({ deviceId }) => ({ type: DeviceRef, id: deviceId }) }),
    device: t.field({ type: DeviceRef, nullable: true, description: "Null once it is deleted.", resolve: ({ deviceId }) => deviceId }),
  }),
});

type Id = { readonly id: string } | null | undefined;
type FlowEventArgs = { readonly after?: string | null | undefined; readonly sequenceId?: Id; readonly campaignId?: Id; readonly deviceId?: Id };

const isFlowEvent = (event: LoggedEvent): event is FlowEvent => event.flowId !== null;
const isDeviceEvent = (event: LoggedEvent): event is DeviceEvent => event.type === "DEVICE_STATUS" && event.deviceId !== null;

const followFlows = (context: ApiContext, types: readonly FlowEventType[], { after, sequenceId, campaignId, deviceId }: FlowEventArgs) =>
  followEvents(
    context,
    after,
    (event): event is FlowEvent =>
      isFlowEvent(event) &&
      types.includes(event.type) &&
      (!sequenceId || event.sequenceId === sequenceId.id) &&
      (!campaignId || event.campaignId === campaignId.id) &&
      (!deviceId || event.deviceId === deviceId.id),
  );

builder.subscriptionFields((t) => {
  const args = {
    after: t.arg({ type: "Cursor" }),
    sequenceId: t.arg.globalID({ for: SequenceRef, description: "Only of this sequence." }),
    campaignId: t.arg.globalID({ for: CampaignRef, description: "Only of this campaign, its tests included." }),
    deviceId: t.arg.globalID({ for: DeviceRef, description: "Only what this device has attempted." }),
  };
  return {
    flowEvents: t.field({
      type: FlowEventObject,
      description: "Every change of a flow's state.",
      args: { ...args, types: t.arg({ type: [FlowEventTypeEnum], description: "Only events of these types; of all where it is left out." }) },
      subscribe: (_root, { types, ...rest }, context) => followFlows(context, types ?? FLOW_EVENT_TYPES, rest),
      resolve: (event) => event,
    }),
    flowSent: t.field({
      type: FlowEventObject,
      description: "Every message that was sent, also where it had been taken for failed.",
      args,
      subscribe: (_root, given, context) => followFlows(context, ["FLOW_SENT"], given),
      resolve: (event) => event,
    }),
    flowFailed: t.field({
      type: FlowEventObject,
      description: "Every message that failed. One with OUTCOME_UNKNOWN may still turn out to be sent: flowSent tells of that.",
      args,
      subscribe: (_root, given, context) => followFlows(context, ["FLOW_FAILED"], given),
      resolve: (event) => event,
    }),
    deviceEvents: t.field({
      type: DeviceEventObject,
      description: "Every change of a device's status.",
      args: { after: t.arg({ type: "Cursor" }), deviceId: t.arg.globalID({ for: DeviceRef, description: "Only of this device." }) },
      subscribe: (_root, { after, deviceId }, context) =>
        followEvents(context, after, (event): event is DeviceEvent => isDeviceEvent(event) && (!deviceId || event.deviceId === deviceId.id)),
      resolve: (event) => event,
    }),
  };
});
