import { sql } from "drizzle-orm";
import { check, foreignKey, integer, pgTable, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import type { MediaKind } from "../../media/kinds.ts";
import { bytea, createdAt, primaryKeyId } from "./columns.ts";

/** Files as they were fetched or uploaded, each content once in a workspace. Never written again. */
export const mediaContents = pgTable(
  "media_contents",
  {
    workspaceId: uuid("workspace_id").notNull(),
    sha256: bytea("sha256").notNull(),
    /** By what the content shows, not by what somebody called it. */
    contentType: text("content_type").notNull(),
    sizeBytes: integer("size_bytes").notNull(),
    bytes: bytea("bytes").notNull(),
    createdAt: createdAt(),
  },
  (table) => [primaryKey({ columns: [table.workspaceId, table.sha256] }), check("media_contents_size", sql`${table.sizeBytes} = length(${table.bytes}) AND length(${table.sha256}) = 32`)],
);

/** A content, and as what it is sent. Never written again: who changes a step's media gives it another. */
export const media = pgTable(
  "media",
  {
    id: primaryKeyId(),
    workspaceId: uuid("workspace_id").notNull(),
    sha256: bytea("sha256").notNull(),
    kind: text("kind").$type<MediaKind>().notNull(),
    /** A document's, as the recipient sees it; empty for others. */
    fileName: text("file_name").notNull().default(""),
    createdAt: createdAt(),
  },
  (table) => [
    unique("media_workspace_id_id").on(table.workspaceId, table.id),
    unique("media_content").on(table.workspaceId, table.sha256, table.kind, table.fileName),
    foreignKey({ columns: [table.workspaceId, table.sha256], foreignColumns: [mediaContents.workspaceId, mediaContents.sha256] }),
    check("media_kind", sql`${table.kind} IN ('IMAGE', 'VIDEO', 'DOCUMENT', 'AUDIO', 'VOICE_NOTE')`),
  ],
);
