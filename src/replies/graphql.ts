import { DeviceRef } from "../devices/refs.ts";
import type { LoggedEvent } from "../events/types.ts";
import { builder } from "../graphql/builder.ts";
import { followEvents } from "../graphql/follow-events.ts";
import { perRequest } from "../graphql/loaders.ts";
import { LeadRef } from "../leads/refs.ts";
import { repliesById, type Reply } from "./read.ts";

type ReplyEvent = LoggedEvent & { readonly type: "REPLY"; readonly replyId: string };

const isReplyEvent = (event: LoggedEvent): event is ReplyEvent => event.type === "REPLY" && event.replyId !== null;

const replyOf = perRequest<string, Reply | undefined>((ids, { db }) => repliesById(db, ids));

const ReplyEventObject = builder.objectRef<ReplyEvent>("ReplyEvent").implement({
  description: "Somebody wrote back.",
  fields: (t) => ({
    cursor: t.expose("cursor", { type: "Cursor", description: "Pass it as `after` to go on from here." }),
    at: t.field({
      type: "DateTime",
      description: "When it was written.",
      resolve: async ({ replyId, at }, _args, context) => (await replyOf(context).load(replyId))?.at ?? at,
    }),
    lead: t.field({
      type: LeadRef,
      nullable: true,
      description: "Null where no lead has the number that it came from.",
      resolve: async ({ replyId }, _args, context) => (await replyOf(context).load(replyId))?.leadId,
    }),
    device: t.field({ type: DeviceRef, nullable: true, description: "The device that it was written to. Null once it is deleted.", resolve: ({ deviceId }) => deviceId }),
    text: t.string({
      description: "Empty once the lead is erased.",
      resolve: async ({ replyId }, _args, context) => (await replyOf(context).load(replyId))?.text ?? "",
    }),
    optedOut: t.boolean({
      description: "The reply asked to stop.",
      resolve: async ({ replyId }, _args, context) => (await replyOf(context).load(replyId))?.optedOut ?? false,
    }),
  }),
});

builder.subscriptionField("replies", (t) =>
  t.field({
    type: ReplyEventObject,
    description: "What people write back, also who is no lead.",
    args: { after: t.arg({ type: "Cursor" }) },
    subscribe: (_root, { after }, context) => followEvents(context, after, isReplyEvent),
    resolve: (event) => event,
  }),
);
