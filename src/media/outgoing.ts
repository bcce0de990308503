// Media on their way out: how a transport wants them, and their files.

import { LRUCache } from "lru-cache";
import type pg from "pg";

/** SQL: the column `media`, an OutgoingMedia by the id in `id`, or null. Its tables have names that no statement gives its own. */
export const outgoingMedia = (id: string): string => `(
         SELECT json_build_object('id', own.id, 'kind', own.kind, 'fileName', own.file_name, 'contentType', file.content_type, 'sha256', encode(own.sha256, 'hex'))
           FROM media own JOIN media_contents file ON file.workspace_id = own.workspace_id AND file.sha256 = own.sha256 WHERE own.id = ${id}) AS media`;

/** Of all devices together: a campaign's picture is read once, and not by each of three thousand. */
const MOST_BYTES = 64_000_000;

/** Reads files by the id of their media; null where there is none. */
export function createMediaContents(pool: pg.Pool): (mediaId: string) => Promise<Buffer | null> {
  const kept = new LRUCache<string, Buffer>({ maxSize: MOST_BYTES, sizeCalculation: (bytes) => Math.max(bytes.length, 1) });
  const reading = new Map<string, Promise<Buffer | null>>();

  const read = async (id: string): Promise<Buffer | null> => {
    try {
      const { rows } = await pool.query<{ bytes: Buffer }>("SELECT c.bytes FROM media m JOIN media_contents c ON c.workspace_id = m.workspace_id AND c.sha256 = m.sha256 WHERE m.id = $1", [id]);
      const bytes = rows[0]?.bytes ?? null;
      if (bytes) kept.set(id, bytes);
      return bytes;
    } finally {
      reading.delete(id);
    }
  };

  return async (id) => {
    const bytes = kept.get(id);
    if (bytes) return bytes;
    const begun = reading.get(id) ?? read(id);
    reading.set(id, begun);
    return begun;
  };
}
