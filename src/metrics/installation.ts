// What is measured of the whole installation, when it is asked for: by index, and not more often than every few seconds, so that scrapes cost Postgres nothing that shows.

import type pg from "pg";
import { type Clock, SECOND_MS } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";

export type InstallationFigures = {
  readonly oldestDueSeconds: number;
  readonly nodes: number;
  readonly devices: Readonly<Record<string, number>>;
  readonly paused: number;
  readonly unserved: number;
  readonly held: number;
  readonly lateWebhooks: number;
  readonly failingEndpoints: number;
};

const KEPT_MS = 5 * SECOND_MS;

/** A scrape is waited for so long, and not longer. */
const PATIENCE_MS = 2 * SECOND_MS;

const SETTLED_LATE = "settled_at IS NULL AND next_attempt_at < now() - interval '1 minute'";

/** The oldest due flow: the first of each open lane by (lane_id, due_at, id) WHERE queued, however many wait behind it. Lane time stands still while a lane is paused. */
export const FIGURES = `
  SELECT (SELECT coalesce(max(extract(epoch FROM lane_time(now(), NULL, l.pause_offset) - first.due_at)), 0)::float8
            FROM lanes l
           CROSS JOIN LATERAL (SELECT f.due_at FROM flows f WHERE f.lane_id = l.id AND f.queued ORDER BY f.due_at LIMIT 1) AS first
           WHERE l.paused_at IS NULL AND now() BETWEEN l.open_from AND l.open_until AND first.due_at <= lane_time(now(), NULL, l.pause_offset)) AS "oldestDueSeconds",
         (SELECT count(*)::int FROM nodes WHERE heartbeat_at > now() - interval '1 minute') AS nodes,
         (SELECT coalesce(json_object_agg(status, count), '{}') FROM (SELECT status, count(*) FROM devices GROUP BY status) AS d) AS devices,
         (SELECT count(*)::int FROM devices WHERE paused_at IS NOT NULL) AS paused,
         (SELECT count(*)::int FROM devices WHERE node_id IS NULL) AS unserved,
         (SELECT count(*)::int FROM workspaces WHERE first_contacts_held_at IS NOT NULL) AS held,
         (SELECT count(*)::int FROM (SELECT FROM webhook_deliveries WHERE ${SETTLED_LATE} LIMIT 10000) AS w) AS "lateWebhooks",
         (SELECT count(*)::int FROM webhook_endpoints WHERE disabled_reason IN ('GONE', 'FAILING')) AS "failingEndpoints"`;

export type InstallationOptions = { readonly pool: pg.Pool; readonly clock: Clock; readonly logger: Logger };

/** Null where Postgres does not tell in time. Those who ask meanwhile get the same. */
export function createInstallationFigures({ pool, clock, logger }: InstallationOptions): () => Promise<InstallationFigures | null> {
  let reading: Promise<InstallationFigures | null> | undefined;
  let last: { readonly figures: InstallationFigures; readonly at: number } | undefined;

  const read = async (): Promise<InstallationFigures | null> => {
    try {
      const { rows } = await pool.query<InstallationFigures>(FIGURES);
      if (!rows[0]) return null;
      last = { figures: rows[0], at: clock.monotonic() };
      return last.figures;
    } catch (error) {
      logger.warn({ err: error }, "the installation could not be measured");
      return null;
    } finally {
      reading = undefined;
    }
  };

  const patiently = (answer: Promise<InstallationFigures | null>) =>
    new Promise<InstallationFigures | null>((resolve) => {
      const impatience = clock.setTimeout(() => resolve(null), PATIENCE_MS);
      void answer.then((figures) => {
        impatience.cancel();
        resolve(figures);
      });
    });

  return async () => {
    if (last && clock.monotonic() - last.at < KEPT_MS) return last.figures;
    reading ??= read();
    return patiently(reading);
  };
}
