import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readFile, readdir, rm, stat, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { startEmbeddedPostgres } from "../../src/db/embedded.ts";
import { accountFor } from "../../src/db/embedded/account.ts";
import { prepareBinaries } from "../../src/db/embedded/binaries.ts";

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const holder = fileURLToPath(new URL("../support/postgres-holder.ts", import.meta.url));
const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };

let root: string;
/** Made once: most tests start and stop on it, one after the other. */
let dataDir: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "rentak-embedded-"));
  dataDir = join(root, "shared", "postgres");
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function start(options: { dataDir?: string; durable?: boolean } = {}) {
  const postgres = await startEmbeddedPostgres({ dataDir, log, durable: false, ...options });
  onTestFinished(postgres.stop);
  return postgres;
}

async function query(url: string, statement: string) {
  const client = new pg.Client(url);
  client.on("error", () => {});
  await client.connect();
  return client.query(statement).finally(() => client.end()).then(({ rows }) => rows);
}

/** A process of its own that holds the Postgres, in its own process group. */
async function hold(options: { uid?: number; gid?: number; dataDir?: string } = {}): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [holder, options.dataDir ?? dataDir], {
    ...options,
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("ready ")) return { child, url: line.slice("ready ".length) };
  }
  throw new Error(`the holder ended (${child.exitCode})`);
}

const postmasterPid = async (folder = dataDir) => Number((await readFile(join(folder, "postmaster.pid"), "utf8")).split("\n")[0]);

function isAlive(pid: number): boolean {
  return execFileSync("ps", ["-A", "-o", "pid=,stat="], { encoding: "utf8" })
    .split("\n")
    .some((line) => new RegExp(`^\\s*${pid}\\s+[^Z]`).test(line));
}

const gone = (pid: number) => vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 3000, interval: 20 });

function childrenOf(pid: number): number[] {
  return execFileSync("ps", ["-A", "-o", "ppid=,pid="], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([parent, child]) => (parent === pid && child !== undefined ? child : []));
}

function parentOf(pid: number): number {
  return Number(execFileSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" }));
}

describe("the embedded Postgres", () => {
  test("starts from nothing, and a second start finds the data at the same address", async () => {
    const first = await start({ durable: true });
    await query(first.url, "CREATE TABLE kept AS SELECT 'here' AS word");
    expect(await query(first.url, "SHOW fsync")).toEqual([{ fsync: "on" }]);
    const pid = await postmasterPid();
    await first.stop();
    expect(isAlive(pid)).toBe(false);

    const second = await start();
    expect(await query(second.url, "SELECT word FROM kept")).toEqual([{ word: "here" }]);
    expect(second.url).toBe(first.url);
  });

  test("keeps its address and everything else from other users' eyes, and its log free of statements", async () => {
    const { url } = await start();
    expect((await readFile(join(dirname(dataDir), "database-url"), "utf8")).trim()).toBe(url);
    expect((await stat(join(dirname(dataDir), "database-url"))).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(dataDir))).mode & 0o777).toBe(0o700);
    await expect(query(url.replace(/:[^:@]+@/, ":wrong@"), "SELECT 1")).rejects.toThrow(/password authentication failed/);
    await expect(query(url, "SELECT 60123456789 / 0")).rejects.toThrow(/division by zero/);
    expect(await readFile(join(dirname(dataDir), "postgres.log"), "utf8")).not.toMatch(/60123456789|division/);
  });

  test("is shared by two servers, and the last one out stops it", async () => {
    const first = await start();
    const second = await start();
    const pid = await postmasterPid();
    expect(second.url).toBe(first.url);
    await first.stop();
    expect(await query(second.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await second.stop();
    expect(isAlive(pid)).toBe(false);
  });

  test("is made once when two servers start at the same moment, and half a folder that was left there is swept", async () => {
    const fresh = join(root, "together", "postgres");
    await mkdir(`${fresh}.new-killed`, { recursive: true });
    await writeFile(join(`${fresh}.new-killed`, "PG_VERSION"), "18\n");
    const [first, second] = await Promise.all([hold({ dataDir: fresh }), hold({ dataDir: fresh })]);
    expect(second.url).toBe(first.url);
    const pid = await postmasterPid(fresh);
    for (const { child } of [first, second]) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    expect(isAlive(pid)).toBe(false);
    expect(await readdir(dirname(fresh))).toEqual(["database-url", "postgres", "postgres.alive", "postgres.lock", "postgres.log"]);
  });

  test("does not notice Ctrl-C, which the server has to answer by draining", async () => {
    const { child, url } = await hold();
    process.kill(-(child.pid ?? Number.NaN), "SIGINT");
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });
});

describe("after a crash", () => {
  test("kill -9 of the server leaves no Postgres behind, and the next start finds the data", async () => {
    const { child, url } = await hold();
    await query(url, "CREATE TABLE survives AS SELECT 1 AS one");
    const pid = await postmasterPid();
    child.kill("SIGKILL");
    await gone(pid);
    expect(await query((await start()).url, "SELECT one FROM survives")).toEqual([{ one: 1 }]);
  });

  test("kill -9 of the server and a start in the same moment get along", async () => {
    const { child } = await hold();
    child.kill("SIGKILL");
    expect(await query((await start()).url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("a Postgres that is killed is started again at the same address", async () => {
    const { url } = await start();
    process.kill(await postmasterPid(), "SIGKILL");
    const answer = () => query(url, "SELECT 1 AS one");
    expect(await vi.waitFor(answer, { timeout: 15_000, interval: 50 })).toEqual([{ one: 1 }]);
  });

  test("a Postgres whose guard was killed is stopped all the same", async () => {
    const { stop } = await start();
    const pid = await killGuard();
    await stop();
    expect(isAlive(pid)).toBe(false);
  });

  test("a Postgres that nobody guards any more gets a guard with the next start", async () => {
    const { child } = await hold();
    const orphan = await killGuard();
    child.kill("SIGKILL");
    await once(child, "exit");
    const { url, stop } = await start();
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await gone(orphan); // it lets go of its folder a little before it ends
    await stop();
  });

  test("a postmaster.pid that names another process by now does not keep it from starting", async () => {
    await (await start()).stop();
    const stale = [process.pid, "/proc/self/cwd", 1, 5432, "", "127.0.0.1", "", "ready", ""].join("\n");
    await writeFile(join(dataDir, "postmaster.pid"), stale);
    expect(await query((await start()).url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  async function killGuard(): Promise<number> {
    const pid = await postmasterPid();
    const guard = parentOf(pid);
    for (const process_ of [guard, ...childrenOf(guard).filter((child) => child !== pid)]) process.kill(process_, "SIGKILL");
    return pid;
  }
});

describe("a folder that cannot be used", () => {
  test("is left alone when another major version made it", async () => {
    const old = join(root, "old", "postgres");
    await mkdir(old, { recursive: true });
    await writeFile(join(old, "PG_VERSION"), "15\n");
    await expect(start({ dataDir: old })).rejects.toThrow(/was made by Postgres 15, .* brings Postgres \d+\. Nothing was changed/);
    expect(await readdir(old)).toEqual(["PG_VERSION"]);
  });

  test("is left alone when it holds something else", async () => {
    const other = join(root, "other", "postgres");
    await mkdir(other, { recursive: true });
    await writeFile(join(other, "thesis.txt"), "mine");
    await expect(start({ dataDir: other })).rejects.toThrow(/is not a Postgres data folder: move it away, or set RENTAK_DATA_DIR/);
    expect(await readdir(other)).toEqual(["thesis.txt"]);
  });

  test("is named", async () => {
    await writeFile(join(root, "file"), "");
    const inFile = join(root, "file", "postgres");
    await expect(start({ dataDir: inFile })).rejects.toThrow(/Cannot keep a Postgres in .*\/file\/postgres: .*RENTAK_DATA_DIR/);
  });
});

describe.skipIf(!isRoot)("as root (skipped for other users: they cannot give up root)", () => {
  test("runs as another user, in a folder that only root may enter", async () => {
    const closed = join(root, "closed");
    await mkdir(closed, { mode: 0o700 });
    const folder = join(closed, ".rentak", "postgres");
    const { url } = await start({ dataDir: folder });
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    expect((await stat(folder)).uid).not.toBe(0);
    expect((await stat(closed)).uid).toBe(0);
  });

  test("takes a data folder that was restored by root", async () => {
    await (await start()).stop();
    const restored = join(root, "restored", "postgres");
    await cp(dataDir, restored, { recursive: true });
    const { url } = await start({ dataDir: restored });
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("runs programs below a closed folder, without their links, from a copy that it mends and that nobody else can write", async () => {
    const closed = join(root, "closed-package");
    const place = join(root, "place");
    await mkdir(closed, { mode: 0o700 });
    await mkdir(place);
    await chmod(root, 0o755);
    const original = (await prepareBinaries({})).postgres;
    await cp(dirname(dirname(dirname(original))), join(closed, "package"), { recursive: true });
    const account = await accountFor(join(root, "nowhere"));

    const { postgres } = await prepareBinaries(account, join(closed, "package"), [place]);
    expect(postgres.startsWith(`${place}/`)).toBe(true);
    await unlink(postgres);
    expect(await prepareBinaries(account, join(closed, "package"), [place])).toMatchObject({ postgres });
    await chmod(dirname(dirname(postgres)), 0o777);
    await expect(prepareBinaries(account, join(closed, "package"), [place])).rejects.toThrow(/only user 0 can write to: remove it/);
    await chmod(root, 0o700);
  });

  test("leaves another user's server to that user", async ({ skip }) => {
    if (!canRead(holder, NOBODY)) skip("this clone lies below a folder that only root may enter");
    const theirs = join(root, "theirs");
    await mkdir(theirs);
    execFileSync("chown", [String(NOBODY), theirs]);
    await chmod(root, 0o755);
    const folder = join(theirs, ".rentak", "postgres");
    const { child, url } = await hold({ uid: NOBODY, gid: NOBODY, dataDir: folder });
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    expect((await start({ dataDir: folder })).url).toBe(url);
    child.kill("SIGTERM");
    await once(child, "exit");
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  function canRead(path: string, uid: number): boolean {
    try {
      execFileSync("cat", [path], { uid, gid: uid, stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  }
});
