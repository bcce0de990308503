// From the event log to deliveries. An endpoint's place in the log moves on in the transaction that makes the deliveries: whatever crashes, each event becomes one.

import type pg from "pg";
import { plainColumn, textArray } from "../db/arrays.ts";
import { decodeCursor, encodeCursor, type Place, type Position } from "../events/cursor.ts";
import { currentSnapshot, type EventRow, readBetween } from "../events/read.ts";
import { CursorError } from "../events/types.ts";
import type { WebhookContent } from "./message.ts";

const PAGE = 500;

/** So many are owed to an endpoint at most. More wait in the log: what is dead for three days must not fill a table. */
const MOST_PENDING = 1000;

type Endpoint = { readonly workspaceId: string; readonly position: string; readonly eventTypes: readonly string[]; readonly pending: number };

/** "more": there may be more to feed at once; "full": as soon as some of what is owed has been taken; "busy": another process does it. */
export type Fed = "more" | "done" | "full" | "busy";

/** A page of the log. To be run in a transaction. */
export async function feedEndpoint(client: pg.PoolClient, endpointId: string, generation: string): Promise<Fed> {
  const { rows: [endpoint] } = await client.query<Endpoint>(
    `SELECT e.workspace_id AS "workspaceId", e.position, e.event_types AS "eventTypes",
            (SELECT count(*)::int FROM (SELECT FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.settled_at IS NULL LIMIT ${MOST_PENDING}) AS owed) AS pending
       FROM webhook_endpoints e WHERE e.id = $1 AND e.disabled_at IS NULL FOR UPDATE SKIP LOCKED`,
    [endpointId],
  );
  if (endpoint === undefined) return "busy";
  if (endpoint.pending >= MOST_PENDING) return "full";
  const now = await currentSnapshot(client);
  const position = positionOf(endpoint.position, generation, now);
  const span = { seen: position.seen, until: position.within?.until ?? now, place: position.within?.place };
  const rows = await readBetween(client, endpoint.workspaceId, span, PAGE);
  const wanted = rows.filter(({ type }) => endpoint.eventTypes.includes(type));
  if (wanted.length > 0) await insert(client, endpoint.workspaceId, endpointId, wanted, contentAt({ generation, ...span }));
  const isWhole = rows.length < PAGE;
  const last = rows.at(-1);
  const next: Position = isWhole || last === undefined ? { generation, seen: span.until } : { generation, seen: span.seen, within: { until: span.until, place: placeOf(last) } };
  await client.query("UPDATE webhook_endpoints SET position = $2 WHERE id = $1", [endpointId, encodeCursor(next)]);
  return isWhole && position.within === undefined ? "done" : "more";
}

/** A place in a log that this one has replaced leads nowhere: what was lost then cannot be told, and telling goes on from now. */
function positionOf(cursor: string, generation: string, now: string): Position {
  try {
    return decodeCursor(cursor, generation);
  } catch (error) {
    if (error instanceof CursorError) return { generation, seen: now };
    throw error;
  }
}

const placeOf = ({ xid, id, index }: EventRow): Place => ({ xid, id, index });

/** With its cursor, by which a receiver can go on from there by a subscription. */
const contentAt =
  ({ generation, seen, until }: { readonly generation: string; readonly seen: string; readonly until: string }) =>
  (row: EventRow): WebhookContent => {
    const { id: _id, xid: _xid, index: _index, workspaceId: _workspaceId, at, type, ...rest } = row;
    const cursor = encodeCursor({ generation, seen, within: { until, place: placeOf(row) } });
    return { type, at: at.toISOString(), cursor, ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null)) };
  };

async function insert(client: pg.PoolClient, workspaceId: string, endpointId: string, rows: readonly EventRow[], contentOf: (row: EventRow) => WebhookContent): Promise<void> {
  await client.query(
    `INSERT INTO webhook_deliveries (workspace_id, endpoint_id, event_key, content)
     SELECT $1, $2, w.key, w.content FROM unnest($3::text[], $4::jsonb[]) WITH ORDINALITY AS w(key, content, place) ORDER BY place
     ON CONFLICT (endpoint_id, event_key) DO NOTHING    -- an operator who sets position back gets nothing twice`,
    [workspaceId, endpointId, plainColumn(rows, ({ id, index }) => `${id}:${index}`), textArray(rows.map((row) => JSON.stringify(contentOf(row))))],
  );
}
