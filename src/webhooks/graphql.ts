import { EVENT_TYPES, type EventType, type LoggedEvent } from "../events/types.ts";
import { builder } from "../graphql/builder.ts";
import { followEvents } from "../graphql/follow-events.ts";
import { connection, connectionType, pageOf } from "../graphql/connections.ts";
import { describedEnum } from "../graphql/described-enum.ts";
import { perRequest } from "../graphql/loaders.ts";
import { DELIVERY_ORDER, type DeliveryStatus, listDeliveries } from "./deliveries.ts";
import { listEndpoints, owedTo } from "./endpoints.ts";
import { TYPE_NAMES, type WebhookAttempt } from "./message.ts";
import { WebhookDeliveryRef, WebhookEndpointRef } from "./refs.ts";

export const WebhookEventType = describedEnum(
  "WebhookEventType",
  "What a webhook endpoint can be told of.",
  EVENT_TYPES,
  Object.fromEntries(EVENT_TYPES.map((type) => [type, `Posted as ${TYPE_NAMES[type]}.`])) as Record<EventType, string>,
);

const DisabledReason = builder.enumType("WebhookDisabledReason", {
  description: "Why nothing is posted to an endpoint.",
  values: {
    OPERATOR: { description: "disableWebhookEndpoint was called." },
    GONE: { description: "It answered with 410." },
    FAILING: { description: "It has taken nothing for three days." },
  } as const,
});

const owedOf = perRequest<string, number>((ids, { db }) => owedTo(db, ids));

WebhookEndpointRef.implement({
  description: "An address that events are posted to, signed, by the Standard Webhooks specification.",
  fields: (t) => ({
    url: t.exposeString("url", { description: "Where messages are posted to." }),
    description: t.exposeString("description", { description: "What it is for." }),
    eventTypes: t.field({
      type: [WebhookEventType],
      description: "What it is told of.",
      resolve: ({ eventTypes }) => eventTypes as EventType[],
    }),
    owed: t.int({ description: "Messages that wait to be taken, up to 1,000; beyond that, events wait in the log.", resolve: ({ id }, _args, context) => owedOf(context).load(id) }),
    failingSince: t.expose("failingSince", { type: "DateTime", nullable: true, description: "Since when it has taken nothing; null while it takes what it gets." }),
    disabledAt: t.expose("disabledAt", { type: "DateTime", nullable: true, description: "Since when nothing is posted to it." }),
    disabledReason: t.field({ type: DisabledReason, nullable: true, description: "Why nothing is posted to it.", resolve: ({ disabledReason }) => disabledReason }),
    previousSecretUntil: t.expose("previousUntil", { type: "DateTime", nullable: true, description: "Until when messages are signed with the secret of before, too." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was made; it is told of what has happened since." }),
  }),
});

const DeliveryStatusEnum = builder.enumType("WebhookDeliveryStatus", {
  description: "What has become of a message to an endpoint.",
  values: {
    PENDING: { description: "To be posted, for the first time or again." },
    DELIVERED: { description: "Taken: it was answered with 200 to 299." },
    FAILED: { description: "Given up, after ten attempts within three days." },
    SKIPPED: { description: "Left out, when its endpoint was enabled with skipMissed." },
  } as const,
});

const Attempt = builder.objectRef<WebhookAttempt>("WebhookAttempt").implement({
  description: "One time that a message was posted.",
  fields: (t) => ({
    at: t.field({ type: "DateTime", description: "When it was begun.", resolve: ({ at }) => new Date(at) }),
    durationMs: t.exposeInt("durationMs", { description: "How long it took, in milliseconds." }),
    status: t.exposeInt("status", { nullable: true, description: "The answer's HTTP status; null where there was no answer." }),
    error: t.exposeString("error", { nullable: true, description: "Why it was not taken." }),
  }),
});

WebhookDeliveryRef.implement({
  description: "A message to an endpoint. What follows the colon in its id is the webhook-id that the receiver gets, with each attempt the same.",
  fields: (t) => ({
    type: t.string({ description: "As the receiver gets it, such as flow.sent.", resolve: ({ content }) => TYPE_NAMES[content.type] }),
    eventAt: t.field({ type: "DateTime", description: "When what it tells of happened.", resolve: ({ content }) => new Date(content.at) }),
    status: t.field({ type: DeliveryStatusEnum, description: "What has become of it.", resolve: ({ outcome }): DeliveryStatus => outcome ?? "PENDING" }),
    attempts: t.field({ type: [Attempt], description: "The last 30, the oldest first.", resolve: ({ attempts }) => [...attempts] }),
    nextAttemptAt: t.field({ type: "DateTime", nullable: true, description: "When it is posted next; null once it is settled.", resolve: ({ settledAt, nextAttemptAt }) => (settledAt ? null : nextAttemptAt) }),
    settledAt: t.expose("settledAt", { type: "DateTime", nullable: true, description: "When it was taken or given up." }),
    endpoint: t.field({ type: WebhookEndpointRef, description: "Whom it is for.", resolve: ({ endpointId }) => endpointId }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it became owed." }),
  }),
});

const DeliveryConnection = connectionType("WebhookDelivery", WebhookDeliveryRef, "uncounted");

builder.queryFields((t) => ({
  webhookEndpoints: t.field({
    type: [WebhookEndpointRef],
    description: "Needs ADMIN. All of them, the oldest first; a workspace has at most 20.",
    authScopes: { admin: true },
    resolve: (_root, _args, { db }) => listEndpoints(db),
  }),
  webhookDeliveries: t.field({
    type: DeliveryConnection,
    description: "Needs ADMIN. What was posted to an endpoint or is owed to it, the newest first, thirty days back.",
    authScopes: { admin: true },
    args: {
      webhookEndpointId: t.arg.globalID({ required: true, for: WebhookEndpointRef, description: "Whose." }),
      status: t.arg({ type: DeliveryStatusEnum, description: "Only those." }),
      ...t.arg.connectionArgs(),
    },
    resolve: async (_root, { webhookEndpointId, status, ...args }, { db }) =>
      connection(await listDeliveries(db, webhookEndpointId.id, status, pageOf(args, DELIVERY_ORDER)), DELIVERY_ORDER),
  }),
}));

type AlertEvent = LoggedEvent & { readonly type: "ALERT"; readonly status: string; readonly reason: string };

const isAlert = (event: LoggedEvent): event is AlertEvent => event.type === "ALERT";

const AlertKind = builder.enumType("AlertKind", {
  description: "What an alert is about.",
  values: { WEBHOOK_DISABLED: { description: "A webhook endpoint takes nothing any more, and was disabled." } } as const,
});

const AlertObject = builder.objectRef<AlertEvent>("Alert").implement({
  description: "Something that somebody has to look at.",
  fields: (t) => ({
    cursor: t.expose("cursor", { type: "Cursor", description: "Pass it as `after` to go on from here." }),
    at: t.expose("at", { type: "DateTime", description: "When it was raised." }),
    kind: t.field({ type: AlertKind, description: "What it is about.", resolve: ({ status }) => status as "WEBHOOK_DISABLED" }),
    message: t.exposeString("reason", { description: "What has happened, and what to do." }),
    webhookEndpoint: t.field({ type: WebhookEndpointRef, nullable: true, description: "The endpoint that it is about; null once it is deleted, and for who is no administrator.", resolve: ({ webhookEndpointId }) => webhookEndpointId }),
  }),
});

builder.subscriptionField("alerts", (t) =>
  t.field({
    type: AlertObject,
    description: "What somebody has to look at, as it comes up.",
    args: { after: t.arg({ type: "Cursor" }) },
    subscribe: (_root, { after }, context) => followEvents(context, after, isAlert),
    resolve: (event) => event,
  }),
);
