import { builder } from "../graphql/builder.ts";
import type { ApiContext } from "../graphql/context.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import type { Result } from "../lib/errors.ts";
import { type Redelivered, redeliver, redeliverFailed, sendTest } from "./deliveries.ts";
import { createEndpoint, deleteEndpoint, disableEndpoint, enableEndpoint, rotateSecret, updateEndpoint, type WithSecret } from "./endpoints.ts";
import { WebhookEventType } from "./graphql.ts";
import { WebhookDeliveryRef, WebhookEndpointRef } from "./refs.ts";

const CreateInput = builder.inputType("CreateWebhookEndpointInput", {
  description: "An endpoint to be made.",
  fields: (t) => ({
    url: t.string({ required: true, description: "Where messages are posted to: https, and public." }),
    description: t.string({ description: "What it is for, in at most 500 characters." }),
    eventTypes: t.field({ type: [WebhookEventType], required: true, description: "What it is to be told of: at least one." }),
  }),
});

const UpdateInput = builder.inputType("UpdateWebhookEndpointInput", {
  description: "What is to be changed; what is left out stays as it is.",
  fields: (t) => ({
    id: t.globalID({ required: true, for: [WebhookEndpointRef], description: "Which one." }),
    url: t.string({ description: "Where messages are posted to, also those that are owed already." }),
    description: t.string({ description: "What it is for, in at most 500 characters." }),
    eventTypes: t.field({ type: [WebhookEventType], description: "What it is told of from now on: at least one." }),
  }),
});

const EndpointPayload = payloadType<string>("WebhookEndpointPayload", (t) => ({
  webhookEndpoint: t.field({ type: WebhookEndpointRef, nullable: true, description: "As it is now.", resolve: ({ value }) => value }),
}));

const SecretPayload = payloadType<WithSecret>("WebhookSecretPayload", (t) => ({
  webhookEndpoint: t.field({ type: WebhookEndpointRef, nullable: true, description: "As it is now.", resolve: ({ value }) => value?.id }),
  secret: t.string({ nullable: true, description: "What its messages are signed with. Shown this once.", resolve: ({ value }) => value?.secret ?? null }),
}));

const DeletePayload = payloadType<string>("DeleteWebhookEndpointPayload", (t) => ({
  deletedWebhookEndpointId: t.globalID({ nullable: true, description: "Which one is gone.", resolve: ({ value }) => value && { type: WebhookEndpointRef, id: value } }),
}));

const DeliveryPayload = payloadType<string>("WebhookDeliveryPayload", (t) => ({
  webhookDelivery: t.field({ type: WebhookDeliveryRef, nullable: true, description: "To be posted at once.", resolve: ({ value }) => value }),
}));

const RedeliverPayload = payloadType<Redelivered>("RedeliverFailedWebhooksPayload", (t) => ({
  webhookEndpoint: t.field({ type: WebhookEndpointRef, nullable: true, description: "Whose messages they are.", resolve: ({ value }) => value?.endpointId }),
  count: t.int({ description: "How many are posted again.", resolve: ({ value }) => value?.count ?? 0 }),
}));

/** The sender looks at once whether there is something to post. */
async function ringing<T>({ bell }: ApiContext, result: Promise<Result<T>>): Promise<Result<T>> {
  const outcome = await result;
  if (outcome.ok) bell.ring("webhooks");
  return outcome;
}

builder.mutationFields((t) => ({
  createWebhookEndpoint: t.field({
    type: SecretPayload,
    description: "Needs ADMIN. What happens from now on is posted there, each event once, and again until it is taken, for three days.",
    authScopes: { admin: true },
    args: { input: t.arg({ type: CreateInput, required: true }) },
    resolve: (_root, { input }, context) => payload(ringing(context, createEndpoint(context, input))),
  }),
  updateWebhookEndpoint: t.field({
    type: EndpointPayload,
    description: "Needs ADMIN.",
    authScopes: { admin: true },
    args: { input: t.arg({ type: UpdateInput, required: true }) },
    resolve: (_root, { input: { id, ...change } }, context) => payload(ringing(context, updateEndpoint(context, id.id, change))),
  }),
  disableWebhookEndpoint: t.field({
    type: EndpointPayload,
    description: "Needs ADMIN. Nothing is posted to it until it is enabled again; what happens meanwhile is kept for it.",
    authScopes: { admin: true },
    args: { id: t.arg.globalID({ required: true, for: WebhookEndpointRef }) },
    resolve: (_root, { id }, { db }) => payload(disableEndpoint(db, id.id)),
  }),
  enableWebhookEndpoint: t.field({
    type: EndpointPayload,
    description: "Needs ADMIN. Goes on where it stood, with what was given up while it took nothing; or, with skipMissed, with what happens from now on.",
    authScopes: { admin: true },
    args: {
      id: t.arg.globalID({ required: true, for: WebhookEndpointRef }),
      skipMissed: t.arg.boolean({ required: true, defaultValue: false, description: "Leave out what has happened since it was disabled, and what is owed." }),
    },
    resolve: (_root, { id, skipMissed }, context) => payload(ringing(context, enableEndpoint(context, id.id, skipMissed))),
  }),
  deleteWebhookEndpoint: t.field({
    type: DeletePayload,
    description: "Needs ADMIN. For good, with all that is owed to it and the list of its deliveries.",
    authScopes: { admin: true },
    args: { id: t.arg.globalID({ required: true, for: WebhookEndpointRef }) },
    resolve: (_root, { id }, { db }) => payload(deleteEndpoint(db, id.id)),
  }),
  rotateWebhookEndpointSecret: t.field({
    type: SecretPayload,
    description: "Needs ADMIN. Gives it a new secret. Until the overlap has passed, messages are signed with the one of before, too.",
    authScopes: { admin: true },
    args: {
      id: t.arg.globalID({ required: true, for: WebhookEndpointRef }),
      overlapHours: t.arg.int({ required: true, defaultValue: 24, description: "0 to 720. With 0 the secret of before is worth nothing from now on." }),
    },
    resolve: (_root, { id, overlapHours }, context) => payload(rotateSecret(context, id.id, overlapHours)),
  }),
  testWebhookEndpoint: t.field({
    type: DeliveryPayload,
    description: "Needs ADMIN. Posts a message of the type webhook.test; look at the delivery for how that went.",
    authScopes: { admin: true },
    args: { id: t.arg.globalID({ required: true, for: WebhookEndpointRef }) },
    resolve: (_root, { id }, context) => payload(ringing(context, sendTest(context.db, id.id))),
  }),
  redeliverWebhookDelivery: t.field({
    type: DeliveryPayload,
    description: "Needs ADMIN. Posts it again, with the same id, whatever became of it before.",
    authScopes: { admin: true },
    args: { id: t.arg.globalID({ required: true, for: WebhookDeliveryRef }) },
    resolve: (_root, { id }, context) => payload(ringing(context, redeliver(context.db, id.id))),
  }),
  redeliverFailedWebhooks: t.field({
    type: RedeliverPayload,
    description: "Needs ADMIN. Posts again all that was given up, of what became owed since then.",
    authScopes: { admin: true },
    args: {
      webhookEndpointId: t.arg.globalID({ required: true, for: WebhookEndpointRef, description: "Whose." }),
      since: t.arg({ type: "DateTime", required: true, description: "From when on." }),
    },
    resolve: (_root, { webhookEndpointId, since }, context) => payload(ringing(context, redeliverFailed(context.db, webhookEndpointId.id, since))),
  }),
}));
