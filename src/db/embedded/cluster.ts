// The data folder: made once, by initdb, and never touched when it is not what we expect.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, open, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { totalmem } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { OperatorError } from "../../lib/errors.ts";
import { asAccount, giveTo } from "./account.ts";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { pgData } from "./folder.ts";
import type { Folder } from "./folder.ts";

export const SUPERUSER = "rentak";

/** In the data folder, so that it cannot be lost without the data. */
const PASSWORD_FILE = "rentak.password";

const MB = 2 ** 20;

/** A sixteenth of the machine's memory, or of the container's, within 128 MB and 1 GB: what a million leads are read from need not come through the
 *  system's own cache then, page by page. */
const sharedBuffersMb = (memory: number): number => Math.round(Math.min(Math.max(memory / 16 / MB, 128), 1024));

/** Operators may change them in postgresql.conf. */
const SETTINGS = {
  max_connections: "100",
  shared_buffers: `${sharedBuffersMb(Math.min(totalmem(), process.constrainedMemory() || Infinity))}MB`,
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  // No failed statement's text: it may hold phone numbers and messages. The client that sent it gets the error anyway.
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
  log_checkpoints: "off",
};

export const readPassword = (folder: Folder) => readFile(join(folder.data, PASSWORD_FILE), "utf8");

/** Makes the data folder if there is none. The caller holds the folder's lock. */
export async function ensureCluster(folder: Folder, binaries: Binaries, account: Account): Promise<void> {
  await sweepUnfinished(folder);
  if (await isEmpty(folder.data)) await initialise(folder, binaries, account);
  const version = await readFile(join(folder.data, "PG_VERSION"), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    throw new OperatorError(`${folder.data} is not a Postgres data folder: move it away, or set RENTAK_DATA_DIR to another folder.`);
  });
  if (Number(version) !== binaries.major) {
    throw new OperatorError(
      `${folder.data} was made by Postgres ${version.trim()}, and this version of Rentak brings Postgres ${binaries.major}. ` +
        "Nothing was changed. Dump it with the version that made it and load it into a new folder (RENTAK_DATA_DIR), or set DATABASE_URL.",
    );
  }
  if ((await stat(folder.data)).uid === 0) await takeOver(folder.data, account);
}

/** A folder that root has copied or restored belongs to root, and Postgres insists on one of its own. */
async function takeOver(data: string, account: Account): Promise<void> {
  await giveTo(account, data);
  await chmod(data, 0o700);
}

/** Made aside and renamed when complete: a start that is killed half-way leaves nothing that looks like a data folder. */
async function initialise(folder: Folder, binaries: Binaries, account: Account): Promise<void> {
  const fresh = await mkdtemp(unfinishedPrefix(folder));
  try {
    await giveTo(account, fresh);
    const password = randomBytes(24).toString("base64url");
    const passwordFile = await openUnlinked(`${fresh}.password`, password, account);
    try {
      await initdb(fresh, folder, binaries, account, passwordFile);
    } finally {
      await passwordFile.close();
    }
    await writeFile(join(fresh, PASSWORD_FILE), password, { mode: 0o600 });
    await giveTo(account, join(fresh, PASSWORD_FILE));
    await rename(fresh, folder.data);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
}

async function initdb(fresh: string, folder: Folder, binaries: Binaries, account: Account, passwordFile: FileHandle): Promise<void> {
  const args = [
    ...["-D", pgData({ ...folder, data: fresh }), "--pwfile=/dev/stdin"],
    ...[`--username=${SUPERUSER}`, "--auth=scram-sha-256", "--encoding=UTF8"],
    // Sorts by code point, everywhere alike and fast; upper and lower case know all of Unicode.
    ...["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
    ...["--no-sync", "--no-instructions"], // a power cut in the first seconds costs an empty database
    ...Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ];
  const child = spawn(binaries.initdb, args, {
    ...asAccount(account),
    cwd: fresh,
    stdio: [passwordFile.fd, "ignore", "pipe"],
  });
  const [complaint, [code]] = await Promise.all([text(child.stderr as Readable), once(child, "close")]);
  if (code === 0) return;
  throw new OperatorError(
    `Could not make a database in ${folder.data}: ${complaint.trim()}. Mend that, or set DATABASE_URL to a Postgres of yours.`,
  );
}

/** An open file that the account can read and that has no name any more: the password never lies around. */
async function openUnlinked(path: string, content: string, account: Account): Promise<FileHandle> {
  await writeFile(path, content, { mode: 0o600 });
  try {
    await giveTo(account, path);
    return await open(path, "r");
  } finally {
    await rm(path);
  }
}

const unfinishedPrefix = (folder: Folder) => `${folder.data}.new-`;

async function sweepUnfinished(folder: Folder): Promise<void> {
  const prefix = basename(unfinishedPrefix(folder));
  const parent = dirname(folder.data);
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true });
  }
}

async function isEmpty(path: string): Promise<boolean> {
  const entries = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error; // what cannot be read is not "nothing there"
  });
  return entries.length === 0;
}
