import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
import type pg from "pg";
import type { Result } from "../lib/errors.ts";
import { transaction } from "./transaction.ts";

/** A transaction that sees one workspace's rows and no others. */
export type Tx = NodePgDatabase & { readonly $client: pg.PoolClient };

/** The database as one workspace may see it. Every statement runs as the role that row-level security holds to `id`. */
export interface WorkspaceDb {
  readonly id: string;
  /** For reads: one transaction, one snapshot per statement. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** For writes: a refusal rolls everything back. `work` may run more than once, where Postgres ends a conflict by failing it. */
  write<T>(work: (tx: Tx) => Promise<Result<T>>): Promise<Result<T>>;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function workspaceDb(pool: pg.Pool, id: string): WorkspaceDb {
  // It goes into the statement's text: BEGIN and both settings then cost one round trip, not three.
  if (!UUID.test(id)) throw new Error("a workspace id is a lower-case UUID");
  const begin = `BEGIN; SET LOCAL ROLE rentak_api; SET LOCAL app.workspace_id = '${id}'`;
  return {
    id,
    read: (work) => transaction(pool, (client) => work(drizzle(client)), { begin }),
    write: (work) => transaction(pool, (client) => work(drizzle(client)), { begin, keeps: (result) => result.ok, isPatient: true }),
  };
}
