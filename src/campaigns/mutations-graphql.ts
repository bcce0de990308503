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
  description: "A campaign to be made, as a draft.",
  fields: (t) => ({
    name: t.string({ required: true }),
    text: t.string({ required: true, description: "With media its caption, which may be empty." }),
    media: t.field({ type: MediaInputType, description: "Sent with the text." }),
    variants: t.field({ type: [MessageVariantInput], required: true, defaultValue: [], description: "Texts that stand in for the campaign's own, each for a share of the leads. At most 10." }),
    audience: t.field({ type: LeadFilterInput, required: true, description: "Who it goes to; counted and fixed at launch." }),
    startAt: t.field({ type: "DateTime", description: "When it is to begin, once it is launched; as soon as it is launched where it is left out." }),
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
    audience: t.field({ type: LeadFilterInput, description: "Who it goes to. Only of a draft: the launch fixes it." }),
    startAt: t.field({
      type: "DateTime",
      description: "When it is to begin, once it is launched. Null: as soon as it is launched, or now where it was launched already.",
    }),
    minDelaySeconds: t.int(),
    maxDelaySeconds: t.int(),
    greeting: t.boolean(),
    visibleVariation: t.boolean(),
  }),
});

const CampaignPayload = payloadType<string>("CampaignPayload", (t) => ({
  campaign: t.field({ type: CampaignRef, nullable: true, description: "The campaign as it is now. Null where the call was refused.", resolve: ({ value }) => value }),
}));

const DeleteCampaignPayload = payloadType<string>("DeleteCampaignPayload", (t) => ({
  deletedCampaignId: t.globalID({
    nullable: true,
    description: "The id that it had. Null where the call was refused.",
    resolve: ({ value }) => (value === null ? null : { type: CampaignRef, id: value }),
  }),
}));

const TestCampaignPayload = payloadType<string>("TestCampaignPayload", (t) => ({
  flow: t.field({ type: FlowRef, nullable: true, description: "The test message. Null where the call was refused.", resolve: ({ value }) => value }),
}));

builder.mutationFields((t) => {
  const ofCampaign = { id: t.arg.globalID({ required: true, for: CampaignRef }) };
  return {
    createCampaign: t.field({
      type: CampaignPayload,
      description: "Makes a campaign as a draft: nothing is sent before launchCampaign.",
      args: { input: t.arg({ type: CreateCampaignInput, required: true }) },
      resolve: (_root, { input }, context) => payload(withMedia(context, { ...input, media: mediaInput(input.media) }, (given) => createCampaign(context, { ...given, audience: leadFilterOf(input.audience) }))),
    }),
    updateCampaign: t.field({
      type: CampaignPayload,
      description: "Changes a draft, or what is scheduled, but for its audience then, which was fixed at the launch. What is left out stays as it is.",
      args: { input: t.arg({ type: UpdateCampaignInput, required: true }) },
      resolve: (_root, { input: { id, audience, ...change } }, context) =>
        payload(
          withMedia(context, { ...change, media: mediaInput(change.media) }, (given) => updateCampaign(context, id.id, { ...given, audience: audience && leadFilterOf(audience) })),
        ),
    }),
    deleteCampaign: t.field({
      type: DeleteCampaignPayload,
      description: "Removes a draft, for good. Its tests that still wait are cancelled. What was launched cannot be deleted.",
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
      description: "Holds everything of a scheduled or running campaign that is not attempted yet, at once. resumeCampaign takes it back.",
      args: ofCampaign,
      resolve: (_root, { id }, context) => payload(pauseCampaign(context, id.id)),
    }),
    resumeCampaign: t.field({
      type: CampaignPayload,
      description: "Lets a paused campaign go on; it is scheduled again where its time has not come.",
      args: ofCampaign,
      resolve: (_root, { id }, context) => payload(resumeCampaign(context, id.id)),
    }),
    cancelCampaign: t.field({
      type: CampaignPayload,
      description: "Ends a campaign that is scheduled, running or paused, for good. Nothing of it is attempted from now on; what is being sent just then still goes out.",
      args: ofCampaign,
      resolve: (_root, { id }, context) => payload(cancelCampaign(context, id.id)),
    }),
    testCampaign: t.field({
      type: TestCampaignPayload,
      description:
        "Sends the campaign's message to one lead first, found by `phone` or `leadId`: with every limit and opt-out, marked as a test, and in none of its counts.",
      args: {
        ...ofCampaign,
        phone: t.arg({ type: "PhoneNumber", description: "To the lead with this number; or give leadId." }),
        leadId: t.arg.globalID({ for: LeadRef, description: "To this lead; or give phone." }),
        idempotencyKey: t.arg.string(),
      },
      resolve: (_root, { id, leadId, ...call }, context) => payload(testCampaign(context, id.id, { ...call, leadId: leadId?.id })),
    }),
  };
});
