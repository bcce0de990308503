import pg from "pg";

const RETRIES = 3;
/** Deadlock, serialization failure; and a key that another transaction has taken since ours looked: ours sees it the next time, and says so. */
const CONFLICTS = new Set(["40P01", "40001", "23505"]);

/** Postgres's own error, also where drizzle has wrapped it. */
const databaseError = (error: unknown): pg.DatabaseError | undefined => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof pg.DatabaseError ? cause : undefined;
};

/** Whether Postgres failed the transaction because of another one: run again, it may pass. */
const isConflict = (error: unknown): boolean => CONFLICTS.has(databaseError(error)?.code ?? "");

/** Somebody else holds a row for longer than we wait for it. */
export const isLockTimeout = (error: unknown): boolean => databaseError(error)?.code === "55P03";

/** Runs again what Postgres ended because of another transaction. */
export async function retrying<T>(run: () => Promise<T>, isRetryable: (error: unknown) => boolean = isConflict): Promise<T> {
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
  /** Waits several times as long for a row that somebody else holds: an opt-out must not be lost to a bulk update. */
  readonly isPatient?: boolean;
};

/** A transaction on a connection of its own. `work` may run more than once, where Postgres ends a conflict by failing it. */
export function transaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>, options: TransactionOptions<T> = {}): Promise<T> {
  const run = async () => {
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
  };
  return retrying(run, options.isPatient ? (error) => isConflict(error) || isLockTimeout(error) : isConflict);
}

/** SQLSTATE classes that speak of the connection, the server or other transactions, not of the values that were sent. */
const NOT_THE_DATA = new Set(["08", "25", "40", "53", "55", "57", "58", "XX"]);

/** Whether the statement failed by what was in it, so that it would fail again. */
export function isDataError(error: unknown): boolean {
  const cause = databaseError(error);
  return cause !== undefined && !NOT_THE_DATA.has((cause.code ?? "XX").slice(0, 2));
}
