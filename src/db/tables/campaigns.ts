import { sql } from "drizzle-orm";
import { bigint, boolean, check, foreignKey, index, integer, jsonb, pgTable, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import type { Variant } from "../../messages/variants.ts";
import { media } from "./media.ts";
import { createdAt, instant, primaryKeyId, workspaceId } from "./columns.ts";

/** One message to an audience, once. */
export const campaigns = pgTable(
  "campaigns",
  {
    id: primaryKeyId(),
    workspaceId: workspaceId(),
    name: text("name").notNull(),
    status: text("status").notNull().default("DRAFT"),
    messageText: text("message_text").notNull(),
    /** What is sent with it: the text is its caption then, and may be empty. */
    mediaId: uuid("media_id"),
    /** Texts that stand in for it, each for a share of the leads. */
    variants: jsonb("variants").$type<readonly Variant[]>().notNull().default([]),
    /** The LeadFilter that it was made with, ids without their types. Who it found at the launch is in campaign_leads. */
    audience: jsonb("audience").$type<Readonly<Record<string, unknown>>>().notNull(),
    /** It begins then; at once where null or past. */
    startAt: instant("start_at"),
    minDelaySeconds: integer("min_delay_seconds").notNull().default(5),
    maxDelaySeconds: integer("max_delay_seconds").notNull().default(15),
    /** Its messages begin with one of the workspace's greetings. */
    greeting: boolean("greeting").notNull().default(false),
    /** Punctuation and case of its messages vary, seeded by the flow. */
    visibleVariation: boolean("visible_variation").notNull().default(false),
    /** Raised by every change of what its texts are made of: a text rendered before an edit is never sent after it. */
    revision: integer("revision").notNull().default(0),
    /** Made at the launch, and ordered by time as enrolments' keys are: which of two messages to a person is the older one's. */
    launchId: uuid("launch_id"),
    /** How many leads it goes to; null until it is launched. */
    audienceSize: integer("audience_size"),
    createdAt: createdAt(),
    startedAt: instant("started_at"),
    finishedAt: instant("finished_at"),
  },
  (table) => [
    unique("campaigns_workspace_id_id").on(table.workspaceId, table.id),
    foreignKey({ columns: [table.workspaceId, table.mediaId], foreignColumns: [media.workspaceId, media.id] }),
    /** Those that the feeder looks at. */
    index("campaigns_live").on(table.status).where(sql`${table.status} IN ('SCHEDULED', 'RUNNING') OR ${table.status} = 'CANCELLED' AND ${table.finishedAt} IS NULL`),
    // As of sequence_steps.
    check("campaigns_variants", sql`${table.variants} = jsonb_path_query_array(${table.variants}, 'strict $[*] ? (@.name.type() == "string" && @.name != "" && @.text.type() == "string" && @.share >= 1 && @.share <= 100)', '{}', true)`),
    check("campaigns_status", sql`${table.status} IN ('DRAFT', 'SCHEDULED', 'RUNNING', 'PAUSED', 'COMPLETED', 'CANCELLED')`),
    check("campaigns_delays", sql`${table.minDelaySeconds} BETWEEN 0 AND ${table.maxDelaySeconds} AND ${table.maxDelaySeconds} <= 86400`),
    check("campaigns_launched", sql`(${table.status} = 'DRAFT') = (${table.launchId} IS NULL) AND (${table.launchId} IS NULL) = (${table.audienceSize} IS NULL)`),
  ],
);

/** Whom a campaign goes to, fixed at its launch and never written again: how far each lane has been fed stands in the lane. */
export const campaignLeads = pgTable(
  "campaign_leads",
  {
    campaignId: uuid("campaign_id").notNull(),
    leadId: uuid("lead_id").notNull(),
    workspaceId: uuid("workspace_id").notNull(),
    /** Of the lead's zone at the launch. */
    laneId: bigint("lane_id", { mode: "number" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.campaignId, table.leadId] }), index("campaign_leads_lane").on(table.laneId, table.leadId)],
);

const count = (name: string) => bigint(name, { mode: "number" }).notNull().default(0);

/** `fed`: leads that have got a flow; the others are how each lead's flow has ended, or its retry. */
const counts = () => ({
  fed: count("fed"),
  sent: count("sent"),
  failed: count("failed"),
  skipped: count("skipped"),
  cancelled: count("cancelled"),
});

/** As sequence_counts: the folded counts, and what each batch added on top. */
export const campaignCounts = pgTable("campaign_counts", {
  campaignId: uuid("campaign_id").primaryKey(),
  workspaceId: uuid("workspace_id").notNull(),
  ...counts(),
});

export const campaignCountDeltas = pgTable(
  "campaign_count_deltas",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    campaignId: uuid("campaign_id").notNull(),
    workspaceId: uuid("workspace_id").notNull(),
    ...counts(),
  },
  (table) => [index("campaign_count_deltas_campaign_id").on(table.campaignId)],
);
