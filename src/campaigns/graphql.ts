import { flowsOfCampaign, FlowConnection, FlowFilterInput, FlowOrderInput } from "../flows/refs.ts";
import { builder } from "../graphql/builder.ts";
import { connection, connectionType, pageOf } from "../graphql/connections.ts";
import { describedEnum } from "../graphql/described-enum.ts";
import { badUserInput } from "../graphql/errors.ts";
import { perRequest } from "../graphql/loaders.ts";
import { MediaRef } from "../media/refs.ts";
import { MessageVariant, MessageVariantResult } from "../messages/refs.ts";
import { type VariantResult, variantResults } from "../messages/variant-results.ts";
import { shownAudience } from "./audience.ts";
import { estimatedFinishes } from "./capacity.ts";
import { followCampaign } from "./progress.ts";
import { CAMPAIGN_ORDER, campaignsById, campaignTotals, countCampaigns, listCampaigns, type CampaignTotals } from "./read.ts";
import { CampaignRef } from "./refs.ts";
import { CAMPAIGN_STATUSES, type CampaignStatus } from "./states.ts";

const CampaignStatusEnum = describedEnum("CampaignStatus", "Where a campaign is in its life.", CAMPAIGN_STATUSES, {
  DRAFT: "Not launched yet: it can be changed, tried and deleted.",
  SCHEDULED: "Launched, with its audience fixed; it begins by itself at startAt.",
  RUNNING: "It sends, as devices can take it.",
  PAUSED: "Held by an operator until resumeCampaign.",
  COMPLETED: "Nobody of its audience waits any more. A retry of one of its messages makes it RUNNING again.",
  CANCELLED: "Ended by an operator, for good.",
});

const totalsOf = perRequest<string, CampaignTotals>((ids, { db }) => campaignTotals(db, ids));
const resultsOf = perRequest<string, VariantResult[]>((ids, { db }) => variantResults(db, "campaign", ids));
const finishOf = perRequest<string, Date | null>((ids, { db }) => estimatedFinishes(db, ids));

type Progress = CampaignTotals & { readonly campaignId: string };

const CampaignProgress = builder.objectRef<Progress>("CampaignProgress").implement({
  description: "Where the leads of the audience stand: each of them is in one of the counts. Of a lead that was tried again, the last try counts.",
  fields: (t) => ({
    total: t.exposeInt("total", { description: "The audience, counted when it was launched." }),
    waiting: t.exposeInt("waiting", { description: "Their message is still to come, or is being attempted." }),
    sent: t.exposeInt("sent", { description: "Their message was sent." }),
    failed: t.exposeInt("failed", { description: "Their message could not be sent, or nobody knows whether it was (OUTCOME_UNKNOWN)." }),
    skipped: t.exposeInt("skipped", { description: "Left out by a rule after the launch: they opted out, were erased, or lack a consent that is required." }),
    cancelled: t.exposeInt("cancelled", { description: "Their message was cancelled by an operator, or the campaign was before it came to them." }),
    percent: t.float({
      description: "Of the audience, how many do not wait any more, 0 to 100.",
      resolve: ({ total, waiting }) => (total === 0 ? 0 : (100 * (total - waiting)) / total),
    }),
    estimatedFinishAt: t.field({
      type: "DateTime",
      nullable: true,
      description: "When it will be done at the present devices' limits and pace.",
      resolve: ({ campaignId }, _args, context) => finishOf(context).load(campaignId),
    }),
  }),
});

CampaignRef.implement({
  description: "One message to an audience, once.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "What it is called." }),
    status: t.field({ type: CampaignStatusEnum, description: "Where it is in its life.", resolve: ({ status }) => status as CampaignStatus }),
    text: t.exposeString("messageText", {
      description: "Its own text, as a template: {{name}} is filled in, and one of {Hi|Hello} chosen. Empty where its media go without one.",
    }),
    media: t.field({ type: MediaRef, nullable: true, description: "Sent with the text, which is its caption.", resolve: ({ mediaId }) => mediaId }),
    variants: t.field({ type: [MessageVariant], resolve: ({ variants }) => [...variants] }),
    variantResults: t.field({
      type: [MessageVariantResult],
      description: "What became of each variant that something was attempted of, the campaign's own text first; without test messages.",
      resolve: ({ id }, _args, context) => resultsOf(context).load(id),
    }),
    audience: t.field({ type: "JSONObject", description: "The filter it was made with.", resolve: ({ audience }) => shownAudience(audience) }),
    startAt: t.expose("startAt", { type: "DateTime", nullable: true, description: "When it is to begin, once it is launched. Null: as soon as it is launched." }),
    minDelaySeconds: t.exposeInt("minDelaySeconds"),
    maxDelaySeconds: t.exposeInt("maxDelaySeconds"),
    greeting: t.exposeBoolean("greeting"),
    visibleVariation: t.exposeBoolean("visibleVariation"),
    progress: t.field({
      type: CampaignProgress,
      description: "How far it is.",
      resolve: async ({ id }, _args, context) => ({ ...(await totalsOf(context).load(id)), campaignId: id }),
    }),
    flows: t.field({
      type: FlowConnection,
      description: "Its messages that have been put into the queue so far, tests among them (isTest): the rest of the audience follows as devices can take it.",
      args: {
        ...t.arg.connectionArgs(),
        filter: t.arg({ type: FlowFilterInput }),
        orderBy: t.arg({ type: FlowOrderInput, description: "The list's order; the newest first where it is left out." }),
      },
      resolve: ({ id }, args, context) => flowsOfCampaign(context, id, args),
    }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
    startedAt: t.expose("startedAt", { type: "DateTime", nullable: true, description: "When it began to send. Null where it has not." }),
    finishedAt: t.expose("finishedAt", { type: "DateTime", nullable: true, description: "When its last message had ended, sent or not. Null until then." }),
  }),
});

const CampaignConnection = connectionType("Campaign", CampaignRef, "exactly");

builder.queryFields((t) => ({
  campaign: t.field({
    type: CampaignRef,
    nullable: true,
    description: "The campaign with this id. Null where there is none.",
    args: { id: t.arg.globalID({ required: true, for: CampaignRef }) },
    resolve: (_root, { id }) => id.id,
  }),
  campaigns: t.field({
    type: CampaignConnection,
    description: "The workspace's campaigns, the newest first.",
    args: { ...t.arg.connectionArgs(), status: t.arg({ type: [CampaignStatusEnum], description: "Only those in one of these states." }) },
    resolve: async (_root, { status, ...args }, { db }) =>
      connection(await listCampaigns(db, status, pageOf(args, CAMPAIGN_ORDER)), CAMPAIGN_ORDER, () => countCampaigns(db, status)),
  }),
}));

builder.subscriptionField("campaignProgress", (t) =>
  t.field({
    type: CampaignRef,
    description: "The campaign as it is now, then as it goes on, at most once a second; ends when it is over.",
    args: { id: t.arg.globalID({ required: true, for: CampaignRef }) },
    subscribe: async (_root, { id }, { db, watch, signal }) => {
      const [found] = await campaignsById(db, [id.id]);
      if (!found) throw badUserInput(`There is no campaign Campaign:${id.id}; the query campaigns lists them.`);
      return followCampaign(watch, db, id.id, signal);
    },
    resolve: (campaign) => campaign,
  }),
);
