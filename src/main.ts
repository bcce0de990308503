// Puts the process together: settings → port → Postgres → app; and takes it apart again on a signal. The only reader of the environment.

import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { type AdminToken, keepAdminToken } from "./access/admin-token.ts";
import { ensureAdminToken } from "./access/tokens.ts";
import { startApp } from "./app.ts";
import { type Config, parseConfig } from "./config.ts";
import { assertUsable, createPool } from "./db/client.ts";
import { processIdentity } from "./dispatcher/process-identity.ts";
import { startEmbeddedPostgres } from "./db/embedded.ts";
import { migrate } from "./db/migrate.ts";
import { listen } from "./http.ts";
import { systemClock } from "./lib/clock.ts";
import { OperatorError } from "./lib/errors.ts";
import { createLogger, type Logger } from "./lib/logger.ts";
import { keepEncryptionKeys, openSealing } from "./transports/whatsapp/encryption-key.ts";

/** Beyond what the app itself waits for: whatever hangs, the process ends. */
const LAST_RESORT_MS = 25_000;

const POOL_END_MS = 3000;

const DISPATCH_CONNECTIONS = 6;

/** The first takeover after a crash looks through a day of attempts; nothing else takes a tenth of this. */
const DISPATCH_TIMEOUTS = { lockTimeoutMs: 1000, queryTimeoutMs: 30_000 };

type Stop = () => Promise<void>;

/** Starts everything in order. What was started is added to `stops` at once, so that a failure half-way leaves nothing behind. */
async function start(config: Config, logger: Logger, stops: Stop[], onFatal: (error: unknown) => void): Promise<void> {
  const http = await listen(config.host, config.port, { onError: (error) => logger.error({ err: error }, "a request failed"), origins: config.apiOrigins });
  stops.push(() => http.close(0));
  await makeDataDir(config.dataDir);
  const databaseUrl = config.databaseUrl ?? (await startOwnPostgres(config, logger, stops));
  const { pool, dispatchPool } = openPools(databaseUrl, config, logger);
  // Not waited for longer: a connection that has died in silence says no goodbye.
  stops.push(() => Promise.race([Promise.all([pool.end(), dispatchPool.end()]), delay(POOL_END_MS, undefined, { ref: false })]).then(() => {}));
  await assertUsable(pool);
  await migrate(pool);
  const token = await keepAdminToken(config.dataDir, config.adminToken);
  await ensureAdminToken(pool, token.secret, token.replaced);
  const sealing = await openSealing(pool, await keepEncryptionKeys(config.dataDir, config.encryptionKeys));
  const app = await startApp({ config, sealing, pool, dispatchPool, http, logger, clock: systemClock, random: Math.random, newId: randomUUID, process: processIdentity(), onFatal });
  stops.push(app.stop);
  greet(config, http.port, token);
}

/** Two pools out of the connections that are allowed: twenty slow queries of the API must not keep the dispatcher from its beat, or it would be
 *  taken for dead. */
function openPools(url: string, config: Config, logger: Logger): { pool: pg.Pool; dispatchPool: pg.Pool } {
  const forDispatch = Math.min(DISPATCH_CONNECTIONS, Math.floor(config.databasePoolMax / 2));
  const shared = {
    lifetimeSeconds: config.databasePoolLifetimeSeconds,
    onError: (error: Error) => logger.warn({ err: error }, "a connection to Postgres broke"),
  };
  const max = config.databasePoolMax - forDispatch;
  return {
    pool: createPool(url, { ...shared, max, idle: Math.min(config.databasePoolIdle, max) }),
    dispatchPool: createPool(url, { ...shared, max: forDispatch, idle: Math.min(config.databasePoolIdle, forDispatch), ...DISPATCH_TIMEOUTS }),
  };
}

async function makeDataDir(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`The data folder ${path} cannot be made: ${reason}. Set RENTAK_DATA_DIR to a folder that this account may write to.`, { cause: error });
  }
}

async function startOwnPostgres(config: Config, logger: Logger, stops: Stop[]): Promise<string> {
  const postgres = await startEmbeddedPostgres({ dataDir: join(config.dataDir, "postgres"), log: logger });
  stops.push(postgres.stop);
  return postgres.url;
}

function greet(config: Config, port: number, token: AdminToken): void {
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  console.log(`Rentak is ready: http://${host}:${port}/graphql`);
  console.log(token.isNew ? `Admin token, shown this once and kept in ${token.file}: ${token.secret}` : `The admin token is in ${token.file}.`);
}

async function main(): Promise<void> {
  const stops: Stop[] = [];
  let stopping: Promise<void> | undefined;
  let logger: Logger | undefined;

  const stopAll = async () => {
    setTimeout(() => process.exit(1), LAST_RESORT_MS).unref();
    for (const stop of stops.toReversed()) {
      await stop().catch((error: unknown) => logger?.error({ err: error }, "something could not be stopped in order"));
    }
  };
  const end = (exitCode: number) => {
    stopping ??= stopAll().then(() => process.exit(exitCode));
    return stopping;
  };
  const fail = (error: unknown) => {
    if (error instanceof OperatorError) console.error(error.message);
    else if (logger) logger.fatal({ err: error }, "Rentak cannot go on");
    else console.error(error);
    return end(1);
  };

  let interrupts = 0;
  const onSignal = () => {
    if (!stopping) console.log("Stopping: finishing what is being sent.");
    void end(0);
  };
  process.on("SIGINT", () => {
    interrupts += 1;
    // Whoever presses Ctrl-C again does not want to wait; nothing is lost, what was being sent is settled as unknown.
    if (interrupts > 1) process.exit(130);
    onSignal();
  });
  process.on("SIGTERM", onSignal);
  process.on("SIGHUP", onSignal);
  // The launcher is gone: nobody would stop this process any more.
  process.once("disconnect", onSignal);
  process.on("unhandledRejection", (error) => void fail(error));
  process.on("uncaughtException", (error) => void fail(error));

  try {
    const config = parseConfig(process.env);
    logger = createLogger(config.logLevel);
    await start(config, logger, stops, (error) => void fail(error));
  } catch (error) {
    await fail(error);
  }
}

await main();
