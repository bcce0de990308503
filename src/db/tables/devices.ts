import { sql } from "drizzle-orm";
import { bigint, boolean, check, doublePrecision, index, integer, pgTable, text, unique, uuid } from "drizzle-orm/pg-core";
import { createdAt, instant, primaryKeyId, workspaceId } from "./columns.ts";

export const devices = pgTable(
  "devices",
  {
    id: primaryKeyId(),
    workspaceId: workspaceId(),
    name: text("name").notNull(),
    transport: text("transport").notNull(),
    status: text("status").notNull().default("OFFLINE"),
    statusReason: text("status_reason"),
    statusChangedAt: instant("status_changed_at").notNull().default(sql`clock_timestamp()`),
    pausedAt: instant("paused_at"),
    /** Its own number, E.164 without the plus sign, once it is paired. */
    phone: text("phone"),
    /** When WhatsApp began to restrict it last, and until when it is known or taken to. Its first contacts wait as long. */
    restrictedAt: instant("restricted_at"),
    restrictedUntil: instant("restricted_until"),
    /** An operator asks to have it paired; with a number, by a code to be typed on that phone. Taken back by its holder once that has begun. */
    pairingRequestedAt: instant("pairing_requested_at"),
    pairingPhone: text("pairing_phone"),
    /** An operator asks to have it logged out. Taken back by its holder once that is done. */
    logoutRequestedAt: instant("logout_requested_at"),
    hourlyLimit: integer("hourly_limit").notNull().default(80),
    dailyLimit: integer("daily_limit").notNull().default(800),
    /** Over so many days, from its first time online on, the limits grow to the whole; 0: they are whole from the beginning. */
    rampDays: integer("ramp_days").notNull().default(0),
    rampBeganAt: instant("ramp_began_at"),
    /** Paused because the workspace lets fewer devices send for now, not by an operator. */
    isHeldBack: boolean("is_held_back").notNull().default(false),
    simulatedLatencyMs: integer("simulated_latency_ms").notNull().default(200),
    simulatedFailureRate: doublePrecision("simulated_failure_rate").notNull().default(0),
    /** The process that holds it; nobody where null. Given by the coordinator, given up by its holder, or taken from a dead one. */
    nodeId: uuid("node_id"),
    /** Whom its holder is to hand it to. */
    wantedNodeId: uuid("wanted_node_id"),
    /** Its last holder died: a message may be on its way to the wire for one send deadline, which the next holder waits for. */
    quarantined: boolean("quarantined").notNull().default(false),
    /** Its people may be served by others now: it takes no flows, or has 50 messages in the hour. Kept up by its holder. */
    spills: boolean("spills").notNull().default(true),
    createdAt: createdAt(),
  },
  (table) => [
    index("devices_restricted").on(table.workspaceId).where(sql`restricted_until IS NOT NULL`),
    unique("devices_workspace_id_id").on(table.workspaceId, table.id),
    index("devices_workspace_id_node_id").on(table.workspaceId, table.nodeId),
    index("devices_node_id").on(table.nodeId),
    check("devices_transport", sql`${table.transport} IN ('WHATSAPP', 'SIMULATOR')`),
    check("devices_status", sql`${table.status} IN ('UNPAIRED', 'PAIRING', 'CONNECTING', 'ONLINE', 'OFFLINE', 'LOGGED_OUT', 'REPLACED', 'RESTRICTED', 'BANNED')`),
    check("devices_ramp", sql`${table.rampDays} BETWEEN 0 AND 90`),
    check("devices_held_back", sql`NOT ${table.isHeldBack} OR ${table.pausedAt} IS NOT NULL`),
    check("devices_limits", sql`${table.hourlyLimit} >= 1 AND ${table.dailyLimit} >= 1`),
    check("devices_failure_rate", sql`${table.simulatedFailureRate} BETWEEN 0 AND 1`),
    check("devices_latency", sql`${table.simulatedLatencyMs} BETWEEN 0 AND 600000`),
  ],
);

/** Every attempt of the last 25 hours: what the limits are counted from, and where unsettled attempts are looked for. */
export const deviceAttempts = pgTable(
  "device_attempts",
  {
    workspaceId: uuid("workspace_id").notNull(),
    deviceId: uuid("device_id").notNull(),
    flowId: uuid("flow_id").notNull(),
    at: instant("at").notNull(),
  },
  (table) => [index("device_attempts_device_at").on(table.deviceId, table.at), index("device_attempts_at").on(table.at)],
);

/** The running processes. */
export const nodes = pgTable("nodes", {
  id: primaryKeyId(),
  name: text("name").notNull().unique(),
  /** Counts up while the process lives. Others watch whether it stands still, by their own monotonic clock. */
  beat: bigint("beat", { mode: "number" }).notNull().default(0),
  /** How many devices it can hold. */
  capacity: integer("capacity").notNull().default(0),
  /** Raised when devices are given to it or asked back: it looks at once then. */
  orders: bigint("orders", { mode: "number" }).notNull().default(0),
  /** Which process of which machine it is, so that a successor of its name can see that it is gone. */
  process: text("process").notNull().default(""),
  devices: integer("devices").notNull().default(0),
  activeWorkers: integer("active_workers").notNull().default(0),
  lastTickAt: instant("last_tick_at"),
  lastTickMs: doublePrecision("last_tick_ms"),
  heartbeatAt: instant("heartbeat_at").notNull().default(sql`clock_timestamp()`),
  startedAt: instant("started_at").notNull().default(sql`clock_timestamp()`),
});

/** One row: which node does what is done once for all of them. */
export const coordinator = pgTable(
  "coordinator",
  {
    only: boolean("only").primaryKey().default(true),
    nodeId: uuid("node_id"),
    /** Every attempt before this time is settled. Bounds the search for those that are not. */
    settledUntil: instant("settled_until").notNull().default(sql`'-infinity'`),
  },
  (table) => [check("coordinator_only", sql`${table.only}`)],
);
