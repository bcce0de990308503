// A/B tests in the API, of steps and of campaigns.

import { builder } from "../graphql/builder.ts";
import type { VariantResult } from "./variant-results.ts";
import type { Variant } from "./variants.ts";

export const MessageVariant = builder.objectRef<Variant>("MessageVariant").implement({
  description: "A text that stands in for a message's own for a share of the leads. Who gets which hangs on the lead and the message alone.",
  fields: (t) => ({
    name: t.exposeString("name"),
    share: t.exposeInt("share", { description: "Percent of the leads. What all variants leave gets the message's own text." }),
    text: t.exposeString("text"),
  }),
});

export const MessageVariantInput = builder.inputType("MessageVariantInput", {
  fields: (t) => ({
    name: t.string({ required: true, description: "What its results are counted under; unique in its message." }),
    share: t.int({ required: true, description: "Percent of the leads, 1 to 100. What all variants leave gets the message's own text." }),
    text: t.string({ required: true }),
  }),
});

export const MessageVariantResult = builder.objectRef<VariantResult>("MessageVariantResult").implement({
  fields: (t) => ({
    variant: t.exposeString("variant", { nullable: true, description: "Null for the message's own text." }),
    sent: t.exposeInt("sent"),
    failed: t.exposeInt("failed"),
    delivered: t.exposeInt("delivered"),
    read: t.exposeInt("read"),
    replied: t.exposeInt("replied", { description: "Wrote back within 7 days." }),
    optedOut: t.exposeInt("optedOut", { description: "Opted out within 7 days." }),
  }),
});
