// A lock between processes that the kernel gives back when its holder dies, however it dies. A lock file would have to guess that from its
// age, or from a process id that another process may have by now. Node has no flock, but it brings SQLite, which locks its file.

import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { OperatorError } from "../../lib/errors.ts";

const SQLITE_BUSY = 5;
const RETRY_MS = 20;

/** Returns the function that gives it back. Throws when another process still has it after `timeoutMs`. */
export async function acquireLock(path: string, timeoutMs: number): Promise<() => void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const release = tryLock(path);
    if (release) return release;
    if (performance.now() > deadline) {
      throw new OperatorError(`Another process has held ${path} for ${timeoutMs / 1000} s: it is starting or stopping the Postgres there.`);
    }
    await delay(RETRY_MS);
  }
}

function tryLock(path: string): (() => void) | undefined {
  let file: DatabaseSync | undefined;
  try {
    file = new DatabaseSync(path);
    file.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE"); // without a journal it leaves no second file
    return file.close.bind(file);
  } catch (error) {
    file?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw new OperatorError(`Could not lock ${path}: ${String(error)}`);
  }
}
