import { and, eq, inArray } from "drizzle-orm";
import { replies } from "../db/tables/replies.ts";
import type { WorkspaceDb } from "../db/workspace.ts";

export type Reply = typeof replies.$inferSelect;

/** In the order of the ids; undefined where one is gone. */
export async function repliesById(db: WorkspaceDb, ids: readonly string[]): Promise<(Reply | undefined)[]> {
  const rows = await db.read((tx) =>
    tx
      .select()
      .from(replies)
      .where(and(eq(replies.workspaceId, db.id), inArray(replies.id, [...ids]))),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id));
}
