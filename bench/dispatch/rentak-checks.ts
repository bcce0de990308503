// What must be true of the rows after a run, however fast it was.

import { once } from "./postgres.ts";
import { LOADED_AT } from "./rentak-rows.ts";

/** Each finds the rows that break a promise. */
const VIOLATIONS: Readonly<Record<string, string>> = {
  "P1: attempted more than once, or without a trace": `
    SELECT count(*) FROM (SELECT id FROM flows WHERE attempted_at IS NOT NULL) AS f
      FULL JOIN (SELECT flow_id, count(*) AS attempts FROM device_attempts GROUP BY flow_id) AS a ON a.flow_id = f.id
     WHERE f.id IS NULL OR a.attempts IS DISTINCT FROM 1`,
  "P1: attempted and not sent by the end": "SELECT count(*) FROM flows WHERE attempted_at IS NOT NULL AND status <> 'SENT'",
  "P1: more than two flows of an enrolment of two steps, or two of one step": `
    SELECT count(*) FROM (SELECT enrollment_id FROM flows GROUP BY enrollment_id HAVING count(*) > 2 OR count(*) <> count(DISTINCT step_id)) AS t`,
  "P4: more attempts in 60 minutes or 24 hours than the device's limits": `
    SELECT count(*) FROM (
      SELECT device_id, count(*) OVER (PARTITION BY device_id ORDER BY at RANGE BETWEEN interval '1 hour' PRECEDING AND CURRENT ROW) AS hour,
             count(*) OVER (PARTITION BY device_id ORDER BY at RANGE BETWEEN interval '24 hours' PRECEDING AND CURRENT ROW) AS day FROM device_attempts) AS n
      JOIN devices d ON d.id = n.device_id WHERE n.hour > d.hourly_limit OR n.day > d.daily_limit`,
  "P10: sent, and not exactly one event of it": `
    SELECT count(*) FROM (SELECT id FROM flows WHERE status = 'SENT') AS f
      FULL JOIN (SELECT flow_id, count(*) AS times FROM events WHERE type = 'FLOW_SENT' GROUP BY flow_id) AS e ON e.flow_id = f.id
     WHERE f.id IS NULL OR e.times IS DISTINCT FROM 1`,
  "P10: made during the run, and not exactly one event of it": `
    SELECT count(*) FROM (SELECT id FROM flows WHERE created_at > '${LOADED_AT}') AS f
      FULL JOIN (SELECT flow_id, count(*) AS times FROM events WHERE type = 'FLOW_ACTIVATED' GROUP BY flow_id) AS e ON e.flow_id = f.id
     WHERE f.id IS NULL OR e.times IS DISTINCT FROM 1`,
  "P11: a word that enrolled nobody, or twice": `
    SELECT count(*) FROM leads l LEFT JOIN (SELECT lead_id, count(*) AS times FROM enrollments GROUP BY lead_id) AS e ON e.lead_id = l.id
     WHERE e.times IS DISTINCT FROM 1 AND NOT (e.times IS NULL AND EXISTS (SELECT FROM enrollment_queue q WHERE q.lead_id = l.id))`,
  "an enrolment that did not move on exactly once after its first flow": `
    SELECT count(*) FROM flows f JOIN sequence_steps st ON st.id = f.step_id AND st.is_entry_point
      JOIN enrollments e ON e.id = f.enrollment_id
      LEFT JOIN flows next ON next.id = e.current_flow_id AND next.enrollment_id = e.id AND next.id <> f.id AND (next.queued OR next.attempted_at IS NOT NULL)
     WHERE CASE f.status WHEN 'SENT' THEN next.id IS NULL ELSE e.current_flow_id <> f.id END`,
  "a count that is not true": `
    SELECT count(*) FROM sequence_totals t
      LEFT JOIN (SELECT sequence_id, count(*) FILTER (WHERE status = 'SENT') AS sent FROM flows GROUP BY sequence_id) AS f ON f.sequence_id = t.sequence_id
     WHERE t.sent <> coalesce(f.sent, 0)`,
};

export class BrokenPromise extends Error {
  override name = "BrokenPromise";
}

/** Throws BrokenPromise where the rows of a run break one. Returns how many flows were looked at. */
export async function checkPromises(url: string): Promise<number> {
  for (const [promise, statement] of Object.entries(VIOLATIONS)) {
    const [row] = await once(url, statement);
    if (Number(row?.["count"]) !== 0) throw new BrokenPromise(`${promise}: ${Number(row?.["count"])}`);
  }
  const [row] = await once(url, "SELECT count(*) FROM flows WHERE status = 'SENT'");
  return Number(row?.["count"]);
}
