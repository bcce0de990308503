// Settles the attempts that nobody settled: their process died, or their answer never came. Nothing is ever put back into the queue.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import type { Lease } from "./lease.ts";
import type { Settlement } from "./settle.ts";

/** Searched again each time, in case an attempt committed late with an early time. */
const OVERLAP_SECONDS = 60;

const overdue = `
  SELECT f.id, f.attempt_id
    FROM device_attempts a JOIN flows f ON f.id = a.flow_id
   WHERE a.at >= (SELECT settled_until FROM dispatch_lease)         -- everything before is settled
     AND a.at < $1::timestamptz
     AND f.attempt_id IS NOT NULL AND f.settled_at IS NULL
     AND f.id NOT IN (SELECT unnest($2::uuid[]))
   LIMIT 2000`;

/** Settles as unknown what was attempted more than `stuckMs` ago and has not ended. Returns how many. What cannot be settled keeps nothing
 *  else from it, and is searched for again. */
export async function rescueAttempts(
  pool: pg.Pool,
  lease: Lease,
  stuckMs: number,
  settleAll: (settlements: readonly Settlement[]) => Promise<void>,
): Promise<number> {
  const { rows: clock } = await pool.query<{ cutoff: string }>("SELECT (clock_timestamp() - make_interval(secs => $1::float8))::text AS cutoff", [stuckMs / 1000]);
  const cutoff = clock[0]?.cutoff;
  const unsettled = async (except: readonly string[]) => (await pool.query<{ id: string; attempt_id: string }>(overdue, [cutoff, textArray(except)])).rows;

  const tried: string[] = [];
  for (let rows = await unsettled([]); rows.length > 0; rows = await unsettled(tried)) {
    await settleAll(rows.map((row) => ({ flowId: row.id, attemptId: row.attempt_id, ending: { kind: "unknown", message: "Attempted, and then nothing was heard of it." } })));
    tried.push(...rows.map((row) => row.id));
  }
  const left = tried.length === 0 ? 0 : (await unsettled([])).length;
  if (left > 0) return tried.length - left;
  await pool.query(
    `UPDATE dispatch_lease SET settled_until = greatest(settled_until, $3::timestamptz - make_interval(secs => ${OVERLAP_SECONDS})) WHERE node_id = $1 AND epoch = $2`,
    [lease.nodeId, lease.epoch, cutoff],
  );
  return tried.length;
}
