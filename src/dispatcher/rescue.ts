// Settles the attempts that nobody settled: their process died, or their answer never came. Nothing is ever put back into the queue.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import type { Settlement } from "../flows/settle.ts";

/** Searched again each time, in case an attempt commits late with an early time. */
const OVERLAP_SECONDS = 30;

// The subquery is closed (OFFSET 0), so that each attempt looks its flow up by the key: with stale statistics the planner would rather read
// every flow there is.
const UNSETTLED = `
  device_attempts a CROSS JOIN LATERAL (
    SELECT f.id, f.attempt_id FROM flows f WHERE f.id = a.flow_id AND f.attempt_id IS NOT NULL AND f.settled_at IS NULL OFFSET 0) AS f`;

const overdue = `
  SELECT f.id, f.attempt_id FROM ${UNSETTLED}
   WHERE a.at >= (SELECT settled_until FROM coordinator)         -- everything before is settled
     AND a.at < statement_timestamp() - make_interval(secs => $1::float8)     -- not volatile, so that the index serves it
     AND f.id NOT IN (SELECT unnest($2::uuid[]))
   LIMIT 2000`;

/** Up to the oldest attempt that is not settled yet: the search, here and in the views, is among the attempts of the last half minute then. Each attempt is
 *  looked at once, when it is that old: looking at the younger ones too, time and again, was a twentieth of what a message costs. */
const moveOn = `
  UPDATE coordinator l
     SET settled_until = coalesce(
           (SELECT a.at FROM ${UNSETTLED} WHERE a.at >= l.settled_until AND a.at < statement_timestamp() - interval '${OVERLAP_SECONDS} seconds' ORDER BY a.at LIMIT 1),
           greatest(l.settled_until, statement_timestamp() - interval '${OVERLAP_SECONDS} seconds'))
   WHERE node_id = $1`;

/** Settles as unknown what was attempted more than `stuckMs` ago and has not ended. Returns how many. What cannot be settled keeps nothing
 *  else from it, and is searched for again. */
export async function rescueAttempts(
  pool: pg.Pool,
  stuckMs: number,
  settleAll: (settlements: readonly Settlement[]) => Promise<void>,
): Promise<number> {
  const unsettled = async (except: readonly string[]) =>
    (await pool.query<{ id: string; attempt_id: string }>(overdue, [stuckMs / 1000, textArray(except)])).rows;

  const tried: string[] = [];
  for (let rows = await unsettled([]); rows.length > 0; rows = await unsettled(tried)) {
    await settleAll(rows.map((row) => ({ flowId: row.id, attemptId: row.attempt_id, ending: { kind: "unknown", message: "Attempted, and then nothing was heard of it." } })));
    tried.push(...rows.map((row) => row.id));
  }
  const left = tried.length === 0 ? 0 : (await unsettled([])).length;
  return tried.length - left;
}

/** Lets the search begin at the oldest attempt that is not settled yet, as long as `nodeId` is the elected one. Looks at all attempts since the last time:
 *  once in ten seconds is enough. */
export async function moveSettledUntil(pool: pg.Pool, nodeId: string): Promise<void> {
  await pool.query(moveOn, [nodeId]);
}
