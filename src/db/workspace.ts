import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
import type pg from "pg";
import type { Result } from "../lib/errors.ts";
import { Flights } from "./flight.ts";
import { transaction } from "./transaction.ts";

/** A transaction that sees one workspace's rows and no others. */
export type Tx = NodePgDatabase & { readonly $client: pg.PoolClient };

/** The database as one workspace may see it. Every statement runs as the role that row-level security holds to `id`. */
export interface WorkspaceDb {
  readonly id: string;
  /** For reads: one transaction, and one round trip, per statement. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** For writes: a refusal rolls everything back. `work` may run more than once, where Postgres ends a conflict by failing it. */
  write<T>(work: (tx: Tx) => Promise<Result<T>>): Promise<Result<T>>;
}

/** What is being done, for the audit log. */
export type Deed = { readonly operation: string; readonly subjects: readonly string[]; readonly fields: readonly string[] };

/** Who writes. `deed` tells what for, once: its entry is in the first transaction of it that is kept. */
export type Actor = { readonly tokenId: string; readonly deed: () => Deed | null; readonly noted: () => void };

const NOTE = "INSERT INTO audit_log (workspace_id, token_id, operation, subjects, fields, result) VALUES ($1, $2, $3, $4, $5, $6)";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `actor`: writes are noted in the audit log. */
export function workspaceDb(pool: pg.Pool, id: string, actor?: Actor): WorkspaceDb {
  // It goes into the statement's text: BEGIN and both settings then cost one round trip, not three.
  if (!UUID.test(id)) throw new Error("a workspace id is a lower-case UUID");
  const begin = `BEGIN; SET LOCAL ROLE rentak_api; SET LOCAL app.workspace_id = '${id}'`;
  let reader: Tx | undefined;
  return {
    id,
    read: (work) => work((reader ??= drizzle(new Flights(pool, id) as never))),
    async write(work) {
      const deed = actor?.deed() ?? null;
      const run = async (client: pg.PoolClient) => {
        const result = await work(drizzle(client));
        if (actor && deed && result.ok) await client.query(NOTE, [id, actor.tokenId, deed.operation, deed.subjects, deed.fields, typeof result.value === "string" && UUID.test(result.value) ? result.value : null]);
        return result;
      };
      const result = await transaction(pool, run, { begin, keeps: ({ ok }) => ok, isPatient: true });
      if (result.ok) actor?.noted();
      return result;
    },
  };
}
