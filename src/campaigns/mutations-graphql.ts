import { FlowRef } from "../flows/refs.ts";
import { builder } from "../graphql/builder.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { LeadFilterInput, leadFilterOf, LeadRef } from "../leads/refs.ts";
import { mediaInput, MediaInputType } from "../media/refs.ts";
import { withMedia } from "../media/resolve.ts";
import { cancelCampaign, launchCampaign, pauseCampaign, resumeCampaign } from "./lifecycle.ts";
import { MessageVariantInput } from "../messages/refs.ts";
import { CampaignRef } from "./refs.ts";
import { createCampaign, deleteCampaign, updateCampaign } from "./service.ts";
import { testCampaign } from "./test-send.ts";

const CreateCampaignInput = builder.inputType("CreateCampaignInput", {
  fields: (t) => ({
    name: t.string({ required: true }),
    text: t.string({ required: true, description: "With media its caption, which may be empty." }),
    media: t.field({ type: MediaInputType, description: "Sent with the text." }),
    variants: t.field({ type: [MessageVariantInput], required: true, defaultValue: [], description: "Texts that stand in for the campaign's own, each for a share of the leads. At most 10." }),
    audience: t.field({ type: LeadFilterInput, required: true, description: "Who it goes to; counted and fixed at launch." }),
    startAt: t.field({ type: "DateTime" }),
    minDelaySeconds: t.int({ required: true, defaultValue: 5 }),
    maxDelaySeconds: t.int({ required: true, defaultValue: 15 }),
    greeting: t.boolean({ required: true, defaultValue: false }),
    visibleVariation: t.boolean({ required: true, defaultValue: false }),
    idempotencyKey: t.string(),
  }),
});

const UpdateCampaignInput = builder.inputType("UpdateCampaignInput", {
  description: "Only while it is a draft or scheduled.",
  fields: (t) => ({
    id: t.globalID({ required: true, for: [CampaignRef] }),
    name: t.string(),
    text: t.string(),
    media: t.field({ type: MediaInputType, description: "Null takes it away." }),
    variants: t.field({ type: [MessageVariantInput], description: "The whole list. A variant that keeps its name keeps its results." }),
    audience: t.field({ type: LeadFilterInput }),
    startAt: t.field({ type: "DateTime" }),
    minDelaySeconds: t.int(),
    maxDelaySeconds: t.int(),
    greeting: t.boolean(),
    visibleVariation: t.boolean(),
  }),
});

const CampaignPayload = payloadType<string>("CampaignPayload", (t) => ({
  campaign: t.field({ type: CampaignRef, nullable: true, resolve: ({ value }) => value }),
}));

const DeleteCampaignPayload = payloadType<string>("DeleteCampaignPayload", (t) => ({
  deletedCampaignId: t.globalID({ nullable: true, resolve: ({ value }) => (value === null ? null : { type: CampaignRef, id: value }) }),
}));

const TestCampaignPayload = payloadType<string>("TestCampaignPayload", (t) => ({
  flow: t.field({ type: FlowRef, nullable: true, resolve: ({ value }) => value }),
}));

builder.mutationFields((t) => {
  const ofCampaign = { id: t.arg.globalID({ required: true, for: CampaignRef }) };
  return {
    createCampaign: t.field({
      type: CampaignPayload,
      args: { input: t.arg({ type: CreateCampaignInput, required: true }) },
      resolve: (_root, { input }, context) => payload(withMedia(context, { ...input, media: mediaInput(input.media) }, (given) => createCampaign(context, { ...given, audience: leadFilterOf(input.audience) }))),
    }),
    updateCampaign: t.field({
      type: CampaignPayload,
      args: { input: t.arg({ type: UpdateCampaignInput, required: true }) },
      resolve: (_root, { input: { id, audience, ...change } }, context) =>
        payload(
          withMedia(context, { ...change, media: mediaInput(change.media) }, (given) => updateCampaign(context, id.id, { ...given, audience: audience && leadFilterOf(audience) })),
        ),
    }),
    deleteCampaign: t.field({
      type: DeleteCampaignPayload,
      description: "Drafts only.",
      args: ofCampaign,
      resolve: (_root, { id }, context) => payload(deleteCampaign(context, id.id)),
    }),
    launchCampaign: t.field({
      type: CampaignPayload,
      description: "Fixes the audience now, also where startAt is later.",
      args: { ...ofCampaign, idempotencyKey: t.arg.string() },
      resolve: (_root, { id, idempotencyKey }, context) => payload(launchCampaign(context, id.id, idempotencyKey)),
    }),
    pauseCampaign: t.field({
      type: CampaignPayload,
      args: ofCampaign,
      resolve: (_root, { id }, context) => payload(pauseCampaign(context, id.id)),
    }),
    resumeCampaign: t.field({
      type: CampaignPayload,
      args: ofCampaign,
      resolve: (_root, { id }, context) => payload(resumeCampaign(context, id.id)),
    }),
    cancelCampaign: t.field({
      type: CampaignPayload,
      args: ofCampaign,
      resolve: (_root, { id }, context) => payload(cancelCampaign(context, id.id)),
    }),
    testCampaign: t.field({
      type: TestCampaignPayload,
      description:
        "Sends the campaign's message to one lead first, found by `phone` or `leadId`: with every limit and opt-out, marked as a test, and in none of its counts.",
      args: { ...ofCampaign, phone: t.arg({ type: "PhoneNumber" }), leadId: t.arg.globalID({ for: LeadRef }), idempotencyKey: t.arg.string() },
      resolve: (_root, { id, leadId, ...call }, context) => payload(testCampaign(context, id.id, { ...call, leadId: leadId?.id })),
    }),
  };
});
