// Where a reader stands in the event log. Not a number: transactions commit in another order than they began, and a reader that remembered
// "up to 17" would skip a 16 that commits late. What has been seen is therefore a snapshot of transactions, as Postgres itself keeps it.

import { CursorError } from "./types.ts";

/** An event's place among those of one snapshot: its transaction, its batch, and which of the batch. */
export type Place = { readonly xid: string; readonly id: string; readonly index: number };

export type Position = {
  /** The log that the snapshot belongs to: transaction ids begin again after a restore. */
  readonly generation: string;
  /** All that this pg_snapshot shows has been seen. */
  readonly seen: string;
  /** And of what `until` shows beyond that, all up to `place`: somewhere in the middle of a batch. */
  readonly within?: { readonly until: string; readonly place: Place };
};

const SNAPSHOT = /^(\d{1,20}):(\d{1,20}):(\d{1,20}(?:,\d{1,20})*)?$/;
const XID = /^\d{1,20}$/;
const INDEX = /^\d{1,9}$/;
const MAX_XID = 2n ** 64n - 1n;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const isXid = (text: string): boolean => XID.test(text) && BigInt(text) <= MAX_XID;

/** Whether Postgres takes it as a pg_snapshot: xmin:xmax:xip, where xip are those between the two, in order. */
function isSnapshot(text: string): boolean {
  const [, xmin, xmax, xip] = SNAPSHOT.exec(text) ?? [];
  if (xmin === undefined || xmax === undefined) return false;
  const open = xip?.split(",").map(BigInt) ?? [];
  const isInOrder = open.every((xid, index) => xid >= BigInt(xmin) && xid < BigInt(xmax) && (index === 0 || xid > (open[index - 1] ?? 0n)));
  return BigInt(xmin) > 0n && BigInt(xmin) <= BigInt(xmax) && BigInt(xmax) <= MAX_XID && isInOrder;
}

export function encodeCursor({ generation, seen, within }: Position): string {
  const parts = within ? [generation, seen, within.until, within.place.xid, within.place.id, within.place.index] : [generation, seen];
  return Buffer.from(parts.join("|")).toString("base64url");
}

/** Throws CursorError where `cursor` is none of this log's. */
export function decodeCursor(cursor: string, generation: string): Position {
  // Without an index: of a time when each event was a batch of its own.
  const [from = "", seen = "", until, xid = "", id = "", index = "1"] = Buffer.from(cursor, "base64url").toString("latin1").split("|");
  const wellFormed = UUID.test(from) && isSnapshot(seen) && (until === undefined || (isSnapshot(until) && isXid(xid) && UUID.test(id) && INDEX.test(index)));
  if (!wellFormed) throw new CursorError("'after' is not a cursor. Pass the 'cursor' of an event that you have received, unchanged, or leave 'after' out to begin with what happens now.");
  if (from !== generation) {
    throw new CursorError("'after' is a cursor of an event log that this one has replaced, after a restore say. Leave 'after' out, and read anew what you keep a copy of.");
  }
  return until === undefined ? { generation, seen } : { generation, seen, within: { until, place: { xid, id, index: Number(index) } } };
}
