import { sql } from "drizzle-orm";
import { bigint, check, foreignKey, index, integer, jsonb, pgTable, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import { bytea, createdAt, instant, primaryKeyId, workspaceId } from "./columns.ts";

export const leads = pgTable(
  "leads",
  {
    id: primaryKeyId(),
    workspaceId: workspaceId(),
    /** E.164 without the plus sign. */
    phone: text("phone").notNull(),
    name: text("name"),
    niche: text("niche"),
    /** The words set now, comma-separated. However it is written, a database trigger puts what was added into enrollment_queue. */
    trigger: text("trigger"),
    attributes: jsonb("attributes").$type<Record<string, unknown>>().notNull().default({}),
    timeZone: text("time_zone"),
    preferredDeviceId: uuid("preferred_device_id"),
    lastDeviceId: uuid("last_device_id"),
    importId: uuid("import_id"),
    consentSource: text("consent_source"),
    consentAt: instant("consent_at"),
    optedOutAt: instant("opted_out_at"),
    optOutReason: text("opt_out_reason"),
    lastRepliedAt: instant("last_replied_at"),
    /** The device that this person wrote to last: who has one is no first contact for it. */
    repliedDeviceId: uuid("replied_device_id"),
    createdAt: createdAt(),
  },
  (table) => [
    // The number first: operators look for one in SQL without naming a workspace.
    unique("leads_phone_workspace_id").on(table.phone, table.workspaceId),
    unique("leads_workspace_id_id").on(table.workspaceId, table.id),
    index("leads_workspace_id_niche").on(table.workspaceId, table.niche),
    index("leads_replied").on(table.workspaceId, table.lastRepliedAt).where(sql`last_replied_at IS NOT NULL`),
    index("leads_replied_device").on(table.repliedDeviceId, table.lastRepliedAt).where(sql`replied_device_id IS NOT NULL`),
    index("leads_workspace_id_created_at").on(table.workspaceId, table.createdAt, table.id),
    index("leads_opted_out").on(table.workspaceId, table.id).where(sql`opted_out_at IS NOT NULL`),
    index("leads_preferred_device").on(table.workspaceId, table.preferredDeviceId).where(sql`preferred_device_id IS NOT NULL`),
    index("leads_attributes").using("gin", table.attributes.op("jsonb_path_ops")),
    index("leads_import_id").on(table.importId).where(sql`${table.importId} IS NOT NULL`),
    check("leads_phone", sql`${table.phone} ~ '^[1-9][0-9]{5,14}$'`),
    check("leads_trigger_length", sql`length(${table.trigger}) <= 1000`),
    check("leads_attributes", sql`jsonb_typeof(${table.attributes}) = 'object'`),
    check("leads_consent", sql`(${table.consentSource} IS NULL) = (${table.consentAt} IS NULL)`),
  ],
);

/** When each lead was written to last, as far back as its workspace's frequency cap looks. Only workspaces that have one write it. */
export const leadPace = pgTable("lead_pace", {
  leadId: uuid("lead_id").primaryKey(),
  workspaceId: uuid("workspace_id").notNull(),
  /** The last attempts, the oldest first, no more of them than the cap allows. */
  attemptedAt: instant("attempted_at").array().notNull(),
});

/** Words that were added to leads and wait to be looked at. Append-only and without a unique key: a key with DO NOTHING lost words. */
export const enrollmentQueue = pgTable(
  "enrollment_queue",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    workspaceId: uuid("workspace_id").notNull(),
    leadId: uuid("lead_id").notNull(),
    trigger: text("trigger").notNull(),
  },
  (table) => [index("enrollment_queue_workspace_id").on(table.workspaceId, table.id)],
);

/** Who had opted out before being erased: a keyed hash of the number, of which nobody can tell whose it is, but whether one that comes back is it. */
export const keptOptOuts = pgTable(
  "kept_opt_outs",
  { workspaceId: workspaceId(), hash: bytea("hash").notNull() },
  (table) => [primaryKey({ columns: [table.workspaceId, table.hash] })],
);

/** Leads that SQL wrote, in workspaces with opt-outs of erased people: not enrolled until their numbers have been held against those. */
export const unscreenedLeads = pgTable("unscreened_leads", { leadId: uuid("lead_id").primaryKey(), workspaceId: uuid("workspace_id").notNull() });

/** Leads that are gone. What an attempt under way writes of one after it was erased is removed by a sweep, a while later. */
export const erasures = pgTable(
  "erasures",
  {
    leadId: uuid("lead_id").primaryKey(),
    workspaceId: uuid("workspace_id").notNull(),
    erasedAt: instant("erased_at").notNull().default(sql`clock_timestamp()`),
    sweptAt: instant("swept_at"),
  },
  (table) => [index("erasures_unswept").on(table.erasedAt).where(sql`swept_at IS NULL`)],
);

export const leadImports = pgTable(
  "lead_imports",
  {
    id: primaryKeyId(),
    workspaceId: workspaceId(),
    fileName: text("file_name").notNull(),
    /** The file's first line and what separates its cells: what the refused rows are given back under. */
    header: text("header").array().notNull().default(sql`'{}'`),
    delimiter: text("delimiter").notNull().default(","),
    /** Which process reads the file; '' where that was not kept yet. */
    process: text("process").notNull().default(""),
    status: text("status").notNull().default("RUNNING"),
    bytesTotal: bigint("bytes_total", { mode: "number" }),
    bytesRead: bigint("bytes_read", { mode: "number" }).notNull().default(0),
    rowsRead: integer("rows_read").notNull().default(0),
    rowsCreated: integer("rows_created").notNull().default(0),
    rowsUpdated: integer("rows_updated").notNull().default(0),
    rowsRejected: integer("rows_rejected").notNull().default(0),
    /** Raised with every batch; one that stands still belongs to a process that died. */
    progressAt: instant("progress_at").notNull().default(sql`clock_timestamp()`),
    startedAt: instant("started_at").notNull().default(sql`clock_timestamp()`),
    finishedAt: instant("finished_at"),
  },
  (table) => [
    unique("lead_imports_workspace_id_id").on(table.workspaceId, table.id),
    check("lead_imports_status", sql`${table.status} IN ('RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')`),
  ],
);

export const leadImportRejects = pgTable(
  "lead_import_rejects",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    workspaceId: workspaceId(),
    importId: uuid("import_id").notNull(),
    line: integer("line").notNull(),
    reason: text("reason").notNull(),
    /** The whole row. */
    raw: text("raw").notNull(),
  },
  (table) => [
    index("lead_import_rejects_import_id").on(table.importId, table.id),
    foreignKey({ columns: [table.workspaceId, table.importId], foreignColumns: [leadImports.workspaceId, leadImports.id] }),
  ],
);
