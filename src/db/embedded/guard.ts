// Stops Postgres after its last server, whichever way that ended (guard.sh). Each server holds the writing end of a FIFO open for its life;
// the guard reads from the other end, and sees its end when the kernel has closed the last writer.

import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync } from "node:fs";
import { lstat, open, rm, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { asAccount } from "./account.ts";
import type { Account } from "./account.ts";
import type { Folder } from "./folder.ts";

const SCRIPT = fileURLToPath(new URL("guard.sh", import.meta.url));
const LOG_LIMIT_BYTES = 1_000_000;

/** An open end of the FIFO: this process counts as a server until it is closed. */
export type Hold = { close(): void };

export type Guarded = { readonly held: Hold; readonly guard: ChildProcess };

/** Undefined where no guard listens. */
export function joinGuard(folder: Folder): Hold | undefined {
  try {
    return hold(openSync(folder.alive, constants.O_WRONLY | constants.O_NONBLOCK));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENXIO" || code === "ENOENT") return undefined;
    throw error;
  }
}

/** Starts Postgres with a guard that listens for this process and for all that join. The caller holds the folder's lock. */
export async function startGuarded(folder: Folder, command: readonly string[], account: Account): Promise<Guarded> {
  await ensureFifo(folder.alive);
  // Opening one end waits for the other; opening both at once does not, and with that one open the two single ends come at once, too.
  const both = openSync(folder.alive, constants.O_RDWR);
  const reader = openSync(folder.alive, constants.O_RDONLY);
  const held = hold(openSync(folder.alive, constants.O_WRONLY));
  closeSync(both);
  const script = await open(SCRIPT, "r"); // as its input: the account may not be able to read the file itself
  const log = await openLog(folder.log);
  try {
    const guard = spawn("/bin/sh", ["-s", ...command], {
      ...asAccount(account),
      cwd: folder.data,
      detached: true, // Ctrl-C goes to the server's process group, which has to drain before Postgres stops
      stdio: [script.fd, log.fd, log.fd, reader],
    });
    await once(guard, "spawn"); // throws what kept it from starting
    guard.unref();
    return { held, guard };
  } catch (error) {
    held.close();
    throw error;
  } finally {
    closeSync(reader);
    await Promise.all([script.close(), log.close()]);
  }
}

function hold(descriptor: number): Hold {
  let isOpen = true;
  return {
    close() {
      if (isOpen) closeSync(descriptor);
      isOpen = false; // the number may be another file's by now
    },
  };
}

async function ensureFifo(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isFIFO()) return;
  await rm(path, { force: true });
  await promisify(execFile)("mkfifo", ["-m", "600", path]);
}

async function openLog(path: string) {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  return open(path, size > LOG_LIMIT_BYTES ? "w" : "a", 0o600);
}
