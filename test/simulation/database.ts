// A real Postgres whose clock is the simulation's: migrated so that every now() in it, in defaults, functions and views too, reads virtual time.
// Each has a server of its own, without autovacuum: what anybody else does on a server decides with us when dead rows are cleared away, and so in which
// order the others lie on their pages.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { createPool } from "../../src/db/client.ts";
import { startEmbeddedPostgres } from "../../src/db/embedded.ts";
import { migrate } from "../../src/db/migrate.ts";
import { withDatabase } from "../support/database-url.ts";
import { postgresFolder } from "../support/postgres-folder.ts";

export type Statement = Pick<pg.QueryArrayConfig, "name" | "text" | "types"> & { readonly values?: readonly unknown[] | undefined; readonly rowMode?: "array" };

export interface SimulatedDatabase {
  /** Executes one statement at this moment (ms since the epoch). One at a time: whoever calls waits for the answer. */
  execute(atMs: number, statement: Statement): Promise<pg.QueryResult>;
  /** As it was after the migrations; keys made from here on are those of `seed`. */
  reset(startMs: number, seed: number): Promise<void>;
  stop(): Promise<void>;
}

// Found before pg_catalog's own by the search path below. Their volatility is that of the originals, since plans depend on it.
const CLOCK = `
  CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT to_timestamp(current_setting('sim.now')::float8) $$;
  CREATE FUNCTION statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT to_timestamp(current_setting('sim.now')::float8) $$;
  CREATE FUNCTION transaction_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT to_timestamp(current_setting('sim.now')::float8) $$;
  CREATE FUNCTION now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT to_timestamp(current_setting('sim.now')::float8) $$;`;

// Keys of virtual time, the same ones for a seed each time: milliseconds, a counter, and the seed's digits.
const KEYS = `
  CREATE SEQUENCE sim_keys;
  CREATE FUNCTION gen_random_uuid() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT md5(current_setting('sim.seed') || ' ' || nextval('sim_keys'))::uuid $$;
  CREATE OR REPLACE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
            || lpad(to_hex(k & 4095), 3, '0') || '8' || substr(md5(current_setting('sim.seed') || ' ' || k), 1, 15))::uuid FROM nextval('sim_keys') AS k $$;
  GRANT USAGE ON SEQUENCE sim_keys TO rentak_api;`;

/** They have no use for the time; and after an error nothing else may go before the ROLLBACK. */
const CONTROL = /^\s*(BEGIN|COMMIT|ROLLBACK)/;

const SET_TIME = "SELECT set_config('sim.now', $1, false)";

type Connection = {
  bind(message: { statement: string; values: string[] }, more?: boolean): void;
  execute(message: { portal?: string }, more?: boolean): void;
  readonly stream: { cork(): void; uncork(): void };
};
type QueryConfig = Pick<pg.QueryArrayConfig, "text" | "types"> & { readonly name: string | undefined; readonly values: unknown[] | undefined; readonly rowMode: "array" | undefined };
type Answered = (error: Error | null, result: pg.QueryResult) => void;

/** What every query is to pg's client; its types do not tell. */
const Query = pg.Query as unknown as new (config: QueryConfig, callback: Answered) => {
  submit(connection: Connection): Error | null;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
};

/** Sets the time in the same message as its statement: a round trip each would be a third of all time. */
class TimedQuery extends Query {
  readonly #time: string | null;
  #isTimeSet: boolean;

  constructor(config: QueryConfig, atMs: number | null, answered: Answered) {
    super(config, answered);
    this.#time = atMs === null ? null : (atMs / 1000).toFixed(6);
    this.#isTimeSet = atMs === null;
  }

  override submit(connection: Connection): Error | null {
    connection.stream.cork();
    if (this.#time !== null) {
      connection.bind({ statement: "sim_now", values: [this.#time] });
      connection.execute({});
    }
    const error = super.submit(connection);
    connection.stream.uncork();
    return error;
  }

  override handleDataRow(message: unknown): void {
    if (this.#isTimeSet) super.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    if (this.#isTimeSet) super.handleCommandComplete(message, connection);
    this.#isTimeSet = true;
  }
}

const CONTENT = `
  SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname`;

const NAME = "simulation";
const SILENT = { info: () => {}, warn: console.warn, error: console.error };

export async function startSimulatedDatabase(): Promise<SimulatedDatabase> {
  const folder = await postgresFolder("rentak-simulation-");
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, "postgres"), log: SILENT, durable: false });
  const stop = async () => {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return await openDatabase(postgres.url, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function openDatabase(adminUrl: string, stopPostgres: () => Promise<void>): Promise<SimulatedDatabase> {
  const admin = new pg.Client(adminUrl);
  await admin.connect();
  await admin.query("ALTER SYSTEM SET autovacuum = off");
  await admin.query("SELECT pg_reload_conf()");
  await admin.query(`CREATE DATABASE ${NAME} TEMPLATE template0`);
  for (const setting of [
    "search_path = public, pg_catalog",
    "timezone = 'UTC'",
    `"sim.now" = '${Date.UTC(2030, 0, 1) / 1000}'`,
    `"sim.seed" = '0'`,
    "plan_cache_mode = force_generic_plan", // one plan per statement, whatever was executed before
    "synchronous_commit = off",
  ]) {
    await admin.query(`ALTER DATABASE ${NAME} SET ${setting}`);
  }
  await admin.end();
  const client = await prepareDatabase(withDatabase(adminUrl, NAME));
  const tables = (await client.query<{ name: string }>(CONTENT)).rows.map((row) => row.name);
  await client.query(`CREATE SCHEMA initial; ${tables.map((table) => `CREATE TABLE initial.${table} AS TABLE public.${table}`).join("; ")}`);
  const filled: string[] = [];
  for (const table of tables) {
    // Nothing decides by itself in the middle of a run to look at the statistics anew.
    if ((await client.query(`SELECT FROM initial.${table} LIMIT 1`)).rowCount !== 0) filled.push(table);
  }
  const refill = filled.map((table) => `INSERT INTO ${table} OVERRIDING SYSTEM VALUE TABLE initial.${table}`);

  let prepared = 0;
  const names = new Map<string, string>();
  const nameOf = (text: string) => {
    let known = names.get(text);
    if (known === undefined) names.set(text, (known = `sim_${prepared++}`));
    return known;
  };

  return {
    execute: (atMs, { text, values, types, rowMode }) =>
      new Promise((resolve, reject) => {
        const isControl = CONTROL.test(text);
        const config = { name: isControl ? undefined : nameOf(text), text, values: isControl ? undefined : [...(values ?? [])], types, rowMode };
        client.query(new TimedQuery(config, isControl ? null : atMs, (error, result) => (error ? reject(error) : resolve(result))));
      }),
    async reset(startMs, seed) {
      await client.query("ROLLBACK");
      await client.query(`SET "sim.now" = '${(startMs / 1000).toFixed(6)}'; SET "sim.seed" = '${seed}'; SELECT setval('sim_keys', 1)`);
      // The months of the seeds before would make every plan longer: with eighteen of them a run took twice the time.
      const { rows } = await client.query<{ name: string }>("SELECT relname AS name FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname");
      const drop = rows.length === 0 ? "" : `DROP TABLE ${rows.map((row) => row.name).join(", ")};`;
      await client.query(`BEGIN; ${drop} TRUNCATE ${tables.join(", ")} RESTART IDENTITY; ${refill.join("; ")}; SELECT ensure_partitions(); COMMIT`);
    },
    async stop() {
      await client.end();
      await stopPostgres();
    },
  };
}

async function prepareDatabase(url: string): Promise<pg.Client> {
  const pool = createPool(url, { max: 1, idle: 0, lifetimeSeconds: 0, onError: console.error });
  await pool.query(CLOCK);
  await migrate(pool);
  await pool.query(KEYS);
  const client = new pg.Client(pool.options as pg.ClientConfig);
  await pool.end();
  await client.connect();
  await client.query({ name: "sim_now", text: SET_TIME, values: ["0"] });
  return client;
}
