// Media in Postgres: each content once in a workspace, whoever sends it and however often it was uploaded.

import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { ok } from "../lib/errors.ts";
import { textArray } from "../db/arrays.ts";
import type { MediaKind } from "./kinds.ts";

export type Media = {
  readonly id: string;
  readonly kind: MediaKind;
  /** A document's; empty for others. */
  readonly fileName: string;
  readonly contentType: string;
  readonly sizeBytes: number;
};

export type NewMedia = Omit<Media, "id" | "sizeBytes"> & { readonly bytes: Buffer };

const COLUMNS = sql`m.id, m.kind, m.file_name AS "fileName", c.content_type AS "contentType", c.size_bytes AS "sizeBytes"`;
const TABLES = sql`media m JOIN media_contents c ON c.workspace_id = m.workspace_id AND c.sha256 = m.sha256`;

export async function mediaById(db: WorkspaceDb, ids: readonly string[]): Promise<Media[]> {
  return db.read(async (tx) => (await tx.execute<Media>(sql`SELECT ${COLUMNS} FROM ${TABLES} WHERE m.workspace_id = ${db.id} AND m.id = ANY (${textArray(ids)}::uuid[])`)).rows);
}

/** As what media is sent, within a transaction; null where there is none. */
export async function chosenMedia(tx: Tx, workspaceId: string, id: string | null): Promise<Pick<Media, "id" | "kind"> | null> {
  if (id === null) return null;
  const { rows } = await tx.execute<Pick<Media, "id" | "kind">>(sql`SELECT id, kind FROM media WHERE workspace_id = ${workspaceId} AND id = ${id}`);
  return rows[0] ?? null;
}

/** Keeps the content where it is not kept yet. The same content, sent as the same, is the same media. */
export async function saveMedia(db: WorkspaceDb, { bytes, contentType, kind, fileName }: NewMedia): Promise<Media> {
  const sha256 = createHash("sha256").update(bytes).digest();
  return written(db, sha256, kind, fileName, { bytes, contentType });
}

/** The content of `id`, sent as something else. */
export async function saveMediaAs(db: WorkspaceDb, id: string, kind: MediaKind, fileName: string): Promise<Media> {
  const { rows } = await db.read((tx) => tx.execute<{ sha256: Buffer }>(sql`SELECT sha256 FROM media WHERE workspace_id = ${db.id} AND id = ${id}`));
  if (!rows[0]) throw new Error("media that was found a moment ago is gone");
  return written(db, rows[0].sha256, kind, fileName);
}

async function written(db: WorkspaceDb, sha256: Buffer, kind: MediaKind, fileName: string, content?: Pick<NewMedia, "bytes" | "contentType">): Promise<Media> {
  const result = await db.write(async (tx) => {
    if (content) {
      await tx.execute(sql`
        INSERT INTO media_contents (workspace_id, sha256, content_type, size_bytes, bytes)
        VALUES (${db.id}, ${sha256}, ${content.contentType}, ${content.bytes.length}, ${content.bytes}) ON CONFLICT DO NOTHING`);
    }
    await tx.execute(sql`INSERT INTO media (workspace_id, sha256, kind, file_name) VALUES (${db.id}, ${sha256}, ${kind}, ${fileName}) ON CONFLICT DO NOTHING`);
    // In a statement of its own: what another transaction has just written is not in the snapshot of the one that it was in the way of.
    const { rows } = await tx.execute<Media>(
      sql`SELECT ${COLUMNS} FROM ${TABLES} WHERE m.workspace_id = ${db.id} AND m.sha256 = ${sha256} AND m.kind = ${kind} AND m.file_name = ${fileName}`,
    );
    if (!rows[0]) throw new Error("media that was written is not there");
    return ok(rows[0]);
  });
  if (!result.ok) throw new Error("writing media is never refused");
  return result.value;
}

export type MediaFile = Pick<Media, "contentType" | "fileName"> & { readonly bytes: Buffer };

export async function mediaFile(db: WorkspaceDb, id: string): Promise<MediaFile | null> {
  const { rows } = await db.read((tx) => tx.execute<MediaFile>(sql`SELECT m.file_name AS "fileName", c.content_type AS "contentType", c.bytes FROM ${TABLES} WHERE m.workspace_id = ${db.id} AND m.id = ${id}`));
  return rows[0] ?? null;
}
