// Gets this process a running Postgres of a folder: the one that other servers use already, or a new one.

import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { OperatorError } from "../../lib/errors.ts";
import { accountFor } from "./account.ts";
import { prepareBinaries } from "./binaries.ts";
import { ensureCluster, readPassword } from "./cluster.ts";
import { connectWatch, databaseUrl, isPassing } from "./connection.ts";
import type { Watch } from "./connection.ts";
import { pgData } from "./folder.ts";
import type { Folder } from "./folder.ts";
import { joinGuard, startGuarded } from "./guard.ts";
import type { Guarded, Hold } from "./guard.ts";
import { acquireLock } from "./lock.ts";
import { findPostmaster, marker, removeStaleNote, shutDown } from "./postmaster.ts";
import type { Postmaster } from "./postmaster.ts";

export type Attachment = { readonly url: string; readonly pid: number; readonly held: Hold; readonly watch: Watch };
export type AttachOptions = {
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  /** False only for data that may be lost: what a crash of the machine would break is not written to disk. */
  readonly durable: boolean;
  /** The port it has to have, where clients know the address already. */
  readonly port?: number;
};

const POLL_MS = 10;
const JOIN_TIMEOUT_MS = 30_000;
const RECOVERY_TIMEOUT_MS = 300_000;
const LOCK_TIMEOUT_MS = RECOVERY_TIMEOUT_MS + 2 * JOIN_TIMEOUT_MS; // the longest that another start can take
const START_ATTEMPTS = 3;

export async function attach(folder: Folder, options: AttachOptions): Promise<Attachment> {
  const release = await acquireLock(folder.lock, LOCK_TIMEOUT_MS);
  try {
    return (await join(folder)) ?? (await startAnew(folder, options));
  } finally {
    release();
  }
}

/** Undefined where no guard listens: then nothing runs, or nothing that would ever be stopped. */
async function join(folder: Folder): Promise<Attachment | undefined> {
  const deadline = performance.now() + JOIN_TIMEOUT_MS;
  let problem: unknown = "its process is not to be seen from here";
  while (performance.now() < deadline) {
    const held = joinGuard(folder);
    if (!held) return undefined;
    try {
      const running = await findPostmaster(folder);
      if (running) return await connect(folder, running, held);
    } catch (error) {
      problem = error;
    }
    held.close();
    if (problem instanceof Error && !isPassing(problem)) throw problem;
    await delay(POLL_MS); // it is stopping: when it is gone, so is its guard
  }
  throw new OperatorError(
    `Another server uses the Postgres in ${folder.data}, and it cannot be reached (${String(problem)}). ` +
      "Stop that server, or set RENTAK_DATA_DIR to another folder.",
  );
}

async function startAnew(folder: Folder, options: AttachOptions): Promise<Attachment> {
  const account = await accountFor(folder.data);
  const binaries = await prepareBinaries(account);
  const unguarded = await findPostmaster(folder);
  if (unguarded) {
    options.log.warn({ pid: unguarded.pid }, "Postgres has lost its guard and would never be stopped: restarting it");
    await shutDown(folder, unguarded.pid, JOIN_TIMEOUT_MS);
  }
  await ensureCluster(folder, binaries, account);
  await removeStaleNote(folder);
  const logged = await sizeOf(folder.log);
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort(await lastPort(folder)));
    const command = [binaries.postgres, ...postgresArguments(folder, port, options.durable)];
    const guarded = await startGuarded(folder, command, account);
    try {
      return await connect(folder, await untilReady(folder, guarded, options), guarded.held);
    } catch (error) {
      guarded.held.close(); // which stops what may have started
      if (guarded.guard.exitCode === null) await once(guarded.guard, "exit");
      // The port may have been taken since it was found free, and what is left of a killed Postgres needs a moment to go.
      if (attempt === START_ATTEMPTS) throw await explained(folder, logged, error);
    }
  }
}

async function connect(folder: Folder, { pid, port }: Postmaster, held: Hold): Promise<Attachment> {
  const password = await readPassword(folder);
  const watch = await connectWatch(port, password);
  const url = databaseUrl(port, password);
  await writeFile(folder.url, `${url}\n`, { mode: 0o600 });
  return { url, pid, held, watch };
}

async function untilReady(folder: Folder, { guard }: Guarded, { log }: AttachOptions): Promise<Postmaster> {
  const started = performance.now();
  let isSlow = false;
  while (guard.exitCode === null && guard.signalCode === null && performance.now() - started < RECOVERY_TIMEOUT_MS) {
    const running = await findPostmaster(folder);
    if (running?.isReady) return running;
    if (!isSlow && performance.now() - started > 3000) {
      log.info({ log: folder.log }, "Postgres is still starting: after a crash it recovers first");
      isSlow = true;
    }
    await delay(POLL_MS);
  }
  throw new Error("Postgres did not get ready.");
}

const postgresArguments = (folder: Folder, port: number, durable: boolean) => [
  ...["-D", pgData(folder), "-p", String(port)],
  ...["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", marker(folder)],
  ...(durable ? [] : ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]),
];

async function freePort(preferred: number): Promise<number> {
  const server = createServer();
  try {
    await once(server.listen(preferred, "127.0.0.1"), "listening");
    return (server.address() as AddressInfo).port;
  } catch (error) {
    if (preferred === 0) throw error;
    return await freePort(0);
  } finally {
    server.close();
  }
}

/** The same port again where it is free, so that an address somebody noted stays true. 0 where there is none. */
async function lastPort(folder: Folder): Promise<number> {
  const noted = (await readFile(folder.url, "utf8").catch(() => "")).trim();
  return URL.canParse(noted) ? Number(new URL(noted).port) : 0;
}

const sizeOf = (path: string) =>
  stat(path).then(
    (found) => found.size,
    () => 0,
  );

async function explained(folder: Folder, logged: number, error: unknown): Promise<Error> {
  const text = (await readFile(folder.log)).subarray(logged).toString();
  const fatal = [...new Set(text.match(/(?<=(FATAL|PANIC):\s+)\S.*/g))].join("; ");
  const reason = fatal || (error instanceof Error ? error.message : String(error));
  return new OperatorError(`The embedded Postgres does not start: ${reason} (log: ${folder.log})`, { cause: error });
}
