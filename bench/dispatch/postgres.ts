// The one Postgres that all contestants are measured on: the one that comes with Rentak, with a data folder of its own.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startEmbeddedPostgres } from "../../src/db/embedded.ts";
import { parentOf } from "./processes.ts";

/** The row-by-row way holds a connection for each of its 100 workers. */
const MAX_CONNECTIONS = 150;

export type BenchPostgres = {
  readonly postmaster: number;
  readonly version: string;
  readonly logFile: string;
  /** Makes a database by `fill`, unless there is one of that name. */
  readonly template: (name: string, fill: (url: string) => Promise<void>) => Promise<void>;
  /** A fresh copy of a template, all of it written to disk, for the time of `use`. */
  readonly withCopy: <T>(template: string, use: (url: string) => Promise<T>) => Promise<T>;
  /** Safe to call twice. What is being asked of it fails. */
  readonly stop: () => Promise<void>;
};

export async function startBenchPostgres(say: (line: string) => void): Promise<BenchPostgres> {
  const folder = await mkdtemp(join(tmpdir(), "rentak-bench-"));
  const options = { dataDir: join(folder, "postgres"), log: { info: () => {}, warn: console.warn, error: console.error } };
  const first = await startEmbeddedPostgres(options);
  await once(first.url, `ALTER SYSTEM SET max_connections = ${MAX_CONNECTIONS}`);
  await first.stop(); // a setting that counts from the start on
  const postgres = await startEmbeddedPostgres(options);
  const admin = (statement: string) => once(postgres.url, statement);
  const made = new Set<string>();
  let stopped: Promise<void> | undefined;

  return {
    ...(await aboutServer(postgres.url)),
    logFile: `${options.dataDir}.log`,
    async template(name, fill) {
      if (made.has(name)) return;
      const startedAt = performance.now();
      say(`preparing the database ${name} …`);
      await admin(`CREATE DATABASE ${name}`);
      const url = addressOf(postgres.url, name);
      await fill(url);
      // Statistics as they are after a while of work, not as a bulk load leaves them.
      await once(url, "VACUUM ANALYZE");
      made.add(name);
      say(`… prepared in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
    },
    async withCopy(template, use) {
      const name = `${template}_copy`;
      await admin(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`);
      try {
        // Each begins with nothing left to write, so that none pays for what went before it.
        await admin("CHECKPOINT");
        return await use(addressOf(postgres.url, name));
      } finally {
        await admin(`DROP DATABASE ${name} WITH (FORCE)`);
      }
    },
    stop: () => (stopped ??= postgres.stop().then(() => rm(folder, { recursive: true, force: true }))),
  };
}

async function aboutServer(url: string): Promise<{ postmaster: number; version: string }> {
  const client = await connect(url);
  try {
    const { rows } = await client.query<{ pid: number; version: string }>("SELECT pg_backend_pid() AS pid, current_setting('server_version') AS version");
    return { postmaster: await parentOf(rows[0]?.pid ?? 0), version: rows[0]?.version ?? "" };
  } finally {
    await client.end();
  }
}

/** One connection. */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  client.on("error", () => {}); // what it was asked fails as well
  await client.connect();
  return client;
}

/** Runs one statement on a connection of its own, and returns its rows. */
export async function once(url: string, statement: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = await connect(url);
  try {
    return (await client.query<Record<string, unknown>>(statement, values)).rows;
  } finally {
    await client.end();
  }
}

function addressOf(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
