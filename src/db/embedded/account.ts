// Which user runs Postgres. It refuses to run as root; the account it gets instead need not be made for it.

import { chown, lchown, readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { OperatorError } from "../../lib/errors.ts";

/** Options for spawn; empty: this process's own user. */
export type Account = { readonly uid?: number; readonly gid?: number };

/** How a program of Postgres is spawned. Not with our own environment: it holds secrets, and whoever shares the account could read it. */
export const asAccount = (account: Account) => ({
  ...account,
  env: { PATH: "/usr/bin:/bin:/usr/local/bin", LC_ALL: "C", TZ: "UTC" },
});

export const isDroppingPrivileges = () => process.getuid?.() === 0;

export async function accountFor(dataDir: string): Promise<Account> {
  const owner = await stat(dataDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!isDroppingPrivileges()) {
    const self = process.getuid?.();
    if (owner === undefined || owner.uid === self) return {};
    throw new OperatorError(
      `${dataDir} belongs to user ${owner.uid}, and this is user ${self}: ` +
        "start as that user (or root), or set RENTAK_DATA_DIR to another folder.",
    );
  }
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  return findUnprivileged();
}

/** Gives a file or a folder with all that is in it to the account. */
export async function giveTo(account: Account, path: string): Promise<void> {
  const { uid, gid } = account;
  if (uid === undefined || gid === undefined) return;
  await chown(path, uid, gid);
  if (!(await stat(path)).isDirectory()) return;
  for (const entry of await readdir(path, { recursive: true })) await lchown(join(path, entry), uid, gid);
}

/** initdb asks for the name of its user: the number alone will not do, it has to be in the list. */
async function findUnprivileged(): Promise<Account> {
  const accounts = (await readFile("/etc/passwd", "utf8"))
    .split("\n")
    .map((line) => line.split(":"))
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ uid, gid }) => uid > 0 && gid > 0);
  const found = ["nobody", "daemon"].map((name) => accounts.find((account) => account.name === name)).find(Boolean) ?? accounts[0];
  if (found) return { uid: found.uid, gid: found.gid };
  throw new OperatorError(
    "Postgres does not run as root, and /etc/passwd has no other user: start as another user, or set DATABASE_URL to a Postgres of yours.",
  );
}
