// A fleet goes into service a part at a time: only so many of a workspace's devices send, the oldest first. The others are paused until their turn comes, connected, and by
// the same gates as those that an operator has paused, who keeps his own apart.

import { sql } from "drizzle-orm";
import type { Tx } from "../db/workspace.ts";

/** One change after the other. First in the transaction: a statement that waits for the lock itself goes by what it saw before, and two that hold devices wait for each other. */
export const lockDevices = (tx: Tx, workspaceId: string): Promise<unknown> => tx.execute(sql`SELECT FROM workspaces WHERE id = ${workspaceId} FOR NO KEY UPDATE`);

/** To be called at the end of every change of which devices there are, which are paused, and how many may send, under their lock. */
export async function holdBack(tx: Tx, workspaceId: string): Promise<void> {
  await tx.execute(sql`
    WITH own AS MATERIALIZED (SELECT max_sending_devices AS most FROM workspaces WHERE id = ${workspaceId}),
    ranked AS (
      SELECT d.id, row_number() OVER (ORDER BY d.id) > own.most IS TRUE AS is_beyond
        FROM devices d CROSS JOIN own WHERE d.workspace_id = ${workspaceId} AND (d.paused_at IS NULL OR d.is_held_back))
    UPDATE devices d SET is_held_back = r.is_beyond, paused_at = CASE WHEN r.is_beyond THEN clock_timestamp() END
      FROM ranked r WHERE d.id = r.id AND d.is_held_back <> r.is_beyond`);
}
