import { sql } from "drizzle-orm";
import { bigint, boolean, check, doublePrecision, foreignKey, index, integer, interval, jsonb, pgTable, text, time, unique, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { Branch } from "../../sequences/branches.ts";
import type { Variant } from "../../messages/variants.ts";
import { media } from "./media.ts";
import { createdAt, instant, primaryKeyId, workspaceId } from "./columns.ts";

export const sequences = pgTable(
  "sequences",
  {
    id: primaryKeyId(),
    workspaceId: workspaceId(),
    name: text("name").notNull(),
    triggerPrefix: text("trigger_prefix"),
    /** The first entry step's trigger; kept up by the database, for those who look in with SQL. */
    trigger: text("trigger"),
    /** ACTIVE and is_active are the same: whichever of the two is written, the database carries the other along. */
    status: text("status").notNull().default("DRAFT"),
    isActive: boolean("is_active").notNull().default(false),
    /** Its messages go out from this time of day on, for the tolerance; at any time where null. */
    scheduleTime: time("schedule_time"),
    scheduleToleranceMinutes: integer("schedule_tolerance_minutes").notNull().default(10),
    /** Of leads that have no zone of their own; the workspace's where null. */
    timeZone: text("time_zone"),
    minDelaySeconds: integer("min_delay_seconds").notNull().default(10),
    maxDelaySeconds: integer("max_delay_seconds").notNull().default(30),
    triggerDelayHours: doublePrecision("trigger_delay_hours").notNull().default(24),
    startDelayMinutes: integer("start_delay_minutes").notNull().default(0),
    /** A lead that replies leaves it. */
    stopOnReply: boolean("stop_on_reply").notNull().default(true),
    onFailure: text("on_failure").notNull().default("CONTINUE"),
    /** Its messages begin with one of the workspace's greetings. */
    greeting: boolean("greeting").notNull().default(false),
    /** Punctuation and case of its messages vary, seeded by the flow. */
    visibleVariation: boolean("visible_variation").notNull().default(false),
    /** How long a due flow waits for a device where the workspace has none. */
    noDeviceGraceMinutes: integer("no_device_grace_minutes").notNull().default(0),
    /** No problems as of the workspace's reviewed_revision. Set by the review alone. */
    isSound: boolean("is_sound").notNull().default(false),
    /** The revision that the last review saw. */
    reviewedRevision: integer("reviewed_revision").notNull().default(-1),
    /** Raised by every change of the sequence or its steps: a text rendered before an edit is never sent after it. */
    revision: integer("revision").notNull().default(0),
    createdAt: createdAt(),
  },
  (table) => [
    unique("sequences_workspace_id_id").on(table.workspaceId, table.id),
    check("sequences_status", sql`${table.status} IN ('DRAFT', 'ACTIVE', 'PAUSED', 'ARCHIVED')`),
    check("sequences_on_failure", sql`${table.onFailure} IN ('CONTINUE', 'STOP')`),
    check("sequences_delays", sql`${table.minDelaySeconds} BETWEEN 0 AND ${table.maxDelaySeconds} AND ${table.maxDelaySeconds} <= 86400`),
    check("sequences_schedule_tolerance", sql`${table.scheduleToleranceMinutes} BETWEEN 1 AND 1440`),
    check("sequences_no_device_grace", sql`${table.noDeviceGraceMinutes} >= 0`),
  ],
);

export const sequenceSteps = pgTable(
  "sequence_steps",
  {
    id: primaryKeyId(),
    workspaceId: workspaceId(),
    sequenceId: uuid("sequence_id").notNull(),
    dayNumber: integer("day_number").notNull(),
    trigger: text("trigger").notNull(),
    nextTrigger: text("next_trigger"),
    triggerDelayHours: doublePrecision("trigger_delay_hours"),
    isEntryPoint: boolean("is_entry_point").notNull().default(false),
    messageText: text("message_text").notNull(),
    /** What is sent with it: the text is its caption then, and may be empty. */
    mediaId: uuid("media_id"),
    /** Texts that stand in for it, each for a share of the leads. */
    variants: jsonb("variants").$type<readonly Variant[]>().notNull().default([]),
    /** Where its leads go on other conditions, tried in order before next_trigger. */
    branches: jsonb("branches").$type<readonly Branch[]>().notNull().default([]),
    createdAt: createdAt(),
  },
  (table) => [
    // Of the shape that is read, whoever wrote it. A template that cannot be rendered fails its flows alone.
    check("sequence_steps_variants", sql`${table.variants} = jsonb_path_query_array(${table.variants}, 'strict $[*] ? (@.name.type() == "string" && @.name != "" && @.text.type() == "string" && @.share >= 1 && @.share <= 100)', '{}', true)`),
    check("sequence_steps_branches", sql`${table.branches} = jsonb_path_query_array(${table.branches}, 'strict $[*] ? ((@.condition == "ATTRIBUTE_EQUALS" && @.value.type() == "object" || @.condition == "NICHE_IN" && @.value.niches.type() == "array" || @.condition == "REPLIED_SINCE" || @.condition == "READ") && (@.nextTrigger == null || @.nextTrigger.type() == "string"))', '{}', true)`),
    unique("sequence_steps_workspace_id_trigger").on(table.workspaceId, table.trigger),
    index("sequence_steps_sequence_id").on(table.sequenceId),
    foreignKey({ columns: [table.workspaceId, table.sequenceId], foreignColumns: [sequences.workspaceId, sequences.id] }).onDelete("cascade"),
    foreignKey({ columns: [table.workspaceId, table.mediaId], foreignColumns: [media.workspaceId, media.id] }),
  ],
);

/** Where the leads go that wait on a step which was removed: on to the step that followed it. Filled by a database trigger. */
export const removedSteps = pgTable("removed_steps", {
  id: uuid("id").primaryKey(),
  workspaceId: uuid("workspace_id").notNull(),
  trigger: text("trigger").notNull(),
  nextTrigger: text("next_trigger"),
});

/** A queue of its own for each sequence or campaign, and time zone. `due_at` of its flows is in lane time, which stands still while the lane is
 *  paused: lane time = (paused_at or now) − pause_offset. Pausing and resuming a million flows is one row's update. */
export const lanes = pgTable(
  "lanes",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    workspaceId: uuid("workspace_id").notNull(),
    sequenceId: uuid("sequence_id"),
    campaignId: uuid("campaign_id"),
    /** A campaign's lane of test messages: open while the campaign itself has not begun, or is paused. */
    isTest: boolean("is_test").notNull().default(false),
    /** A campaign's audience in this zone is put into the queue little by little, in the order of its leads: up to here, and so many are still to come. */
    fedLeadId: uuid("fed_lead_id"),
    unfed: integer("unfed").notNull().default(0),
    timeZone: text("time_zone").notNull(),
    pausedAt: instant("paused_at"),
    pauseOffset: interval("pause_offset").notNull().default("0"),
    /** The present or next time during which its flows may be sent: the sequence's window without the workspace's quiet hours, in this zone. */
    openFrom: instant("open_from").notNull().default(sql`'-infinity'`),
    openUntil: instant("open_until").notNull().default(sql`'infinity'`),
  },
  (table) => [
    unique("lanes_sequence_id_time_zone").on(table.sequenceId, table.timeZone),
    unique("lanes_campaign_id_time_zone").on(table.campaignId, table.isTest, table.timeZone),
    check("lanes_source", sql`(${table.sequenceId} IS NULL) <> (${table.campaignId} IS NULL)`),
    index("lanes_workspace_id").on(table.workspaceId),
    index("lanes_open_until").on(table.openUntil),
  ],
);

export const enrollments = pgTable(
  "enrollments",
  {
    id: primaryKeyId(),
    workspaceId: uuid("workspace_id").notNull(),
    leadId: uuid("lead_id").notNull(),
    sequenceId: uuid("sequence_id").notNull(),
    status: text("status").notNull().default("ACTIVE"),
    stopReason: text("stop_reason"),
    /** What the operator who stopped it said. */
    stopNote: text("stop_note"),
    /** The word that enrolled it, taken off the lead when it ends. */
    trigger: text("trigger").notNull(),
    /** The flow that is waiting or being attempted, or was the last. The next one is made only by who moves this on from the one before. */
    currentFlowId: uuid("current_flow_id").notNull(),
    /** When it was paused, in lane time: resuming moves the waiting flow by the lane time that has passed since. */
    pausedLaneTime: instant("paused_lane_time"),
    createdAt: createdAt(),
    finishedAt: instant("finished_at"),
  },
  (table) => [
    // Once per lead and sequence at a time, whatever races.
    uniqueIndex("enrollments_open").on(table.sequenceId, table.leadId).where(sql`${table.status} IN ('ACTIVE', 'PAUSED')`),
    index("enrollments_lead_id").on(table.leadId, table.id),
    index("enrollments_sequence_id").on(table.sequenceId, table.id),
    index("enrollments_paused").on(table.id).where(sql`${table.status} = 'PAUSED'`),
    check("enrollments_status", sql`${table.status} IN ('ACTIVE', 'PAUSED', 'COMPLETED', 'STOPPED')`),
  ],
);

const count = (name: string) => bigint(name, { mode: "number" }).notNull().default(0);

const counts = () => ({
  enrolled: count("enrolled"),
  active: count("active"),
  paused: count("paused"),
  completed: count("completed"),
  stopped: count("stopped"),
  sent: count("sent"),
  failed: count("failed"),
});

/** The counts of a sequence: the folded ones here, and on top what each batch added in sequence_count_deltas. A counter row that every
 *  batch updated would put all batches of a large sequence in one line. */
export const sequenceCounts = pgTable("sequence_counts", {
  sequenceId: uuid("sequence_id").primaryKey(),
  workspaceId: uuid("workspace_id").notNull(),
  ...counts(),
});

export const sequenceCountDeltas = pgTable(
  "sequence_count_deltas",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    sequenceId: uuid("sequence_id").notNull(),
    workspaceId: uuid("workspace_id").notNull(),
    ...counts(),
  },
  (table) => [index("sequence_count_deltas_sequence_id").on(table.sequenceId)],
);
