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
    // Waiting for another process's migration is no fault: the connection's lock_timeout must not end it.
    await client.query("SET lock_timeout = 0");
    await client.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
    await applyMigrations(drizzle(client), { migrationsFolder: MIGRATIONS });
    await client.query("SELECT ensure_partitions()");
  } finally {
    // Closing the connection gives the lock back, also where a query above failed half-way.
    client.release(true);
  }
}
