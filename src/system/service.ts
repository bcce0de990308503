import { asc, sql } from "drizzle-orm";
import { nodes } from "../db/tables/devices.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import { dailyLimitOf, hourlyLimitOf } from "../devices/ramp.ts";

export type NodeStatus = typeof nodes.$inferSelect;

/** Processes that live: one that died leaves its row behind. */
export const runningNodes = (db: WorkspaceDb): Promise<NodeStatus[]> =>
  db.read((tx) =>
    tx
      .select()
      .from(nodes)
      .where(sql`${nodes.heartbeatAt} > now() - interval '1 minute'`)
      .orderBy(asc(nodes.name)),
  );

export async function deviceCounts(db: WorkspaceDb): Promise<{ readonly online: number; readonly available: number }> {
  const { rows } = await db.read((tx) =>
    tx.execute<{ online: number; available: number }>(sql`
      SELECT count(*)::int AS online,
             (count(*) FILTER (WHERE d.paused_at IS NULL
               AND (SELECT count(*) FROM device_attempts a WHERE a.device_id = d.id AND a.at > now() - interval '1 hour') < ${sql.raw(hourlyLimitOf("d"))}
               AND (SELECT count(*) FROM device_attempts a WHERE a.device_id = d.id AND a.at > now() - interval '24 hours') < ${sql.raw(dailyLimitOf("d"))}))::int AS available
        FROM devices d WHERE d.workspace_id = ${db.id} AND d.status = 'ONLINE'`),
  );
  return rows[0] ?? { online: 0, available: 0 };
}

/** Due, and not attempted yet. A lane's time stands still while it is paused: nothing of it is due then. Outside of its window or in quiet hours no device could
 *  send what is due: that does not count as late. */
export async function dueFlows(db: WorkspaceDb): Promise<{ readonly count: number; readonly oldestSeconds: number }> {
  const { rows } = await db.read((tx) =>
    tx.execute<{ count: number; seconds: number }>(sql`
      SELECT coalesce(sum(due.flows), 0)::int AS count,
             coalesce(max(extract(epoch FROM lane_time(now(), NULL, l.pause_offset) - due.oldest)) FILTER (WHERE now() BETWEEN l.open_from AND l.open_until), 0)::float8 AS seconds
        FROM lanes l
       CROSS JOIN LATERAL (SELECT count(*) AS flows, min(f.due_at) AS oldest FROM flows f
                            WHERE f.lane_id = l.id AND f.queued AND f.due_at <= lane_time(now(), NULL, l.pause_offset)) AS due
       WHERE l.workspace_id = ${db.id} AND l.paused_at IS NULL`),
  );
  return { count: rows[0]?.count ?? 0, oldestSeconds: rows[0]?.seconds ?? 0 };
}

export async function processingFlows(db: WorkspaceDb): Promise<number> {
  const { rows } = await db.read((tx) =>
    tx.execute<{ count: number }>(sql`SELECT count(*)::int AS count FROM processing_flows WHERE workspace_id = ${db.id}`),
  );
  return rows[0]?.count ?? 0;
}

/** Found through the event log, whose keys are ordered by time: an index on flows would slow every settle. */
export async function lastMinute(db: WorkspaceDb): Promise<{ readonly sent: number; readonly failed: number }> {
  const { rows } = await db.read((tx) =>
    tx.execute<{ sent: number; failed: number }>(sql`
      SELECT (count(*) FILTER (WHERE type = 'FLOW_SENT'))::int AS sent, (count(*) FILTER (WHERE type = 'FLOW_FAILED'))::int AS failed
        FROM events WHERE workspace_id = ${db.id} AND id >= uuid_v7_floor(now() - interval '1 minute')`),
  );
  return { sent: rows[0]?.sent ?? 0, failed: rows[0]?.failed ?? 0 };
}
