import { sql } from "drizzle-orm";
import { check, foreignKey, index, integer, jsonb, pgTable, text, unique, uuid } from "drizzle-orm/pg-core";
import type { WebhookAttempt, WebhookContent } from "../../webhooks/message.ts";
import { bytea, createdAt, instant, primaryKeyId } from "./columns.ts";

/** Where a workspace's events are posted to. */
export const webhookEndpoints = pgTable(
  "webhook_endpoints",
  {
    id: primaryKeyId(),
    workspaceId: uuid("workspace_id").notNull(),
    url: text("url").notNull(),
    description: text("description").notNull(),
    eventTypes: text("event_types").array().notNull(),
    /** What messages are signed with; and what they were signed with before, which still is used as well until then. */
    sealedSecret: bytea("sealed_secret").notNull(),
    sealedPrevious: bytea("sealed_previous"),
    previousUntil: instant("previous_until"),
    /** The event log's cursor up to which its events have become deliveries. */
    position: text("position").notNull(),
    /** Since when no attempt has succeeded; null while they do. */
    failingSince: instant("failing_since"),
    disabledAt: instant("disabled_at"),
    disabledReason: text("disabled_reason").$type<"OPERATOR" | "GONE" | "FAILING">(),
    createdAt: createdAt(),
  },
  (table) => [
    unique("webhook_endpoints_workspace_id_id").on(table.workspaceId, table.id),
    check("webhook_endpoints_disabled", sql`(${table.disabledAt} IS NULL) = (${table.disabledReason} IS NULL) AND ${table.disabledReason} IN ('OPERATOR', 'GONE', 'FAILING')`),
    check("webhook_endpoints_previous", sql`(${table.sealedPrevious} IS NULL) = (${table.previousUntil} IS NULL)`),
    check("webhook_endpoints_event_types", sql`cardinality(${table.eventTypes}) > 0`),
  ],
);

/** A message to an endpoint: it is owed until it is settled, and its key is the id that the receiver gets with each attempt. */
export const webhookDeliveries = pgTable(
  "webhook_deliveries",
  {
    id: primaryKeyId(),
    workspaceId: uuid("workspace_id").notNull(),
    endpointId: uuid("endpoint_id").notNull(),
    /** Which event: its batch, and its place there. */
    eventKey: text("event_key").notNull(),
    content: jsonb("content").$type<WebhookContent>().notNull(),
    /** The last ones, the newest last. */
    attempts: jsonb("attempts").$type<readonly WebhookAttempt[]>().notNull().default([]),
    /** Failed attempts since it was made, or delivered anew. */
    failures: integer("failures").notNull().default(0),
    /** While an attempt is under way: when another process may take it for lost. */
    nextAttemptAt: instant("next_attempt_at").notNull().default(sql`clock_timestamp()`),
    settledAt: instant("settled_at"),
    outcome: text("outcome").$type<"DELIVERED" | "FAILED" | "SKIPPED">(),
    createdAt: createdAt(),
  },
  (table) => [
    unique("webhook_deliveries_event").on(table.endpointId, table.eventKey),
    foreignKey({ columns: [table.workspaceId, table.endpointId], foreignColumns: [webhookEndpoints.workspaceId, webhookEndpoints.id] }).onDelete("cascade"),
    index("webhook_deliveries_due").on(table.endpointId, table.nextAttemptAt).where(sql`settled_at IS NULL`),
    index("webhook_deliveries_endpoint").on(table.endpointId, table.id),
    index("webhook_deliveries_settled").on(table.settledAt).where(sql`settled_at IS NOT NULL`),
    check("webhook_deliveries_settled_as", sql`(${table.settledAt} IS NULL) = (${table.outcome} IS NULL) AND ${table.outcome} IN ('DELIVERED', 'FAILED', 'SKIPPED')`),
  ],
);
