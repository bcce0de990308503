// Which devices have changed lately: in their state, or in how much they have sent.

import { sql } from "drizzle-orm";
import type { Cache } from "../cache/cache.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import type { Watch } from "../lib/watch.ts";
import { devicesGroup } from "./cache-group.ts";

/** Each second the ids of those that have changed since, by Postgres's clock. An attempt changes the load when it is made, and when it is an hour and a day old. */
export function followDevices({ watch, db, cache }: { readonly watch: Watch; readonly db: WorkspaceDb; readonly cache: Cache }, signal: AbortSignal): AsyncGenerator<string[]> {
  let since: Date | null = null;
  let pausedBefore: ReadonlySet<string> = new Set();
  let changes = 0;
  return watch(async () => {
    const { until, ids, paused } = await changedSince(db, since);
    const isFirst = since === null;
    // One that is resumed has no time of it: it is among the paused ones no more.
    const changed = [...new Set([...ids, ...pausedBefore.symmetricDifference(paused)])];
    since = until;
    pausedBefore = paused;
    if (changed.length > 0) {
      changes += 1;
      cache.forget(devicesGroup(db.id)); // or what is shown now is how it was before
    }
    return isFirst ? { value: [], sign: null, isOver: false } : { value: changed, sign: changes, isOver: false };
  }, signal);
}

async function changedSince(db: WorkspaceDb, since: Date | null): Promise<{ until: Date; ids: string[]; paused: ReadonlySet<string> }> {
  const { rows } = await db.read((tx) =>
    tx.execute<{ until: Date; ids: string[]; paused: string[] }>(sql`
      WITH span AS MATERIALIZED (SELECT coalesce(${since}::timestamptz, 'infinity') AS since, date_trunc('milliseconds', statement_timestamp()) AS until),
      loaded AS (
        SELECT DISTINCT a.device_id FROM span CROSS JOIN (VALUES (interval '0'), (interval '1 hour'), (interval '24 hours')) AS ages(age)
         CROSS JOIN LATERAL (SELECT device_id FROM device_attempts WHERE at >= span.since - ages.age AND at < span.until - ages.age) AS a)
      SELECT until, coalesce((
               SELECT json_agg(d.id ORDER BY d.id) FROM devices d
                WHERE d.workspace_id = ${db.id} AND (d.status_changed_at >= since AND d.status_changed_at < until OR d.id IN (SELECT device_id FROM loaded))), '[]') AS ids,
             coalesce((SELECT json_agg(d.id) FROM devices d WHERE d.workspace_id = ${db.id} AND d.paused_at IS NOT NULL), '[]') AS paused
        FROM span`),
  );
  if (!rows[0]) throw new Error("Postgres gave no answer");
  return { until: new Date(rows[0].until), ids: rows[0].ids, paused: new Set(rows[0].paused) };
}
