// Connections to Postgres.

import pg from "pg";
import { OperatorError } from "../lib/errors.ts";

export type PoolOptions = {
  readonly max: number;
  /** Connections kept open when idle. */
  readonly idle: number;
  /** After so long a connection is replaced, once it is idle; 0: never. */
  readonly lifetimeSeconds: number;
  /** Told of a connection that broke, as when Postgres restarts: the pool replaces it. A query that it broke fails on top of that. */
  readonly onError: (error: Error) => void;
  /** A statement that waits longer for a row fails. */
  readonly lockTimeoutMs?: number;
  /** A statement of which nothing is heard for so long fails, and its connection is closed: one that has died in silence would be waited for
   *  until TCP gives up, a quarter of an hour later. */
  readonly queryTimeoutMs?: number;
};

const CONNECT_TIMEOUT_MS = 5000;
/** No statement waits longer for a row that another one holds; no transaction of a process that hangs keeps its rows longer. */
const LOCK_TIMEOUT_MS = 5000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 5000;

/** Rows come with timestamptz as Date, int8 (count) as number, numeric (a sum of int8) and xid8 as string. */
export function createPool(url: string, { max, idle, lifetimeSeconds, onError, lockTimeoutMs = LOCK_TIMEOUT_MS, queryTimeoutMs }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: "rentak",
    max,
    min: idle,
    maxLifetimeSeconds: lifetimeSeconds,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    lock_timeout: lockTimeoutMs,
    ...(queryTimeoutMs !== undefined && { query_timeout: queryTimeoutMs }),
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    // Compiling a statement takes longer than any of ours runs: claims took 0.7 s more with it.
    options: "-c jit=off",
    types: { getTypeParser },
  });
  // Without a listener an error ends the process. The pool's own listens to idle connections only, and one that is checked out can be
  // broken between two statements, too: by the timeout above, or by a restart.
  pool.on("connect", (client) => {
    client.on("error", (error) => {
      // pg-pool hangs the whole connection on it, before or after this: hidden, it does not end up in the log.
      Object.defineProperty(error, "client", { value: undefined, writable: true, enumerable: false });
      onError(error);
    });
  });
  pool.on("error", () => {}); // told already
  return pool;
}

/** For this pool alone, not for the whole process. drizzle's own queries bring their parsers along. */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: "text" | "binary") => {
  if (format !== "binary" && oid === pg.types.builtins.INT8) return parseInt8;
  if (format !== "binary" && oid === pg.types.builtins.TIMESTAMPTZ) return parseTime;
  return pg.types.getTypeParser(oid, format);
};

const parseAnyTime = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ);

/** Times in UTC, to the millisecond, as ours are, in a third of the time of pg's way (120 ns to 360), which knows all others as well. A page of flows has 600. */
export function parseTime(text: string): Date {
  const isPlain = text.endsWith("+00") && text.charCodeAt(10) === SPACE && text.length <= LONGEST_PLAIN;
  if (!isPlain) return parseAnyTime(text);
  const ms = text.length === SHORTEST_PLAIN ? 0 : Number(text.slice(20, -3).padEnd(3, "0"));
  const year = digits(text, 0) * 100 + digits(text, 2);
  // Date.UTC takes the years up to 99 for those of the last century.
  return year < 100 ? parseAnyTime(text) : new Date(Date.UTC(year, digits(text, 5) - 1, digits(text, 8), digits(text, 11), digits(text, 14), digits(text, 17), ms));
}

const SPACE = 32;
const ZERO = 48;
const SHORTEST_PLAIN = "2026-11-27 10:25:03+00".length;
const LONGEST_PLAIN = "2026-11-27 10:25:03.123+00".length;

const digits = (text: string, at: number) => (text.charCodeAt(at) - ZERO) * 10 + text.charCodeAt(at + 1) - ZERO;

function parseInt8(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError(`${text} does not fit into a number: select it as text`);
}

/** What the views and their row-level security ask for. */
const OLDEST_POSTGRES = 15;

/** Throws OperatorError where the database cannot be reached, does not let us in, or is too old. */
export async function assertUsable(pool: pg.Pool): Promise<void> {
  let version: string | undefined;
  try {
    const { rows } = await pool.query<{ version: string }>("SELECT current_setting('server_version') AS version");
    version = rows[0]?.version;
  } catch (error) {
    // Several addresses of a host that all failed: the first says as much as all of them.
    const cause: unknown = error instanceof AggregateError ? error.errors[0] : error;
    throw new OperatorError(
      `The Postgres of DATABASE_URL cannot be used: ${cause instanceof Error ? cause.message : String(cause)}. ` +
        "It must look like postgres://user:password@host:5432/database, and name a database that exists. Without DATABASE_URL Rentak brings its own.",
      { cause: error },
    );
  }
  if (Number.parseInt(version ?? "", 10) < OLDEST_POSTGRES) {
    throw new OperatorError(`The Postgres of DATABASE_URL is version ${version}; Rentak needs ${OLDEST_POSTGRES} or newer. Without DATABASE_URL it brings its own.`);
  }
}
