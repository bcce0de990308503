import { hasScope } from "../access/scopes.ts";
import { nodeRef } from "../graphql/node.ts";
import { deliveriesById, type WebhookDelivery } from "./deliveries.ts";
import { endpointsById, type WebhookEndpoint } from "./endpoints.ts";

// The administrators' business alone: an address can hold a token.
export const WebhookEndpointRef = nodeRef<WebhookEndpoint>("WebhookEndpoint", (ids, { db, access }) => endpointsById(db, hasScope(access.scopes, "ADMIN") ? ids : []));

export const WebhookDeliveryRef = nodeRef<WebhookDelivery>("WebhookDelivery", (ids, { db, access }) => deliveriesById(db, hasScope(access.scopes, "ADMIN") ? ids : []));
