// A fleet goes into service a part at a time: only so many of a workspace's devices send, the oldest first. The others are paused until their turn comes, connected, and by
// the same gates as those that an operator has paused, who keeps his own apart.

import { sql } from "drizzle-orm";
import type { Tx } from "../db/workspace.ts";

/** To be called in the transaction of every change of which devices there are, which are paused, and how many may send. */
export async function holdBack(tx: Tx, workspaceId: string): Promise<void> {
  await tx.execute(sql`
    WITH own AS MATERIALIZED (SELECT max_sending_devices AS most FROM workspaces WHERE id = ${workspaceId} FOR NO KEY UPDATE),   -- one change after the other
    ranked AS (
      SELECT d.id, row_number() OVER (ORDER BY d.id) > own.most IS TRUE AS is_beyond
        FROM devices d CROSS JOIN own WHERE d.workspace_id = ${workspaceId} AND (d.paused_at IS NULL OR d.is_held_back))
    UPDATE devices d SET is_held_back = r.is_beyond, paused_at = CASE WHEN r.is_beyond THEN clock_timestamp() END
      FROM ranked r WHERE d.id = r.id AND d.is_held_back <> r.is_beyond`);
}
