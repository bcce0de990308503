// The times of a dry run, asked of Postgres: the statements that settle, enrol and decide ask the same functions.

import type pg from "pg";
import type { Opening } from "./capacity.ts";
import type { Times, Window } from "./dry-run.ts";
import { MAX_STEP_DELAY_HOURS, NEXT_DUE } from "./next-due.ts";
import type { RuleSequence } from "./rules.ts";

type Queryable = Pick<pg.ClientBase, "query">;

/** As enrolling reckons: a window that is open will do. */
const ENTRY_DUE = `
  SELECT CASE WHEN nq.schedule_time IS NULL THEN $3::timestamptz
              ELSE next_opening($2, nq.schedule_time, '-infinity', $3::timestamptz - make_interval(mins => nq.schedule_tolerance_minutes)) END AS at
    FROM sequences nq WHERE nq.id = $1`;

const FOLLOWING = `
  SELECT CASE ${NEXT_DUE} END AS at
    FROM (SELECT $1::uuid AS sequence_id) AS s, (SELECT $2::uuid AS sequence_id) AS n, (SELECT $3::text AS time_zone) AS a, (SELECT $4::text AS next_zone) AS z, sequences nq,
         LATERAL (SELECT least(greatest($5::float8, 0), ${MAX_STEP_DELAY_HOURS}) AS hours) AS delay,
         LATERAL (SELECT $6::timestamptz AS wall, $6::timestamptz + make_interval(secs => 3600 * delay.hours) AS planned,
                         $7::timestamptz + make_interval(secs => 3600 * least($8::float8, delay.hours)) AS earliest) AS soon
   WHERE nq.id = n.sequence_id`;

/** What is attempted may be on the wire a deadline later: $4, in ms, has to lie within the window. */
const WINDOW = `
  SELECT CASE WHEN o.open_from < 'infinity' THEN t.at END AS "sendAt", CASE WHEN o.open_until < 'infinity' THEN o.open_until END AS until,
         CASE WHEN o.open_from < 'infinity' THEN to_char(t.at AT TIME ZONE sound_zone($2), 'HH24:MI') END AS "localTime"
    FROM lane_opening($1, $2, $3::timestamptz + make_interval(secs => $4::float8 / 1000)) AS o CROSS JOIN LATERAL (SELECT greatest($3::timestamptz, o.open_from) AS at) AS t`;

const OPENINGS = `
  WITH RECURSIVE opening AS (
    SELECT 1 AS place, o.open_from, o.open_until FROM lane_opening($1, $2, $3) AS o
     UNION ALL
    SELECT p.place + 1, o.open_from, o.open_until FROM opening p CROSS JOIN LATERAL lane_opening($1, $2, p.open_until) AS o
     WHERE p.open_until < $4::timestamptz AND p.place < $5::int)
  SELECT extract(epoch FROM nullif(open_from, '-infinity'))::float8 * 1000 AS "from", extract(epoch FROM nullif(open_until, 'infinity'))::float8 * 1000 AS until
    FROM opening WHERE open_from < 'infinity' ORDER BY place`;

export type TimesOptions = {
  readonly client: Queryable;
  readonly zoneOf: (sequence: RuleSequence) => string;
  readonly minStepDelayHours: number;
  readonly deadlineMs: number;
};

export function createTimes({ client, zoneOf, minStepDelayHours, deadlineMs }: TimesOptions): Times & { openings(sequence: RuleSequence, from: Date, until: Date, most: number): Promise<Opening[]> } {
  const timeOf = async (name: string, text: string, values: unknown[]) => (await client.query<{ at: Date | null }>({ name, text, values })).rows[0]?.at ?? null;
  return {
    entryDue: (sequence, at) => timeOf("dry_entry_due", ENTRY_DUE, [sequence.id, zoneOf(sequence), at.toISOString()]),
    nextDue: (step, sequence, next, wall, sentAt) =>
      timeOf("dry_next_due", FOLLOWING, [
        sequence.id,
        next.id,
        zoneOf(sequence),
        zoneOf(next),
        step.triggerDelayHours ?? sequence.triggerDelayHours,
        wall.toISOString(),
        sentAt.toISOString(),
        minStepDelayHours,
      ]),
    async window(sequence, at, kind) {
      const values = [sequence.id, zoneOf(sequence), at.toISOString(), kind === "message" ? deadlineMs : 0];
      const { rows } = await client.query<{ sendAt: Date | null } & Omit<Window, "sendAt">>({ name: "dry_window", text: WINDOW, values });
      const [row] = rows;
      return row?.sendAt ? { ...row, sendAt: row.sendAt } : null;
    },
    async openings(sequence, from, until, most) {
      const values = [sequence.id, zoneOf(sequence), from.toISOString(), until.toISOString(), most];
      const { rows } = await client.query<{ from: number | null; until: number | null }>({ name: "dry_openings", text: OPENINGS, values });
      return rows.map((row) => ({ from: row.from ?? -Infinity, until: row.until ?? Infinity }));
    },
  };
}
