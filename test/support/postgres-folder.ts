// Where a Postgres of the tests keeps its files: in memory, where there is plenty of it. A new file costs 1 ms on a disk and 0.1 ms there, and emptying a
// database for the next run of a simulation is 120 of them.

import { mkdtemp, readdir, rm, stat, statfs } from "node:fs/promises";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";
import { HOUR_MS } from "../../src/lib/clock.ts";

const MEMORY = "/dev/shm";
/** A whole run takes up to 2 GB. */
const ENOUGH_BYTES = 4 * 1024 ** 3;
const LEFT_MS = HOUR_MS;

/** A new, empty folder; whoever asks for it removes it. */
export async function postgresFolder(prefix: string): Promise<string> {
  const root = (await hasRoom()) ? MEMORY : tmpdir();
  if (root === MEMORY) await removeLeft(prefix);
  return mkdtemp(join(root, `${prefix}${process.pid}-`));
}

async function hasRoom(): Promise<boolean> {
  const found = await statfs(MEMORY).catch(() => undefined);
  return found !== undefined && found.bavail * found.bsize > ENOUGH_BYTES && freemem() > ENOUGH_BYTES;
}

/** Of runs that were killed: it would take memory until the machine is started again. */
async function removeLeft(prefix: string): Promise<void> {
  for (const name of await readdir(MEMORY)) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (Number.isNaN(pid) || isRunning(pid)) continue;
    const path = join(MEMORY, name);
    const isOld = await stat(path).then(({ mtimeMs }) => Date.now() - mtimeMs > LEFT_MS, () => false);
    // Somebody else's stays.
    if (isOld) await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
