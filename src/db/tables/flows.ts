import { sql } from "drizzle-orm";
import { bigint, boolean, check, index, integer, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { createdAt, instant, primaryKeyId, xid8 } from "./columns.ts";

/** One message to one lead, from waiting to settled. Partitioned by month on the key. No foreign keys: the statements that write it
 *  thousands of times a second read what they refer to. `status` is in no index, so that settling stays a HOT update. */
export const flows = pgTable(
  "flows",
  {
    id: primaryKeyId(),
    workspaceId: uuid("workspace_id").notNull(),
    laneId: bigint("lane_id", { mode: "number" }).notNull(),
    leadId: uuid("lead_id").notNull(),
    /** Of a sequence's flow: these three; of a campaign's, the campaign alone. */
    enrollmentId: uuid("enrollment_id"),
    sequenceId: uuid("sequence_id"),
    stepId: uuid("step_id"),
    campaignId: uuid("campaign_id"),
    /** The flow before it in its enrolment. From `enrollments.current_flow_id` back, this leads to all of them (flows_of_enrollment): an index by enrolment
     *  would be written twice a message, by the attempt too, and cost a seventh of all that a message costs. */
    previousId: uuid("previous_id"),
    /** The failed flow that an operator had attempted again by this one. */
    retryOf: uuid("retry_of"),
    /** The flow that attempts this one again: set once, by who makes it. */
    retriedAs: uuid("retried_as"),
    /** How often an operator had this message attempted again before. */
    retryCount: integer("retry_count").notNull().default(0),
    /** Waits to be claimed. False from the attempt on, and while its enrolment is paused. */
    queued: boolean("queued").notNull().default(true),
    /** Stands at the step that was sent last, and not in the queue: which step it is of is decided by that one's branches, once it is due. */
    undecided: boolean("undecided").notNull().default(false),
    /** In lane time. */
    dueAt: instant("due_at").notNull(),
    /** When it was due before the frequency cap put it off, in lane time: the next step's delay counts from then. */
    deferredFrom: instant("deferred_from"),
    /** The preferred or last device. Another column than the one that the attempt writes: an indexed one would break HOT. */
    boundDeviceId: uuid("bound_device_id"),
    status: text("status").notNull().default("ACTIVE"),
    attemptId: uuid("attempt_id"),
    attemptedAt: instant("attempted_at"),
    deviceId: uuid("device_id"),
    nodeId: uuid("node_id"),
    text: text("text"),
    /** The variant that was sent, written with the text; empty for the step's own text where it had variants. Null where it had none. */
    variant: text("variant"),
    /** What was sent with the text, written with it. */
    mediaId: uuid("media_id"),
    settledAt: instant("settled_at"),
    sentAt: instant("sent_at"),
    deliveredAt: instant("delivered_at"),
    readAt: instant("read_at"),
    failedAt: instant("failed_at"),
    failureCode: text("failure_code"),
    failureMessage: text("failure_message"),
    skipReason: text("skip_reason"),
    createdAt: createdAt(),
  },
  (table) => [
    index("flows_lane").on(table.laneId, table.dueAt, table.id).where(sql`queued`),
    index("flows_bound_device").on(table.boundDeviceId, table.dueAt, table.id).where(sql`queued AND bound_device_id IS NOT NULL`),
    index("flows_retries").on(table.id).where(sql`retry_count > 0`),
    index("flows_failed").on(table.failedAt, table.id).where(sql`failed_at IS NOT NULL`),
    index("flows_undecided").on(table.laneId, table.dueAt).where(sql`undecided`),
    index("flows_variant").on(table.stepId, table.variant).where(sql`variant IS NOT NULL`),
    index("flows_campaign").on(table.campaignId, table.id).where(sql`campaign_id IS NOT NULL`),
    index("flows_campaign_lead").on(table.leadId).where(sql`campaign_id IS NOT NULL`),
    check("flows_source", sql`(sequence_id IS NULL) = (enrollment_id IS NULL) AND (sequence_id IS NULL) = (step_id IS NULL) AND (sequence_id IS NULL) <> (campaign_id IS NULL)`),
    check("flows_status", sql`status IN ('ACTIVE', 'PROCESSING', 'SENT', 'FAILED', 'SKIPPED', 'CANCELLED')`),
  ],
);

/** The event log, written in the change's own transaction: one row for what a statement changed in the same way in one workspace, an element of each
 *  list per change. The view `events` has a row per change. As rows of their own, two events per message cost a sixth of all that a message costs.
 *  Partitioned by month on the key. */
export const eventBatches = pgTable(
  "event_batches",
  {
    id: primaryKeyId(),
    /** The writing transaction. What a reader has seen is a snapshot of transactions, so that none that commits late is skipped. */
    xid: xid8("xid").notNull().default(sql`pg_current_xact_id()`),
    workspaceId: uuid("workspace_id").notNull(),
    type: text("type").notNull(),
    at: instant("at").notNull().default(sql`clock_timestamp()`),
    /** Lists of equal length, or null where no change has such a thing. */
    flowIds: uuid("flow_ids").array(),
    sequenceIds: uuid("sequence_ids").array(),
    campaignIds: uuid("campaign_ids").array(),
    deviceIds: uuid("device_ids").array(),
    statuses: text("statuses").array(),
    previousStatuses: text("previous_statuses").array(),
    reasons: text("reasons").array(),
    replyIds: uuid("reply_ids").array(),
    enrollmentIds: uuid("enrollment_ids").array(),
    leadIds: uuid("lead_ids").array(),
    webhookEndpointIds: uuid("webhook_endpoint_ids").array(),
  },
  (table) => [index("event_batches_xid").on(table.xid, table.id)],
);
