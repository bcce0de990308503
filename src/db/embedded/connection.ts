// The one connection that every server keeps to its embedded Postgres: it tells when Postgres goes away, and how many servers share it.

import pg from "pg";
import { SUPERUSER } from "./cluster.ts";

const DATABASE = "rentak";
const APPLICATION = "rentak embedded";
const CONNECT_TIMEOUT_MS = 5000;

export type Watch = {
  /** Servers that are connected to this Postgres, this one included. */
  countServers(): Promise<number>;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly lost: Promise<void>;
  end(): Promise<void>;
};

export function databaseUrl(port: number, password: string, database = DATABASE): string {
  return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;
}

/** What it throws may pass by itself: see isPassing. */
export async function connectWatch(port: number, password: string): Promise<Watch> {
  const client = new pg.Client({
    connectionString: databaseUrl(port, password, "postgres"), // a connection to "rentak" would keep it from being cloned or renamed
    application_name: APPLICATION,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  client.on("error", () => {}); // "end" follows
  const lost = new Promise<void>((resolve) => client.once("end", () => resolve()));
  const end = () => client.end().catch(() => {});
  try {
    await client.connect();
    await ensureDatabase(client);
  } catch (error) {
    void end();
    throw error;
  }
  const countServers = async () => {
    const statement = "SELECT count(*)::int AS servers FROM pg_stat_activity WHERE application_name = $1";
    const counted = await client.query<{ servers: number }>(statement, [APPLICATION]);
    return counted.rows[0]?.servers ?? 0;
  };
  return { countServers, lost, end };
}

async function ensureDatabase(client: pg.Client): Promise<void> {
  const found = await client.query("SELECT FROM pg_database WHERE datname = $1", [DATABASE]);
  if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
}

/** No answer, or one of Postgres' class 57P: it starts, stops or recovers. */
export function isPassing(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || error.code?.startsWith("57P") === true;
}
