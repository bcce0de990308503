// Several servers on one Postgres of their own, each behind a proxy, with a witness on the wire: what the fault tests break.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type pg from "pg";
import { createPool } from "../../src/db/client.ts";
import { startEmbeddedPostgres } from "../../src/db/embedded.ts";
import { migrate } from "../../src/db/migrate.ts";
import { type ClusterNode, createClusterNode } from "./cluster-node.ts";
import { eventually } from "./eventually.ts";
import { recordOwners } from "./evidence.ts";
import { query, silent } from "./factories.ts";
import { noRedis, type RedisServer, startRedisServer } from "./redis-server.ts";
import { startPostgresProxy } from "./postgres-proxy.ts";
import { openWireWitness, type WireWitness } from "./wire-witness.ts";

const POLL_MS = 100;

export interface Cluster {
  readonly dir: string;
  readonly nodes: readonly ClusterNode[];
  /** Past the proxies. */
  readonly pool: pg.Pool;
  readonly wire: WireWitness;
  /** That all nodes use; undefined where none is installed. */
  readonly redis: RedisServer | undefined;
  /** kill -9 of Postgres and all its processes. It is started again at once, on the same port. */
  killPostgres(): Promise<void>;
  /** Waits until this process has devices. */
  untilGivenDevices(node: ClusterNode): Promise<void>;
  stop(): Promise<void>;
}

export type ClusterOptions = { readonly nodes: number; readonly settings: Readonly<Record<string, string>> };

export async function startCluster({ nodes: count, settings }: ClusterOptions): Promise<Cluster> {
  const dir = await mkdtemp(join(tmpdir(), "rentak-cluster-"));
  const stops: (() => Promise<unknown>)[] = [() => rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 })];
  const stop = async () => {
    for (const undo of stops.splice(0).toReversed()) await undo();
  };
  try {
    const dataDir = join(dir, "postgres");
    const postgres = await startEmbeddedPostgres({ dataDir, log: silent });
    stops.push(postgres.stop);
    const pool = createPool(postgres.url, { max: 8, idle: 1, lifetimeSeconds: 0, onError: () => {} });
    stops.push(() => pool.end());
    await skipDiskWrites(pool);
    await migrate(pool);
    await recordOwners(pool);
    const redis = noRedis ? undefined : await startRedisServer();
    if (redis) stops.push(redis.stop);
    const names = Array.from({ length: count }, (_, index) => `node${index + 1}`);
    const wire = await openWireWitness(dir, names);
    stops.push(wire.close);
    const nodes = await Promise.all(names.map((name) => createNode(name, dir, postgres.url, { ...settings, ...(redis && { REDIS_URL: redis.url }), RENTAK_SIMULATOR_LOG: wire.logOf(name) })));
    stops.push(() => Promise.all(nodes.map((node) => node.proxy.close())));
    stops.push(() => Promise.all(nodes.map((node) => node.end("SIGKILL"))));
    await Promise.all(nodes.map((node) => node.start()));
    return { dir, nodes, pool, wire, redis, stop, untilGivenDevices: (node) => untilGivenDevices(pool, node), killPostgres: () => killPostgres(join(dataDir, "postmaster.pid"), pool) };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilGivenDevices(pool: pg.Pool, { name }: ClusterNode): Promise<void> {
  const isGiven = async () => {
    try {
      return (await query(pool, "SELECT FROM devices d JOIN nodes n ON n.id = d.node_id WHERE n.name = $1 LIMIT 1", [name])).length > 0;
    } catch (error) {
      if (pool.ended) throw error;
      return false; // Postgres itself is being killed
    }
  };
  while (!(await isGiven())) await delay(POLL_MS);
}

async function createNode(name: string, dir: string, databaseUrl: string, settings: Readonly<Record<string, string>>): Promise<ClusterNode> {
  const url = new URL(databaseUrl);
  const proxy = await startPostgresProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  // Servers with a data folder each, as on a machine each, have to be told the key that they share.
  const shared = { RENTAK_ADMIN_TOKEN: "the-token-of-this-test", RENTAK_ENCRYPTION_KEY: "5e".repeat(32) };
  return createClusterNode(name, proxy, { ...settings, ...shared, DATABASE_URL: url.href, RENTAK_DATA_DIR: join(dir, name) });
}

/** What a killed Postgres has written is in the kernel's hands, and survives it; the disk is for the machine's own death. Commits are written
 *  before they are answered, as always. */
async function skipDiskWrites(pool: pg.Pool): Promise<void> {
  await pool.query("ALTER SYSTEM SET fsync = off");
  await pool.query("ALTER SYSTEM SET full_page_writes = off");
  await pool.query("SELECT pg_reload_conf()");
}

async function killPostgres(pidFile: string, pool: pg.Pool): Promise<void> {
  const postmaster = Number((await readFile(pidFile, "utf8")).split("\n")[0]);
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid="]);
  const children = stdout.split("\n").map((line) => line.trim().split(/\s+/).map(Number)).filter(([, parent]) => parent === postmaster);
  for (const pid of [postmaster, ...children.map(([pid]) => pid)]) killIfThere(pid);
  await eventually(() => query(pool, "SELECT").then(() => true, () => false), "Postgres is there again", 60_000);
}

function killIfThere(pid: number | undefined): void {
  try {
    if (pid !== undefined && pid > 1) process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it went with the others
  }
}

/** Waits until Postgres has done with what it was told over these connections: what was to be committed is. */
export const idleBackends = (pool: pg.Pool, ports: readonly number[]): Promise<unknown> =>
  eventually(async () => {
    const busy = await query(pool, "SELECT FROM pg_stat_activity WHERE client_port = ANY ($1::int[]) AND state = 'active'", [ports]);
    return busy.length === 0;
  }, "what was on its way to Postgres has come to its end", 30_000);
