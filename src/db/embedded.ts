// The Postgres that comes with Rentak, for a machine that has none. It belongs to its data folder: servers that share the folder share
// it, it survives each of them, and it stops with the last one, also when that is killed.

import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { OperatorError } from "../lib/errors.ts";
import { attach } from "./embedded/attach.ts";
import type { Attachment } from "./embedded/attach.ts";
import { openFolder } from "./embedded/folder.ts";
import type { Folder } from "./embedded/folder.ts";
import { joinGuard } from "./embedded/guard.ts";
import { acquireLock } from "./embedded/lock.ts";
import { shutDown } from "./embedded/postmaster.ts";

export type EmbeddedPostgres = {
  /** Stays the same until stop(), also when Postgres has to be started again. The password is in it. */
  readonly url: string;
  /** Leaves it to the other servers of the folder, or stops it and waits until it is gone. Close the pools first. Safe to call twice. */
  stop(): Promise<void>;
};

export type EmbeddedOptions = {
  /** Such as .rentak/postgres; made if it is not there. Its files lie in and beside it: the address in database-url. */
  readonly dataDir: string;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  /** False for tests only: faster, and a crash of the machine may lose the data. */
  readonly durable?: boolean;
};

const RETRY_MS = 1000;
const STOP_TIMEOUT_MS = 20_000;
/** What the file system says when the operator has to do something about the folder. */
const FOLDER_ERRORS = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "EEXIST", "ELOOP", "EIO"]);

/** Throws OperatorError with a message for the operator where the folder, the machine or the Postgres in it does not allow it. */
export async function startEmbeddedPostgres({ dataDir, log, durable = true }: EmbeddedOptions): Promise<EmbeddedPostgres> {
  let folder: Folder;
  let current: Attachment;
  try {
    folder = await openFolder(dataDir);
    current = await attach(folder, { log, durable });
  } catch (error) {
    throw explained(error, dataDir);
  }
  const { url } = current;
  const stopping = new AbortController();
  let recovered = Promise.resolve();

  const follow = () => {
    void current.watch.lost.then(() => {
      if (!stopping.signal.aborted) recovered = recover();
    });
  };
  const recover = async () => {
    log.warn("the embedded Postgres is gone: starting it again");
    const next = await attachAgain(folder, { log, durable, port: Number(new URL(url).port) }, stopping.signal);
    if (!next) return;
    if (next.url !== url) log.error("the embedded Postgres has got another address, from another server: restart this one");
    current.held.close();
    current = next;
    follow();
  };
  const leave = async () => {
    stopping.abort();
    await recovered;
    await detach(folder, current).catch((error: unknown) => log.error({ err: error }, "the embedded Postgres may still be running"));
  };

  follow();
  let left: Promise<void> | undefined;
  return { url, stop: () => (left ??= leave()) };
}

/** Until it succeeds. Undefined when `signal` came first. */
async function attachAgain(folder: Folder, options: Parameters<typeof attach>[1], signal: AbortSignal): Promise<Attachment | undefined> {
  while (!signal.aborted) {
    try {
      return await attach(folder, options);
    } catch (error) {
      options.log.error({ err: error }, "the embedded Postgres cannot be started again yet");
      await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
  return undefined;
}

async function detach(folder: Folder, { held, watch, pid }: Attachment): Promise<void> {
  // With the lock nobody joins between the count and the end. Without it, in time, the guard still does what is right.
  const release = await acquireLock(folder.lock, STOP_TIMEOUT_MS).catch(() => () => {});
  try {
    const servers = await watch.countServers().catch(() => 1);
    await watch.end();
    held.close();
    if (servers > 1) return;
    await shutDown(folder, pid, STOP_TIMEOUT_MS); // the guard does so too, unless somebody has killed it
    for (let listening = joinGuard(folder); listening; listening = joinGuard(folder)) {
      listening.close();
      await delay(1);
    }
  } finally {
    release();
  }
}

function explained(error: unknown, dataDir: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof OperatorError || !FOLDER_ERRORS.has(code ?? "")) return error;
  return new OperatorError(
    `Cannot keep a Postgres in ${dataDir}: ${message}. ` +
      "Mend that, or set RENTAK_DATA_DIR to another folder, or DATABASE_URL to a Postgres of yours.",
    { cause: error },
  );
}
