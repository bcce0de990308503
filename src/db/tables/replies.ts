import { sql } from "drizzle-orm";
import { boolean, index, pgTable, text, unique, uuid } from "drizzle-orm/pg-core";
import { instant, primaryKeyId, workspaceId } from "./columns.ts";

/** What people wrote back. */
export const replies = pgTable(
  "replies",
  {
    id: primaryKeyId(),
    workspaceId: workspaceId(),
    deviceId: uuid("device_id").notNull(),
    /** WhatsApp's own id of the message: one that is delivered again is the same reply. */
    messageId: text("message_id").notNull(),
    /** Null where nobody of this workspace has the number. */
    leadId: uuid("lead_id"),
    text: text("text").notNull(),
    optedOut: boolean("opted_out").notNull(),
    /** When it was written. */
    at: instant("at").notNull(),
    receivedAt: instant("received_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [
    unique("replies_device_id_message_id").on(table.deviceId, table.messageId),
    index("replies_lead_id").on(table.leadId, table.at).where(sql`lead_id IS NOT NULL`),
  ],
);
