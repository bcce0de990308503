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
  values: {
    ACTIVE: { description: "Waits to be due, and then for a device." },
    PROCESSING: { description: "Attempted by a device, and not settled yet." },
    SENT: {},
    FAILED: {},
    SKIPPED: { description: "Not sent because a rule said no: opted out, stopped on reply, …" },
    CANCELLED: {},
  } as const,
});

export const FlowFailureCodeEnum = builder.enumType("FlowFailureCode", {
  values: {
    NO_DEVICE: {},
    DEVICE_DISCONNECTED: {},
    DEVICE_RESTRICTED: { description: "WhatsApp restricts the device to people who have written to it, and this one has not." },
    NOT_ON_WHATSAPP: {},
    REJECTED: {},
    TEMPLATE_ERROR: {},
    OUTCOME_UNKNOWN: { description: "Attempted, and then nothing was heard for 5 minutes. A later acknowledgement corrects it to SENT." },
    DEADLINE_MISSED: { description: "Surely not sent: it could not be written within the send deadline." },
    RATE_LIMITED: { description: "Surely not sent: WhatsApp asked the device to send less." },
    MEDIA_ERROR: { description: "Surely not sent: its media could not be brought to where the recipient would fetch it." },
  } as const,
});

export const FlowFilterInput = builder.inputType("FlowFilter", {
  fields: (t) => ({
    status: t.field({ type: [FlowStatusEnum] }),
    failureCode: t.field({ type: [FlowFailureCodeEnum] }),
    sequenceId: t.globalID({ for: [SequenceRef] }),
    campaignId: t.globalID({ for: [CampaignRef] }),
    deviceId: t.globalID({ for: [DeviceRef] }),
    leadId: t.globalID({ for: [LeadRef] }),
    enrollmentId: t.globalID({ for: [EnrollmentRef] }),
    stepId: t.globalID({ for: [SequenceStepRef] }),
    dueAfter: t.field({ type: "DateTime" }),
    dueBefore: t.field({ type: "DateTime" }),
    sentAfter: t.field({ type: "DateTime" }),
    failedAfter: t.field({ type: "DateTime" }),
    attemptedBefore: t.field({ type: "DateTime" }),
  }),
});

const FlowOrderFieldEnum = builder.enumType("FlowOrderField", { values: ["CREATED_AT", "DUE_AT", "SENT_AT", "FAILED_AT"] as const });

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
