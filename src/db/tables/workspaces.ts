import { sql } from "drizzle-orm";
import { bigint, boolean, check, index, integer, jsonb, pgTable, primaryKey, text, time, uuid } from "drizzle-orm/pg-core";
import type { Greeting } from "../../messages/greeting.ts";
import { bytea, createdAt, instant, primaryKeyId, workspaceId, xid8 } from "./columns.ts";

export const workspaces = pgTable("workspaces", {
  id: primaryKeyId(),
  name: text("name").notNull(),
  timeZone: text("time_zone").notNull().default("Asia/Kuala_Lumpur"),
  defaultCountry: text("default_country").notNull().default("MY"),
  /** Raised by every change of a sequence or step; raising it is also the lock that puts such changes one after the other. */
  graphRevision: bigint("graph_revision", { mode: "number" }).notNull().default(0),
  /** The graph_revision up to which the sequences have been reviewed: enrolling waits while it lags behind. */
  reviewedRevision: bigint("reviewed_revision", { mode: "number" }).notNull().default(0),
  /** Nothing is sent to a person from start to end of the person's own day; the end may lie on the next. */
  quietStart: time("quiet_start"),
  quietEnd: time("quiet_end"),
  /** At most so many messages to a person in any so many hours. */
  capMessages: integer("cap_messages"),
  capHours: integer("cap_hours"),
  /** At most so many attempts in any hour, over all devices. */
  hourlyCeiling: integer("hourly_ceiling"),
  /** At most so many devices send, the oldest first; the others are held back. Null: all. */
  maxSendingDevices: integer("max_sending_devices"),
  /** What share of the leads their triggers enrol, in percent: always the same leads. */
  enrollmentPercent: integer("enrollment_percent").notNull().default(100),
  /** Only who has agreed, as far as is recorded, is written to. */
  requireConsent: boolean("require_consent").notNull().default(false),
  /** Incoming words that opt out. */
  stopWords: text("stop_words").array().notNull().default(sql`'{stop,unsubscribe,berhenti,henti,batal}'`),
  /** What who has opted out by such a word is told, once; nothing where null. */
  stopConfirmation: text("stop_confirmation"),
  /** By the time of the recipient's day, for sequences that greet. */
  greetings: jsonb("greetings")
    .$type<readonly Greeting[]>()
    .notNull()
    .default(sql`'[{"from": "05:00", "templates": ["Selamat pagi {{name}}"]}, {"from": "12:00", "templates": ["{Hi|Hello|Hai} {{name}}"]}]'`),
  /** What a greeting calls a person whose name is not known. */
  formOfAddress: text("form_of_address").notNull().default("Cik"),
  /** Raised by every change of the two: a text with an old greeting is not sent after it. */
  greetingsRevision: integer("greetings_revision").notNull().default(0),
  /** Since when no first contact is written to, because too many devices are restricted; and when an operator last let them go on. */
  firstContactsHeldAt: instant("first_contacts_held_at"),
  firstContactsReleasedAt: instant("first_contacts_released_at"),
  createdAt: createdAt(),
}, (table) => [
  check("workspaces_quiet_hours", sql`(${table.quietStart} IS NULL) = (${table.quietEnd} IS NULL) AND coalesce(${table.quietStart} <> ${table.quietEnd}, true)`),
  check("workspaces_frequency_cap", sql`(${table.capMessages} IS NULL) = (${table.capHours} IS NULL) AND coalesce(${table.capMessages} BETWEEN 1 AND 100 AND ${table.capHours} BETWEEN 1 AND 8760, true)`),
  // Of the shape that is read, whoever wrote it. A template that cannot be rendered fails its flows alone.
  check("workspaces_greetings", sql`${table.greetings} <> '[]' AND ${table.greetings} = jsonb_path_query_array(${table.greetings}, 'strict $[*] ? (@.from like_regex "^([01][0-9]|2[0-3]):[0-5][0-9]$" && @.templates.size() > 0 && !exists (@.templates[*] ? (@.type() != "string")))', '{}', true)`),
  check("workspaces_rollout", sql`${table.maxSendingDevices} >= 0 AND ${table.enrollmentPercent} BETWEEN 0 AND 100`),
  check("workspaces_hourly_ceiling", sql`${table.hourlyCeiling} >= 1`),
]);

/** What a workspace that has an hourly ceiling has attempted, in slots of ten seconds: one row, so that who updates it knows what all nodes have attempted. */
export const workspacePace = pgTable("workspace_pace", {
  workspaceId: uuid("workspace_id").primaryKey(),
  /** The newest slot: the seconds since the epoch, divided by ten. */
  slot: bigint("slot", { mode: "number" }).notNull(),
  /** The attempts of each slot, the newest first, as far back as one can be on the wire within the hour. */
  attempts: integer("attempts").array().notNull(),
  /** How many the last update let through. */
  granted: integer("granted").notNull(),
});

export const apiTokens = pgTable("api_tokens", {
  id: primaryKeyId(),
  workspaceId: workspaceId(),
  name: text("name").notNull(),
  scopes: text("scopes").array().notNull(),
  /** SHA-256 of the secret. The secrets are 256 random bits, so that a slow hash would add nothing. */
  hash: bytea("hash").notNull().unique(),
  prefix: text("prefix").notNull(),
  expiresAt: instant("expires_at"),
  lastUsedAt: instant("last_used_at"),
  revokedAt: instant("revoked_at"),
  createdAt: createdAt(),
});

/** Calls that changed something: who, which, when. Written once, and never changed. */
export const auditLog = pgTable(
  "audit_log",
  {
    id: primaryKeyId(),
    workspaceId: uuid("workspace_id").notNull(),
    tokenId: uuid("token_id").notNull(),
    operation: text("operation").notNull(),
    /** Ids as the API has them. */
    subjects: text("subjects").array().notNull(),
    /** Names of arguments and input fields, without their values. */
    fields: text("fields").array().notNull(),
    result: text("result"),
    at: instant("at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [index("audit_log_workspace_id").on(table.workspaceId, table.id)],
);

/** The first result of a mutation that was called with an idempotency key. */
export const idempotencyKeys = pgTable(
  "idempotency_keys",
  {
    workspaceId: workspaceId(),
    key: text("key").notNull(),
    operation: text("operation").notNull(),
    inputHash: text("input_hash").notNull(),
    result: jsonb("result"),
    createdAt: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.workspaceId, table.key] }), index("idempotency_keys_created_at").on(table.createdAt)],
);

/** One row: what belongs to this database as a whole. */
export const installation = pgTable("installation", {
  id: primaryKeyId(),
  /** Message ids are flow ids enciphered with this key, so that a receipt leads to its flow without an index. */
  messageIdKey: bytea("message_id_key").notNull(),
  /** Part of every event cursor. Set it anew after a restore: transaction ids begin again there, and old cursors must be refused. */
  logGeneration: uuid("log_generation").notNull().default(sql`gen_random_uuid()`),
  /** The key that names are hashed with, sealed with RENTAK_ENCRYPTION_KEY: where it does not open, that is another one than this database was sealed with. */
  sealedNameKey: bytea("sealed_name_key"),
  /** The newest transaction whose events are no longer kept: a cursor from before it leads into a gap. Null while all are kept. */
  eventsDroppedTo: xid8("events_dropped_to"),
});
