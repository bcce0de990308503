import type { LoggedEvent } from "../events/types.ts";
import { builder } from "../graphql/builder.ts";
import { followEvents } from "../graphql/follow-events.ts";
import { LeadRef } from "./refs.ts";

type LeadEvent = LoggedEvent & { readonly type: "LEAD"; readonly leadId: string };

const isLeadEvent = (event: LoggedEvent): event is LeadEvent => event.type === "LEAD" && event.leadId !== null;

const LeadEventObject = builder.objectRef<LeadEvent>("LeadEvent").implement({
  description: "A lead opted out or in.",
  fields: (t) => ({
    cursor: t.expose("cursor", { type: "Cursor", description: "Pass it as `after` to go on from here." }),
    at: t.expose("at", { type: "DateTime", description: "When it was written down." }),
    optedOut: t.boolean({ description: "True for an opt-out, false where the person agreed again.", resolve: ({ status }) => status === "OPTED_OUT" }),
    lead: t.field({ type: LeadRef, nullable: true, description: "Null once the lead is erased.", resolve: ({ leadId }) => leadId }),
  }),
});

builder.subscriptionField("leadEvents", (t) =>
  t.field({
    type: LeadEventObject,
    description: "Every opt-out and opt-in, whoever wrote it down: the API, a stop word, an import, SQL.",
    args: { after: t.arg({ type: "Cursor" }) },
    subscribe: (_root, { after }, context) => followEvents(context, after, isLeadEvent),
    resolve: (event) => event,
  }),
);
