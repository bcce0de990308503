import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate as applyMigrations } from "drizzle-orm/node-postgres/migrator";
import type pg from "pg";

const MIGRATIONS = fileURLToPath(new URL("../../drizzle", import.meta.url));

/** Any number that nothing else in the database takes an advisory lock on. */
const MIGRATION_LOCK = 7_263_471;

/** Brings the database up to date. Processes that start together wait for one another: a migration runs once. */
export async function migrate(pool: pg.Pool): Promise<void> {
  const client = await pool.connect();
  try {
    // Its transaction goes on in ours, and ends it: it has begun under the lock.
    await underLock(client, () => applyMigrations(drizzle(client), { migrationsFolder: MIGRATIONS }));
    await underLock(client, () => client.query("SELECT ensure_partitions()"));
  } finally {
    // Closed, so that what was begun is taken back where a query above failed half-way.
    client.release(true);
  }
}

/** A transaction's lock, not a session's: behind a pooler of transactions the next statement may go over another connection, and the lock would stay for good. */
async function underLock(client: pg.PoolClient, work: () => Promise<unknown>): Promise<void> {
  await client.query("BEGIN");
  // Waiting for another process's migration is no fault: the connection's lock_timeout must not end it.
  await client.query("SET LOCAL lock_timeout = 0");
  await client.query("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
  await work();
  await client.query("COMMIT");
}
