// GET /ready: whether requests should come here. GET /health says only that the process lives, which is what a supervisor restarts by.

import type { IncomingMessage, ServerResponse } from "node:http";
import type pg from "pg";
import { type Clock, SECOND_MS } from "../lib/clock.ts";

const PATIENCE_MS = SECOND_MS;

export type ReadyOptions = {
  readonly pool: Pick<pg.Pool, "query">;
  readonly clock: Clock;
  readonly hasLease: () => boolean;
  readonly isStopping: () => boolean;
};

export function createReadyHandler({ pool, clock, hasLease, isStopping }: ReadyOptions) {
  const hasPostgres = () =>
    new Promise<boolean>((resolve) => {
      const impatience = clock.setTimeout(() => resolve(false), PATIENCE_MS);
      void pool
        .query("SELECT")
        .then(
          () => resolve(true),
          () => resolve(false),
        )
        .finally(() => impatience.cancel());
    });
  return async (_request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // Not asked of Postgres when it is leaving anyway.
    const checks = isStopping() ? { running: false } : { running: true, postgres: await hasPostgres(), lease: hasLease() };
    const isReady = Object.values(checks).every(Boolean);
    response.writeHead(isReady ? 200 : 503, { "content-type": "application/json; charset=utf-8" }).end(`${JSON.stringify({ ready: isReady, ...checks })}\n`);
  };
}
