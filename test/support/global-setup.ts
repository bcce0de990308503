// One Postgres for the whole run, with a migrated database in it that every test file clones (see database.ts).

import { rm } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { createPool } from "../../src/db/client.ts";
import { startEmbeddedPostgres } from "../../src/db/embedded.ts";
import { migrate } from "../../src/db/migrate.ts";
import { withDatabase } from "./database-url.ts";
import { postgresFolder } from "./postgres-folder.ts";

const TEMPLATE = "rentak_template";

declare module "vitest" {
  interface ProvidedContext {
    readonly postgresUrl: string;
    readonly templateDatabase: string;
  }
}

/** Should the run be killed: Postgres stops by itself. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await postgresFolder("rentak-test-");
  const log = { info: () => {}, warn: console.warn, error: console.error };
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, "postgres"), log, durable: false });
  const teardown = async () => {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await makeTemplate(postgres.url);
  } catch (error) {
    await teardown();
    throw error;
  }
  project.provide("postgresUrl", postgres.url);
  project.provide("templateDatabase", TEMPLATE);
  return teardown;
}

async function makeTemplate(url: string): Promise<void> {
  const admin = new pg.Client(url);
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${TEMPLATE}`);
    const pool = createPool(withDatabase(url, TEMPLATE), { max: 2, idle: 0, lifetimeSeconds: 0, onError: console.error });
    await migrate(pool).finally(() => pool.end());
    // A connection to it, a forgotten one too, would make every clone fail.
    await admin.query(`ALTER DATABASE ${TEMPLATE} ALLOW_CONNECTIONS false`);
  } finally {
    await admin.end();
  }
}
