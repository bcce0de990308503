import pg from "pg";

const RETRIES = 3;
const DEADLOCK_OR_SERIALIZATION = new Set(["40P01", "40001"]);

/** Whether Postgres failed the transaction to end a deadlock or a conflict: run again, it may pass. */
export const isRetryable = (error: unknown): boolean => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof pg.DatabaseError && DEADLOCK_OR_SERIALIZATION.has(cause.code ?? "");
};

/** Runs again what Postgres ended because of a deadlock. */
export async function retrying<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt >= RETRIES || !isRetryable(error)) throw error;
    }
  }
}

export type TransactionOptions<T> = {
  /** What opens it; more than BEGIN costs no further round trip. */
  readonly begin?: string;
  /** False rolls back, though nothing was thrown. */
  readonly keeps?: (value: T) => boolean;
};

/** A transaction on a connection of its own. `work` may run more than once, where Postgres ends a deadlock by failing it. */
export function transaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>, options: TransactionOptions<T> = {}): Promise<T> {
  return retrying(async () => {
    const client = await pool.connect();
    let broken = true;
    try {
      await client.query(options.begin ?? "BEGIN");
      try {
        const value = await work(client);
        await client.query(options.keeps?.(value) === false ? "ROLLBACK" : "COMMIT");
        broken = false;
        return value;
      } catch (error) {
        await client.query("ROLLBACK");
        broken = false;
        throw error;
      }
    } finally {
      // A connection that could not even roll back is closed: what it was set to must never reach the next one who borrows it.
      client.release(broken);
    }
  });
}

/** SQLSTATE classes that speak of the connection, the server or other transactions, not of the values that were sent. */
const NOT_THE_DATA = new Set(["08", "25", "40", "53", "55", "57", "58", "XX"]);

/** Whether the statement failed by what was in it, so that it would fail again. */
export const isDataError = (error: unknown): boolean => error instanceof pg.DatabaseError && !NOT_THE_DATA.has((error.code ?? "XX").slice(0, 2));
