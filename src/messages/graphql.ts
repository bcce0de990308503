import { randomUUID } from "node:crypto";
import { builder } from "../graphql/builder.ts";
import { badUserInput } from "../graphql/errors.ts";
import { LeadRef } from "../leads/refs.ts";
import { SequenceRef } from "../sequences/refs.ts";
import { loadStyle } from "./preview.ts";
import { previewTemplate, type TemplateLead } from "./render.ts";

type Preview = { readonly text: string; readonly variants: number; readonly missing: readonly string[] };

const MessagePreview = builder.objectRef<Preview>("MessagePreview").implement({
  description: "A message as it would be sent.",
  fields: (t) => ({
    text: t.exposeString("text", { description: "The text, with the greeting where there is one." }),
    variants: t.exposeFloat("variants", { description: "How many different texts the template can give." }),
    missing: t.stringList({ description: "Placeholders that the lead has no value for.", resolve: ({ missing }) => [...missing] }),
  }),
});

const NOBODY: TemplateLead = { name: null, phone: "", niche: null, attributes: {} };

builder.queryField("previewMessage", (t) =>
  t.field({
    type: MessagePreview,
    description: "Renders a template as it would be sent to that lead, without sending it.",
    args: {
      text: t.arg.string({ required: true, description: "The template, of at most 4,096 characters." }),
      leadId: t.arg.globalID({
        for: LeadRef,
        description: "To whom it would be sent. Nobody in particular where it is left out: then its placeholders have no values.",
      }),
      seed: t.arg.string({ description: "A flow's id, for the text that this flow will have. Each preview without one is another draw." }),
      sequenceId: t.arg.globalID({ for: SequenceRef, description: "As one of its messages: in its time zone, greeted and varied as it is set." }),
      greeting: t.arg.boolean({ description: "The sequence's where it is left out; without one: false." }),
      visibleVariation: t.arg.boolean({ description: "The sequence's where it is left out; without one: false." }),
      at: t.arg({ type: "DateTime", description: "When it would be sent: the greeting depends on it. Now where it is left out." }),
    },
    resolve: async (_root, { text, leadId, seed, sequenceId, greeting = null, visibleVariation = null, at = null }, context) => {
      // The loaders say null for what is not there.
      const lead: TemplateLead | null = leadId ? await LeadRef.getDataloader(context).load(leadId.id) : NOBODY;
      if (!lead) throw badUserInput(`There is no lead with the id Lead:${leadId?.id}.`);
      if (sequenceId && !(await SequenceRef.getDataloader(context).load(sequenceId.id))) {
        throw badUserInput(`There is no sequence with the id Sequence:${sequenceId.id}.`);
      }
      const style = await loadStyle(context.db, { sequenceId: sequenceId?.id ?? null, leadId: leadId?.id ?? null, greeting, isVaried: visibleVariation, at });
      const preview = previewTemplate(text, lead, seed?.replace(/^Flow:/, "") ?? randomUUID(), style);
      if ("error" in preview) throw badUserInput(preview.error);
      return preview;
    },
  }),
);
