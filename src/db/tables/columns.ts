import { sql } from "drizzle-orm";
import { customType, timestamp, uuid } from "drizzle-orm/pg-core";

/** The workspace that exists from the first migration on. What plain SQL inserts without naming a workspace belongs to it. */
export const DEFAULT_WORKSPACE_ID = "01900000-0000-7000-8000-000000000001";

/** Keys are ordered by time (UUIDv7), so that new rows land on the same few pages and a month is a range of keys. */
export const primaryKeyId = () => uuid("id").primaryKey().default(sql`uuid_v7()`);

export const workspaceId = () => uuid("workspace_id").notNull().default(DEFAULT_WORKSPACE_ID);

/** Milliseconds, as JavaScript has them: a finer time in a page cursor would skip rows (733 rows paged as 413). */
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

export const createdAt = () => instant("created_at").notNull().default(sql`clock_timestamp()`);

export const bytea = customType<{ data: Buffer }>({ dataType: () => "bytea" });

export const xid8 = customType<{ data: string }>({ dataType: () => "xid8" });
