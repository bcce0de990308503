// Webhooks of this process: what happens becomes deliveries, and deliveries are posted. Every process does both; rows that one has locked, others leave to it.

import type pg from "pg";
import { transaction } from "../db/transaction.ts";
import type { Bell } from "../events/bell.ts";
import type { Tailer } from "../events/tailer.ts";
import { type Clock, DAY_MS, HOUR_MS, SECOND_MS } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { createLoop } from "../lib/loop.ts";
import type { Random } from "../lib/random.ts";
import type { Sealer } from "../lib/sealing.ts";
import { createDeliverer } from "./deliver.ts";
import { feedEndpoint } from "./feed.ts";
import { createPoster } from "./post.ts";

const INTERVAL_MS = SECOND_MS;

/** Every endpoint's place in the log is looked at so often, also without any news: those that another process has left behind. */
const SWEEP_MS = 10 * SECOND_MS;

const STOP_GRACE_MS = 3 * SECOND_MS;

const PRUNE_EVERY_MS = HOUR_MS;
const KEPT_MS = 30 * DAY_MS;
const PRUNE_BATCH = 5000;

export type WebhookSenderOptions = {
  readonly pool: pg.Pool;
  readonly tailer: Tailer;
  /** Of the event log. */
  readonly generation: string;
  readonly bell: Bell;
  readonly sealer: Sealer;
  /** host:port of servers that may be private all the same: the operator's own. */
  readonly privateHosts: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly version: string;
};

export interface WebhookSender {
  start(): void;
  /** Waits for what is being posted, for a few seconds. Safe to call twice. */
  stop(): Promise<void>;
}

type Endpoint = { readonly id: string; readonly workspaceId: string };

export function createWebhookSender({ pool, tailer, generation, bell, sealer, privateHosts, clock, random, logger, version }: WebhookSenderOptions): WebhookSender {
  const poster = createPoster({ privateHosts, clock });
  const onError = (error: unknown) => logger.error({ err: error }, "webhooks could not be sent, to be tried again");
  const deliverer = createDeliverer({
    pool,
    poster,
    sealer,
    clock,
    random,
    version,
    onError,
    onRoom: () => loop.wake(),
    onDisabled: (endpointId, reason) => logger.warn({ endpointId, reason }, "a webhook endpoint takes nothing any more, and was disabled"),
  });
  /** Workspaces that have news, until all that was in the log has become deliveries. */
  const newsOf = new Set<string>();
  let hasNewsOfAll = true;
  let sweptAt = -Infinity;
  let prunedAt = clock.monotonic();
  let stopListening: (() => void) | undefined;

  // Only while there is anybody to be told: without listeners the log is not read.
  const listen = async (isWanted: boolean) => {
    if (isWanted && stopListening === undefined) {
      const heard = ({ rows }: { readonly rows: readonly { readonly workspaceId: string }[] | null }) => {
        if (rows === null) hasNewsOfAll = true;
        else for (const { workspaceId } of rows) newsOf.add(workspaceId);
        loop.wake();
      };
      stopListening = (await tailer.listen(heard)).stop;
      hasNewsOfAll = true; // of the time before
    } else if (!isWanted && stopListening !== undefined) {
      stopListening();
      stopListening = undefined;
    }
  };

  const feed = async (endpoints: readonly Endpoint[]) => {
    const isDue = hasNewsOfAll || clock.monotonic() - sweptAt >= SWEEP_MS;
    const wanted = endpoints.filter(({ workspaceId }) => isDue || newsOf.has(workspaceId));
    if (isDue) sweptAt = clock.monotonic();
    hasNewsOfAll = false;
    newsOf.clear();
    for (const { id, workspaceId } of wanted) {
      let fed = await transaction(pool, (client) => feedEndpoint(client, id, generation));
      while (fed === "more") fed = await transaction(pool, (client) => feedEndpoint(client, id, generation));
      if (fed === "full") newsOf.add(workspaceId);
    }
  };

  const cycle = async () => {
    const { rows: endpoints } = await pool.query<Endpoint>(`SELECT id, workspace_id AS "workspaceId" FROM webhook_endpoints WHERE disabled_at IS NULL ORDER BY id`);
    await listen(endpoints.length > 0);
    if (endpoints.length > 0) await feed(endpoints);
    if (endpoints.length > 0) await deliverer.claim();
    if (clock.monotonic() - prunedAt >= PRUNE_EVERY_MS) {
      prunedAt = clock.monotonic();
      await prune(pool);
    }
  };
  const loop = createLoop({ cycle, intervalMs: INTERVAL_MS, clock, onError });
  const silence = bell.listen("webhooks", () => loop.wake());

  const stop = async () => {
    silence();
    await loop.stop();
    stopListening?.();
    // What a receiver takes long for is posted again by another process, or by the next.
    const patience = clock.setTimeout(() => poster.close(), STOP_GRACE_MS);
    await deliverer.idle();
    patience.cancel();
    poster.close();
  };
  let stopped: Promise<void> | undefined;
  return { start: () => loop.start(), stop: () => (stopped ??= stop()) };
}

/** The list of deliveries goes back a month. */
async function prune(pool: pg.Pool): Promise<void> {
  for (;;) {
    const { rowCount } = await pool.query(
      `DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE settled_at < clock_timestamp() - interval '${KEPT_MS} milliseconds' LIMIT ${PRUNE_BATCH})`,
    );
    if ((rowCount ?? 0) < PRUNE_BATCH) return;
  }
}
