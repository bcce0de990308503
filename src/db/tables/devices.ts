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
    hourlyLimit: integer("hourly_limit").notNull().default(80),
    dailyLimit: integer("daily_limit").notNull().default(800),
    simulatedLatencyMs: integer("simulated_latency_ms").notNull().default(200),
    simulatedFailureRate: doublePrecision("simulated_failure_rate").notNull().default(0),
    createdAt: createdAt(),
  },
  (table) => [
    unique("devices_workspace_id_id").on(table.workspaceId, table.id),
    check("devices_transport", sql`${table.transport} IN ('SIMULATOR')`),
    check("devices_status", sql`${table.status} IN ('CONNECTING', 'ONLINE', 'OFFLINE')`),
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
  devices: integer("devices").notNull().default(0),
  activeWorkers: integer("active_workers").notNull().default(0),
  lastTickAt: instant("last_tick_at"),
  lastTickMs: doublePrecision("last_tick_ms"),
  heartbeatAt: instant("heartbeat_at").notNull().default(sql`clock_timestamp()`),
  startedAt: instant("started_at").notNull().default(sql`clock_timestamp()`),
});

/** One row: who dispatches. */
export const dispatchLease = pgTable(
  "dispatch_lease",
  {
    only: boolean("only").primaryKey().default(true),
    nodeId: uuid("node_id"),
    /** Raised by each takeover under FOR UPDATE; an attempt names the epoch it was made in and fails when that is over. */
    epoch: bigint("epoch", { mode: "number" }).notNull().default(0),
    /** Every attempt before this time is settled. Bounds the search for those that are not. */
    settledUntil: instant("settled_until").notNull().default(sql`'-infinity'`),
  },
  (table) => [check("dispatch_lease_only", sql`${table.only}`)],
);
