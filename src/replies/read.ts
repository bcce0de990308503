import { and, eq } from "drizzle-orm";
import { isOneOf } from "../db/ids.ts";
import { replies } from "../db/tables/replies.ts";
import type { WorkspaceDb } from "../db/workspace.ts";

export type Reply = typeof replies.$inferSelect;

/** In the order of the ids; undefined where one is gone. */
export async function repliesById(db: WorkspaceDb, ids: readonly string[]): Promise<(Reply | undefined)[]> {
  const rows = await db.read((tx) =>
    tx
      .select()
      .from(replies)
      .where(and(eq(replies.workspaceId, db.id), isOneOf(replies.id, ids)))
      .prepare("replies_by_id")
      .execute(),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id));
}
