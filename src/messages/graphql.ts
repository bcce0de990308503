import { randomUUID } from "node:crypto";
import { builder } from "../graphql/builder.ts";
import { badUserInput } from "../graphql/errors.ts";
import { LeadRef } from "../leads/refs.ts";
import { previewTemplate, type TemplateLead } from "./render.ts";

type Preview = { readonly text: string; readonly variants: number; readonly missing: readonly string[] };

const MessagePreview = builder.objectRef<Preview>("MessagePreview").implement({
  fields: (t) => ({
    text: t.exposeString("text"),
    variants: t.exposeFloat("variants", { description: "How many different texts the template can give." }),
    missing: t.stringList({ description: "Placeholders that the lead has no value for.", resolve: ({ missing }) => [...missing] }),
  }),
});

const NOBODY: TemplateLead = { name: null, phone: "", niche: null, attributes: {} };

builder.queryField("previewMessage", (t) =>
  t.field({
    type: MessagePreview,
    description: "Renders a template as it would be sent to that lead, without sending it.",
    args: { text: t.arg.string({ required: true }), leadId: t.arg.globalID({ for: LeadRef }), seed: t.arg.string() },
    resolve: async (_root, { text, leadId, seed }, context) => {
      // The loader says null for a lead that is not there.
      const lead: TemplateLead | null = leadId ? await LeadRef.getDataloader(context).load(leadId.id) : NOBODY;
      if (!lead) throw badUserInput(`There is no lead with the id Lead:${leadId?.id}.`);
      const preview = previewTemplate(text, lead, seed ?? randomUUID());
      if ("error" in preview) throw badUserInput(preview.error);
      return preview;
    },
  }),
);
