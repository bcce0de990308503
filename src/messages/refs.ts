// A/B tests in the API, of steps and of campaigns.

import { builder } from "../graphql/builder.ts";
import type { VariantResult } from "./variant-results.ts";
import type { Variant } from "./variants.ts";

export const MessageVariant = builder.objectRef<Variant>("MessageVariant").implement({
  description: "A text that stands in for a message's own for a share of the leads. Who gets which hangs on the lead and the message alone.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "What its results are counted under." }),
    share: t.exposeInt("share", { description: "Percent of the leads. What all variants leave gets the message's own text." }),
    text: t.exposeString("text", { description: "A template, as the message's own text is." }),
  }),
});

export const MessageVariantInput = builder.inputType("MessageVariantInput", {
  description: "A text that stands in for a message's own for a share of the leads.",
  fields: (t) => ({
    name: t.string({ required: true, description: "What its results are counted under; unique in its message." }),
    share: t.int({ required: true, description: "Percent of the leads, 1 to 100. What all variants leave gets the message's own text." }),
    text: t.string({ required: true }),
  }),
});

export const MessageVariantResult = builder.objectRef<VariantResult>("MessageVariantResult").implement({
  description: "What became of one text of a message that has several.",
  fields: (t) => ({
    variant: t.exposeString("variant", { nullable: true, description: "Null for the message's own text." }),
    sent: t.exposeInt("sent", { description: "Messages that were sent." }),
    failed: t.exposeInt("failed", { description: "Messages that were attempted, and failed." }),
    delivered: t.exposeInt("delivered", { description: "Messages that reached the recipient's phone, as far as WhatsApp has told." }),
    read: t.exposeInt("read", { description: "Messages that were read, as far as the recipients let WhatsApp tell." }),
    replied: t.exposeInt("replied", { description: "Wrote back within 7 days." }),
    optedOut: t.exposeInt("optedOut", { description: "Opted out within 7 days." }),
  }),
});
