// Rentak in one process: the API in front, the dispatcher behind, the database between them. No globals, no environment.

import { readFileSync } from "node:fs";
import type pg from "pg";
import { createTokens } from "./access/tokens.ts";
import { startShared } from "./cache/shared.ts";
import type { Config } from "./config.ts";
import type { ProcessIdentity } from "./dispatcher/membership.ts";
import { startNode } from "./dispatcher/node.ts";
import { forgetChangedDevices } from "./devices/cache-group.ts";
import { createEventLog } from "./events/log.ts";
import { createTailer } from "./events/tailer.ts";
import { createMessageIds } from "./flows/message-id.ts";
import { createGraphqlServer } from "./graphql/server.ts";
import type { HttpServer } from "./http.ts";
import { createImporter } from "./leads/import.ts";
import { createImportHandler } from "./leads/import-http.ts";
import { createRejectsHandler } from "./leads/rejects-http.ts";
import { createOptOutHash } from "./leads/screen.ts";
import { createLeadUpkeep } from "./leads/upkeep.ts";
import { type Clock, MINUTE_MS } from "./lib/clock.ts";
import type { Logger } from "./lib/logger.ts";
import { createFetchMedia } from "./media/fetch.ts";
import { createMetricsHandler } from "./metrics/http.ts";
import { createInstallationFigures } from "./metrics/installation.ts";
import { createMetrics } from "./metrics/metrics.ts";
import { createReadyHandler } from "./metrics/ready.ts";
import { createMediaHandler } from "./media/http.ts";
import { createMediaContents } from "./media/outgoing.ts";
import type { Random } from "./lib/random.ts";
import { createWatch } from "./lib/watch.ts";
import { recordReplies } from "./replies/record.ts";
import { deferTransport } from "./transports/deferred.ts";
import { createSimulator } from "./transports/simulator.ts";
import { createWebhookSender } from "./webhooks/sender.ts";
import type { Sealing } from "./transports/whatsapp/encryption-key.ts";

/** Requests that still run when the server stops. */
const REQUEST_GRACE_MS = 3000;

/** A query that comes a third time is one of a program's. */
const COMPILE_AFTER = 2;

export type AppOptions = {
  readonly config: Config;
  readonly sealing: Sealing;
  readonly pool: pg.Pool;
  /** The dispatcher's own connections. */
  readonly dispatchPool: pg.Pool;
  readonly http: HttpServer;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  readonly process: ProcessIdentity;
  /** The process cannot go on, and why. */
  readonly onFatal: (error: unknown) => void;
};

export interface App {
  /** Takes no new work, finishes what is being sent, and ends all streams. Safe to call twice. */
  stop(): Promise<void>;
}

export async function startApp({ config, sealing, pool, dispatchPool, http, logger, clock, random, newId, process, onFatal }: AppOptions): Promise<App> {
  const { messageIdKey, generation } = await loadInstallation(pool);
  const messageIds = createMessageIds(messageIdKey);
  const shared = await startShared({ ...config, installation: messageIdKey, requestsPerMinute: config.apiRequestsPerMinute, clock, logger });
  const { bell, cache, limit } = shared;
  const onRead = forgetChangedDevices(cache);
  const tailer = createTailer({ pool, bell, clock, logger, onRead });
  const events = createEventLog({ pool, tailer, generation, onRead });
  const tokens = createTokens({ pool, clock, limit });
  const optOutHash = createOptOutHash(sealing.nameHash);
  const importer = createImporter({ pool, bell, logger, clock, process, optOutHash });
  importer.start();
  const leadUpkeep = createLeadUpkeep({ pool, bell, clock, logger, optOutHash });
  leadUpkeep.start();
  const whatsapp = deferTransport(
    async () => {
      const { startWhatsapp } = await import("./transports/whatsapp/start.ts");
      const started = startWhatsapp({
        ...sealing,
        url: config.whatsappUrl,
        rootKey: config.whatsappRootKey,
        // The dispatcher's: what is sent waits for its keys to be written.
        pool: dispatchPool,
        messageIds,
        async recordReplies(replies) {
          const recorded = await recordReplies(dispatchPool, replies);
          bell.ring("events");
          return recorded;
        },
        contentOf: createMediaContents(dispatchPool),
        clock,
        random,
        logger,
        onPairing: () => bell.ring("pairing"),
      });
      bell.listen("erasures", started.forgetPeople);
      return started;
    },
    (error) => logger.error({ err: error }, "WhatsApp's client could not be loaded"),
  );
  // Of parts that are not there yet: they are looked at when it is scraped.
  const metrics = createMetrics({
    version: VERSION,
    pools: { api: pool, dispatch: dispatchPool },
    workers: () => node.fleet.workers(),
    devices: () => node.devices(),
    hasLease: () => node.hasLease(),
    subscriptions: () => graphql.subscriptions(),
    eventLogLagMs: tailer.lagMs,
    installation: createInstallationFigures({ pool, clock, logger }),
  });
  const node = await startNode({
    pool: dispatchPool,
    clock,
    random,
    newId,
    logger,
    bell,
    messageIds,
    observer: metrics.dispatch,
    process,
    transports: { SIMULATOR: createSimulator({ clock, logFile: config.simulatorLog }), WHATSAPP: whatsapp },
    settings: {
      ...config,
      nodeName: config.port === 0 ? `${config.nodeName}:${http.port}` : config.nodeName,
      stuckMs: config.stuckMinutes * MINUTE_MS,
      workerIdleMs: config.workerIdleMinutes * MINUTE_MS,
    },
    onFatal,
  });
  const { minStepDelayHours } = config;
  const services = { bell, cache, clock, events, fleet: node.fleet, messageIds, sealer: sealing.sealer, optOutHash, importer, watch: createWatch(clock), fetchMedia: createFetchMedia({ privateHosts: config.mediaPrivateHosts }), webhooks: { privateHosts: config.webhookPrivateHosts, generation }, minStepDelayHours, version: VERSION };
  const webhookSender = createWebhookSender({ pool, tailer, generation, bell, sealer: sealing.sealer, privateHosts: config.webhookPrivateHosts, clock, random, logger, version: VERSION });
  webhookSender.start();
  const graphql = createGraphqlServer({ pool, tokens, services, clock, logger, ...(config.apiJit === "on" && { compileAfter: COMPILE_AFTER }) });
  let stopped: Promise<void> | undefined;
  http.open({
    requests: {
      "/graphql": (request, response) => graphql.handle(request, response),
      "/imports/leads": createImportHandler({ pool, tokens, importer }),
      "/imports/leads/": createRejectsHandler({ pool, tokens }),
      "/media/": createMediaHandler({ pool, tokens }),
      "/metrics": createMetricsHandler(metrics, config.metricsToken),
      "/ready": createReadyHandler({ pool, clock, hasLease: node.hasLease, isStopping: () => stopped !== undefined }),
      "/health": (_request, response) => void response.writeHead(200, { "content-type": "text/plain" }).end("ok\n"),
    },
    observer: metrics.requests,
    upgrades: { "/graphql": (request, socket, head) => graphql.upgrade(request, socket, head) },
  });

  const stop = async () => {
    const closed = http.close(REQUEST_GRACE_MS);
    await Promise.all([node.stop(), importer.stop(), leadUpkeep.stop(), webhookSender.stop(), graphql.dispose()]);
    await whatsapp.stop();
    await Promise.all([closed, tailer.stop(), shared.stop()]);
  };
  return { stop: () => (stopped ??= stop()) };
}

const VERSION: string = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version;

async function loadInstallation(pool: pg.Pool): Promise<{ messageIdKey: Buffer; generation: string }> {
  const { rows } = await pool.query<{ message_id_key: Buffer; log_generation: string }>("SELECT message_id_key, log_generation FROM installation");
  const row = rows[0];
  if (row === undefined) throw new Error("the row of installation is gone");
  return { messageIdKey: row.message_id_key, generation: row.log_generation };
}
