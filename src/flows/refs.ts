import { CampaignRef } from "../campaigns/refs.ts";
import { DeviceRef } from "../devices/refs.ts";
import { builder } from "../graphql/builder.ts";
import { connection, connectionType, emptySlice, pageOf, type Slice } from "../graphql/connections.ts";
import type { ApiContext } from "../graphql/context.ts";
import { perParent } from "../graphql/loaders.ts";
import { nodeRef } from "../graphql/node.ts";
import { OrderDirectionEnum } from "../graphql/types.ts";
import { LeadRef } from "../leads/refs.ts";
import { EnrollmentRef, SequenceRef, SequenceStepRef } from "../sequences/refs.ts";
import { countFlows, countFlowsOfCampaigns, countFlowsOfLeads, EXACT_TO, flowOrder, flowPagesOfCampaigns, flowPagesOfLeads, flowsById, type Flow, type FlowFilter, type FlowOrderField } from "./service.ts";

export const FlowRef = nodeRef<Flow>("Flow", (ids, { db }) => flowsById(db, ids));

export const FlowConnection = connectionType("Flow", FlowRef, "estimated");

export const FlowStatusEnum = builder.enumType("FlowStatus", {
  description: "Where a flow is in its life. SENT, FAILED, SKIPPED and CANCELLED are final, but for FAILED with OUTCOME_UNKNOWN, which may still become SENT.",
  values: {
    ACTIVE: { description: "Waits to be due, and then for a device." },
    PROCESSING: { description: "Attempted by a device, and not settled yet." },
    SENT: { description: "WhatsApp took it. deliveredAt and readAt tell what became of it." },
    FAILED: { description: "Could not be sent, or nobody knows whether it was; failure says which." },
    SKIPPED: { description: "Not sent because a rule said no: opted out, stopped on reply, …" },
    CANCELLED: { description: "Not sent: cancelled by an operator, with its campaign, or because it was of no use any more." },
  } as const,
});

export const FlowFailureCodeEnum = builder.enumType("FlowFailureCode", {
  description: "Why a flow failed. It stays failed; retryFlow has it attempted again, as a new one.",
  values: {
    NO_DEVICE: { description: "Not attempted: the workspace had no device that could come back by itself, also not after the sequence's noDeviceGraceMinutes." },
    DEVICE_DISCONNECTED: { description: "Surely not sent: the device was disconnected before the message could be written." },
    DEVICE_RESTRICTED: { description: "WhatsApp restricts the device to people who have written to it, and this one has not." },
    NOT_ON_WHATSAPP: { description: "Surely not sent: the number is not on WhatsApp." },
    REJECTED: { description: "Surely not sent: WhatsApp refused it, or it could not be encrypted for this person; the message says why." },
    TEMPLATE_ERROR: { description: "Not attempted: its text could not be rendered for this lead, came out empty, or was too long." },
    OUTCOME_UNKNOWN: { description: "Attempted, and then nothing was heard for 5 minutes. A later acknowledgement corrects it to SENT." },
    DEADLINE_MISSED: { description: "Surely not sent: it could not be written within the send deadline." },
    RATE_LIMITED: { description: "Surely not sent: WhatsApp asked the device to send less." },
    MEDIA_ERROR: { description: "Surely not sent: its media could not be brought to where the recipient would fetch it." },
  } as const,
});

export const FlowFilterInput = builder.inputType("FlowFilter", {
  description: "All given conditions hold.",
  fields: (t) => ({
    status: t.field({ type: [FlowStatusEnum], description: "In one of these states." }),
    failureCode: t.field({ type: [FlowFailureCodeEnum], description: "Failed for one of these reasons." }),
    sequenceId: t.globalID({ for: [SequenceRef], description: "Of this sequence." }),
    campaignId: t.globalID({ for: [CampaignRef], description: "Of this campaign, its tests included." }),
    deviceId: t.globalID({ for: [DeviceRef], description: "Attempted by this device, or waiting for it." }),
    leadId: t.globalID({ for: [LeadRef], description: "To this lead." }),
    enrollmentId: t.globalID({ for: [EnrollmentRef], description: "Of this enrolment." }),
    stepId: t.globalID({ for: [SequenceStepRef], description: "Of this step." }),
    dueAfter: t.field({ type: "DateTime", description: "Due later than this time." }),
    dueBefore: t.field({ type: "DateTime", description: "Due before this time." }),
    sentAfter: t.field({ type: "DateTime", description: "Sent later than this time." }),
    failedAfter: t.field({ type: "DateTime", description: "Failed later than this time." }),
    attemptedBefore: t.field({ type: "DateTime", description: "Attempted before this time." }),
  }),
});

const FlowOrderFieldEnum = builder.enumType("FlowOrderField", {
  values: {
    CREATED_AT: { description: "When it was made." },
    DUE_AT: { description: "When it is due." },
    SENT_AT: { description: "When it was sent. What was not sent comes before all that was." },
    FAILED_AT: { description: "When it failed. What has not failed comes before all that has." },
  } as const,
});

export const FlowOrderInput = builder.inputType("FlowOrder", {
  fields: (t) => ({
    field: t.field({ type: FlowOrderFieldEnum, required: true }),
    direction: t.field({ type: OrderDirectionEnum, required: true }),
  }),
});

type Id = { readonly id: string } | null | undefined;
type FilterArgs = Omit<FlowFilter, "sequenceId" | "campaignId" | "deviceId" | "leadId" | "enrollmentId" | "stepId"> & {
  readonly sequenceId?: Id;
  readonly campaignId?: Id;
  readonly deviceId?: Id;
  readonly leadId?: Id;
  readonly enrollmentId?: Id;
  readonly stepId?: Id;
};

export type FlowListArgs = Parameters<typeof pageOf>[0] & {
  readonly filter?: FilterArgs | null | undefined;
  readonly orderBy?: { readonly field: FlowOrderField; readonly direction: "ASC" | "DESC" } | null | undefined;
};

/** The filter with bare ids. */
export const flowFilterOf = (given: FilterArgs | null | undefined): FlowFilter => ({
  ...given,
  sequenceId: given?.sequenceId?.id,
  campaignId: given?.campaignId?.id,
  deviceId: given?.deviceId?.id,
  leadId: given?.leadId?.id,
  enrollmentId: given?.enrollmentId?.id,
  stepId: given?.stepId?.id,
});

/** The filter with bare ids, and the order and page that the arguments ask for. */
export function flowList({ filter: given, orderBy, ...args }: FlowListArgs) {
  const filter = flowFilterOf(given);
  const order = flowOrder(orderBy?.field, orderBy?.direction === "DESC", filter);
  return { filter, order, page: pageOf(args, order) };
}

// Keyed by the arguments as given: what is made of them holds SQL.
const pagesOfLeads = perParent<FlowListArgs, Slice<string>>((ids, args, { db }) => {
  const { filter, order, page } = flowList(args);
  return flowPagesOfLeads(db, ids, filter, order, page);
}, emptySlice);

const countsOfLeads = perParent<FlowFilter, number>((ids, filter, { db }) => countFlowsOfLeads(db, ids, filter), 0);

/** `Lead.flows`, for the lead's own type to show. */
export async function flowsOfLead(context: ApiContext, leadId: string, args: FlowListArgs) {
  const { filter, order } = flowList(args);
  return connection(await pagesOfLeads(context, leadId, args), order, async () => ({
    total: await countsOfLeads(context, leadId, filter),
    isExact: true,
  }));
}

const pagesOfCampaigns = perParent<FlowListArgs, Slice<string>>((ids, args, { db }) => {
  const { filter, order, page } = flowList(args);
  return flowPagesOfCampaigns(db, ids, filter, order, page);
}, emptySlice);

const countsOfCampaigns = perParent<FlowFilter, number>((ids, filter, { db }) => countFlowsOfCampaigns(db, ids, filter), 0);

/** `Campaign.flows`. */
export async function flowsOfCampaign(context: ApiContext, campaignId: string, args: FlowListArgs) {
  const { filter, order } = flowList(args);
  return connection(await pagesOfCampaigns(context, campaignId, args), order, async () => {
    const total = await countsOfCampaigns(context, campaignId, filter);
    return total <= EXACT_TO ? { total, isExact: true } : countFlows(context.db, { ...filter, campaignId });
  });
}
