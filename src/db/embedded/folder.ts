// The files of an embedded Postgres, and how it gets at them.

import { access, constants, mkdir, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isDroppingPrivileges } from "./account.ts";

export type Folder = {
  /** Postgres' own data folder. */
  readonly data: string;
  /** The FIFO that servers hold open and the guard listens to. */
  readonly alive: string;
  readonly log: string;
  /** Whoever starts, joins or stops this Postgres holds it. */
  readonly lock: string;
  /** The database's address, for people and for `npm run sql`. */
  readonly url: string;
};

export async function openFolder(dataDir: string): Promise<Folder> {
  // Postgres gets into a closed folder by way of /proc (see PGDATA); elsewhere it has to walk through it.
  const mode = isDroppingPrivileges() && process.platform !== "linux" ? 0o711 : 0o700;
  await mkdir(dirname(dataDir), { recursive: true, mode });
  // The same folder must have one name, also where two servers reach it by different links.
  const root = await realpath(dirname(dataDir));
  await access(root, constants.R_OK | constants.W_OK | constants.X_OK);
  const inRoot = (name: string) => join(root, name);
  const data = inRoot(basename(dataDir));
  return { data, alive: `${data}.alive`, log: `${data}.log`, lock: `${data}.lock`, url: inRoot("database-url") };
}

/** What Postgres is told as its data folder while it is started inside it. The link leads there without a walk through the parents,
 *  which an unprivileged Postgres may not be allowed to enter; libuv changes the folder before it gives up root. */
export const pgData = (folder: Folder) => (process.platform === "linux" ? "/proc/self/cwd" : folder.data);
