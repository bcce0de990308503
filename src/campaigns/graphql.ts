import { flowsOfCampaign, FlowConnection, FlowFilterInput, FlowOrderInput } from "../flows/refs.ts";
import { builder } from "../graphql/builder.ts";
import { connection, connectionType, pageOf } from "../graphql/connections.ts";
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

const CampaignStatusEnum = builder.enumType("CampaignStatus", { values: CAMPAIGN_STATUSES });

const totalsOf = perRequest<string, CampaignTotals>((ids, { db }) => campaignTotals(db, ids));
const resultsOf = perRequest<string, VariantResult[]>((ids, { db }) => variantResults(db, "campaign", ids));
const finishOf = perRequest<string, Date | null>((ids, { db }) => estimatedFinishes(db, ids));

type Progress = CampaignTotals & { readonly campaignId: string };

const CampaignProgress = builder.objectRef<Progress>("CampaignProgress").implement({
  description: "Where the leads of the audience stand: each of them is in one of the counts. Of a lead that was tried again, the last try counts.",
  fields: (t) => ({
    total: t.exposeInt("total", { description: "The audience, counted when it was launched." }),
    waiting: t.exposeInt("waiting"),
    sent: t.exposeInt("sent"),
    failed: t.exposeInt("failed"),
    skipped: t.exposeInt("skipped"),
    cancelled: t.exposeInt("cancelled"),
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
    name: t.exposeString("name"),
    status: t.field({ type: CampaignStatusEnum, resolve: ({ status }) => status as CampaignStatus }),
    text: t.exposeString("messageText"),
    media: t.field({ type: MediaRef, nullable: true, description: "Sent with the text, which is its caption.", resolve: ({ mediaId }) => mediaId }),
    variants: t.field({ type: [MessageVariant], resolve: ({ variants }) => [...variants] }),
    variantResults: t.field({
      type: [MessageVariantResult],
      description: "What became of each variant that something was attempted of, the campaign's own text first; without test messages.",
      resolve: ({ id }, _args, context) => resultsOf(context).load(id),
    }),
    audience: t.field({ type: "JSONObject", description: "The filter it was made with.", resolve: ({ audience }) => shownAudience(audience) }),
    startAt: t.expose("startAt", { type: "DateTime", nullable: true }),
    minDelaySeconds: t.exposeInt("minDelaySeconds"),
    maxDelaySeconds: t.exposeInt("maxDelaySeconds"),
    greeting: t.exposeBoolean("greeting"),
    visibleVariation: t.exposeBoolean("visibleVariation"),
    progress: t.field({
      type: CampaignProgress,
      resolve: async ({ id }, _args, context) => ({ ...(await totalsOf(context).load(id)), campaignId: id }),
    }),
    flows: t.field({
      type: FlowConnection,
      args: { ...t.arg.connectionArgs(), filter: t.arg({ type: FlowFilterInput }), orderBy: t.arg({ type: FlowOrderInput }) },
      resolve: ({ id }, args, context) => flowsOfCampaign(context, id, args),
    }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
    startedAt: t.expose("startedAt", { type: "DateTime", nullable: true }),
    finishedAt: t.expose("finishedAt", { type: "DateTime", nullable: true }),
  }),
});

const CampaignConnection = connectionType("Campaign", CampaignRef, "exactly");

builder.queryFields((t) => ({
  campaign: t.field({
    type: CampaignRef,
    nullable: true,
    args: { id: t.arg.globalID({ required: true, for: CampaignRef }) },
    resolve: (_root, { id }) => id.id,
  }),
  campaigns: t.field({
    type: CampaignConnection,
    args: { ...t.arg.connectionArgs(), status: t.arg({ type: [CampaignStatusEnum] }) },
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
