import type pg from "pg";
import type { Place } from "./cursor.ts";
import type { EventType } from "./types.ts";

type Queryable = Pick<pg.ClientBase, "query">;

export type EventRow = {
  readonly id: string;
  readonly xid: string;
  readonly index: number;
  readonly workspaceId: string;
  readonly type: EventType;
  readonly at: Date;
  readonly flowId: string | null;
  readonly sequenceId: string | null;
  readonly campaignId: string | null;
  readonly deviceId: string | null;
  readonly status: string | null;
  readonly previousStatus: string | null;
  readonly reason: string | null;
  readonly replyId: string | null;
  readonly enrollmentId: string | null;
  readonly leadId: string | null;
  readonly webhookEndpointId: string | null;
};

const COLUMNS = `id, xid::text, place::int AS index, workspace_id AS "workspaceId", type, at, flow_id AS "flowId", sequence_id AS "sequenceId", campaign_id AS "campaignId", device_id AS "deviceId",
  status, previous_status AS "previousStatus", reason, reply_id AS "replyId", enrollment_id AS "enrollmentId", lead_id AS "leadId", webhook_endpoint_id AS "webhookEndpointId"`;

/** Everything that has committed since `seen`, for all workspaces, and the snapshot that it was read with. A statement sees exactly what its
 *  snapshot shows, so that the next call goes on from there: nothing skipped, and a transaction that stays open elsewhere delays nobody. */
export async function readNew(pool: Queryable, seen: string, limit: number): Promise<{ snapshot: string; rows: EventRow[]; complete: boolean }> {
  const { rows } = await pool.query<EventRow & { snapshot: string }>({
    name: "events_new",
    // As one condition with OR it would scan the whole log.
    text: `
      WITH fresh AS (
        (SELECT * FROM events WHERE xid >= pg_snapshot_xmax($1::pg_snapshot) ORDER BY xid, id, place LIMIT $2)
         UNION ALL
        (SELECT * FROM events WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot))) ORDER BY xid, id, place LIMIT $2))
      SELECT s.snapshot::text, f.* FROM (SELECT pg_current_snapshot() AS snapshot) AS s
        LEFT JOIN (SELECT ${COLUMNS}, xid AS of_xid FROM fresh) AS f ON true ORDER BY f.of_xid, f.id, f.index`,
    values: [seen, limit],
  });
  const found = rows.filter((row) => row.id !== null);
  return { snapshot: rows[0]?.snapshot ?? seen, rows: found, complete: found.length < limit };
}

/** A page of one workspace's events that `until` shows and `seen` does not, in order, after `place`. */
export async function readBetween(
  pool: Queryable,
  workspaceId: string,
  span: { readonly seen: string; readonly until: string; readonly place: Place | undefined },
  limit: number,
): Promise<EventRow[]> {
  const { rows } = await pool.query<EventRow>({
    name: "events_between",
    text: `
      SELECT ${COLUMNS} FROM events
       WHERE workspace_id = $1
         AND (xid, id) >= ($4::xid8, $5::uuid) AND (xid, id, place) > ($4::xid8, $5::uuid, $6::int)      -- the first for the index
         AND xid >= pg_snapshot_xmin($2::pg_snapshot) AND xid < pg_snapshot_xmax($3::pg_snapshot)
         AND NOT pg_visible_in_snapshot(xid, $2::pg_snapshot) AND pg_visible_in_snapshot(xid, $3::pg_snapshot)
       ORDER BY events.xid, id, place LIMIT $7`,
    values: [workspaceId, span.seen, span.until, span.place?.xid ?? "0", span.place?.id ?? "00000000-0000-0000-0000-000000000000", span.place?.index ?? 0, limit],
  });
  return rows;
}

/** What has committed by now, as a pg_snapshot. */
export async function currentSnapshot(pool: Queryable): Promise<string> {
  const { rows } = await pool.query<{ snapshot: string }>("SELECT pg_current_snapshot()::text AS snapshot");
  if (rows[0] === undefined) throw new Error("Postgres gave no snapshot");
  return rows[0].snapshot;
}

/** Whether all that has happened since `seen` is still there. */
export async function isKept(pool: Queryable, seen: string): Promise<boolean> {
  const { rows } = await pool.query<{ kept: boolean }>("SELECT coalesce(events_dropped_to < pg_snapshot_xmin($1::pg_snapshot), true) AS kept FROM installation", [seen]);
  return rows[0]?.kept ?? false;
}
