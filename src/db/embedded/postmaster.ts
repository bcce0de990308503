// Which process is the Postgres of a data folder, judged by postmaster.pid and by the process itself: a file that a crash left behind may
// name a process id that another program has got since (in containers it regularly does).

import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { OperatorError } from "../../lib/errors.ts";
import type { Folder } from "./folder.ts";

export type Postmaster = { readonly pid: number; readonly port: number; readonly isReady: boolean };

const POLL_MS = 10;

/** The argument that ties a running Postgres to its folder: readable by all, where the process's folder is not (root in a container). The
 *  slash at its end tells /a/postgres from /a/postgres2. */
export const marker = (folder: Folder) => `rentak.folder=${folder.data}/`;

/** The Postgres that runs on this folder and was started by Rentak; undefined where there is none. */
export async function findPostmaster(folder: Folder): Promise<Postmaster | undefined> {
  const noted = await readNoted(folder);
  return noted && (await argumentsOf(noted.pid)).includes(marker(folder)) ? noted : undefined;
}

/** Removes a postmaster.pid that names a process which surely is not this folder's Postgres: Postgres would refuse to start. A Postgres
 *  that was started by hand may be using the folder: that file stays, and Postgres itself judges. */
export async function removeStaleNote(folder: Folder): Promise<void> {
  const noted = await readNoted(folder);
  if (noted) {
    const args = await argumentsOf(noted.pid);
    if (/postgres/.test(args) && !args.includes("rentak.folder=")) return;
  }
  await rm(join(folder.data, "postmaster.pid"), { force: true });
}

/** Asks Postgres to end its sessions and stop, and waits until it is gone. */
export async function shutDown(folder: Folder, pid: number, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  const isRunning = async () => (await argumentsOf(pid)).includes(marker(folder)); // false for a zombie, unlike kill(pid, 0)
  if (await isRunning()) interrupt(pid);
  while (await isRunning()) {
    if (performance.now() > deadline) throw new OperatorError(`Postgres (process ${pid}) does not stop: see ${folder.log}.`);
    await delay(POLL_MS);
  }
}

function interrupt(pid: number): void {
  try {
    process.kill(pid, "SIGINT"); // to Postgres: fast shutdown
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // gone in the meantime
  }
}

async function readNoted(folder: Folder): Promise<Postmaster | undefined> {
  // Lines: pid, data folder, start time, port, socket folder, address, shared memory, status (Postgres: utils/pidfile.h).
  const text = await readFile(join(folder.data, "postmaster.pid"), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const lines = text.split("\n");
  const pid = Number(lines[0]);
  return pid > 0 ? { pid, port: Number(lines[3]), isReady: lines[7]?.trim() === "ready" } : undefined;
}

/** Empty where there is no such process. */
async function argumentsOf(pid: number): Promise<string> {
  if (process.platform === "linux") return readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const { stdout } = await promisify(execFile)("ps", ["-ww", "-o", "args=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return stdout;
}
