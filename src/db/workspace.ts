import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
import pg from "pg";
import type { Result } from "../lib/errors.ts";

/** A transaction that sees one workspace's rows and no others. */
export type Tx = NodePgDatabase;

/** The database as one workspace may see it. Every statement runs as the role that row-level security holds to `id`. */
export interface WorkspaceDb {
  readonly id: string;
  /** For reads: one transaction, one snapshot per statement. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** For writes: a refusal rolls everything back. `work` may run more than once, where Postgres ends a deadlock by failing it. */
  write<T>(work: (tx: Tx) => Promise<Result<T>>): Promise<Result<T>>;
}

const RETRIES = 3;
const DEADLOCK_OR_SERIALIZATION = new Set(["40P01", "40001"]);

/** Whether Postgres failed the transaction to end a deadlock or a conflict: run again, it may pass. */
export const isRetryable = (error: unknown): boolean => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof pg.DatabaseError && DEADLOCK_OR_SERIALIZATION.has(cause.code ?? "");
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function workspaceDb(pool: pg.Pool, id: string): WorkspaceDb {
  // It goes into the statement's text: BEGIN, SET and set_config then cost one round trip, not three.
  if (!UUID.test(id)) throw new Error("a workspace id is a lower-case UUID");
  const begin = `BEGIN; SET LOCAL ROLE rentak_api; SET LOCAL app.workspace_id = '${id}'`;

  const transaction = async <T>(work: (tx: Tx) => Promise<T>, keeps: (value: T) => boolean): Promise<T> => {
    const client = await pool.connect();
    let broken = true;
    try {
      await client.query(begin);
      try {
        const value = await work(drizzle(client));
        await client.query(keeps(value) ? "COMMIT" : "ROLLBACK");
        broken = false;
        return value;
      } catch (error) {
        await client.query("ROLLBACK");
        broken = false;
        throw error;
      }
    } finally {
      // A connection that could not even roll back is closed: the role and workspace must never reach the next one who borrows it.
      client.release(broken);
    }
  };

  const retrying = async <T>(run: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run();
      } catch (error) {
        if (attempt >= RETRIES || !isRetryable(error)) throw error;
      }
    }
  };

  return {
    id,
    read: (work) => transaction(work, () => true),
    write: (work) => retrying(() => transaction(work, (result) => result.ok)),
  };
}
