import { sql } from "drizzle-orm";
import { type AnyPgColumn, bigint, boolean, foreignKey, pgTable, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import { bytea, instant, workspaceId } from "./columns.ts";
import { devices } from "./devices.ts";

// What is sealed here is encrypted with the installation's key, and bound to its device: copied into another device's row, it does not open.

/** Gone with the device. */
const ofDevice = (table: { workspaceId: AnyPgColumn; deviceId: AnyPgColumn }) =>
  foreignKey({ columns: [table.workspaceId, table.deviceId], foreignColumns: [devices.workspaceId, devices.id] }).onDelete("cascade");

/** What a paired device logs in with. */
export const whatsappCredentials = pgTable(
  "whatsapp_credentials",
  {
    deviceId: uuid("device_id").primaryKey(),
    workspaceId: workspaceId(),
    sealed: bytea("sealed").notNull(),
    updatedAt: instant("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [ofDevice(table)],
);

/** The keys of a device's conversations. */
export const whatsappKeys = pgTable(
  "whatsapp_keys",
  {
    deviceId: uuid("device_id").notNull(),
    /** A keyed hash of the key's kind and name: the names hold phone numbers. */
    name: bytea("name").notNull(),
    workspaceId: workspaceId(),
    sealed: bytea("sealed").notNull(),
  },
  (table) => [primaryKey({ columns: [table.deviceId, table.name] }), ofDevice(table)],
);

/** What was received and not yet worked in: written together with the key that it was decrypted with, which opens it once and never again. */
export const whatsappInbox = pgTable(
  "whatsapp_inbox",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    workspaceId: workspaceId(),
    deviceId: uuid("device_id").notNull(),
    messageId: text("message_id").notNull(),
    sealed: bytea("sealed").notNull(),
    receivedAt: instant("received_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [unique("whatsapp_inbox_device_id_message_id").on(table.deviceId, table.messageId), ofDevice(table)],
);

/** Which numbers are on WhatsApp. */
export const whatsappNumbers = pgTable(
  "whatsapp_numbers",
  {
    workspaceId: workspaceId(),
    /** E.164 without the plus sign. */
    phone: text("phone").notNull(),
    isOnWhatsapp: boolean("is_on_whatsapp").notNull(),
    checkedAt: instant("checked_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [primaryKey({ columns: [table.workspaceId, table.phone] })],
);

/** What is shown while a device is being paired: gone once that has ended. */
export const devicePairings = pgTable(
  "device_pairings",
  {
    deviceId: uuid("device_id").primaryKey(),
    workspaceId: workspaceId(),
    /** The QR code or the eight characters. */
    sealed: bytea("sealed").notNull(),
    expiresAt: instant("expires_at").notNull(),
    updatedAt: instant("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [ofDevice(table)],
);
