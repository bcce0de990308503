// Rows of a table without drizzle's mapping of each value, for what is asked for most: mapping was a fifth of all that a list of flows cost the server. pg reads
// the same types by itself (db/client.ts).

import { getTableColumns, sql, type SQL } from "drizzle-orm";
import { PgDialect, type PgTable } from "drizzle-orm/pg-core";
import type { Tx } from "./workspace.ts";

const dialect = new PgDialect();

/** SQL: all columns of a table, under the names that its rows have in TypeScript. */
export function columnsOf(table: PgTable): SQL {
  const columns = Object.entries(getTableColumns(table)).map(([name, column]) => sql`${column} AS ${sql.identifier(name)}`);
  // As one piece of text: put together anew for each statement, thirty columns cost more than the rest of it.
  return sql.raw(dialect.sqlToQuery(sql.join(columns, sql`, `)).sql);
}

/** `name`: what it is kept prepared under. Only where the text is always the same, and the plan does not depend on the values. */
export async function rowsOf<Row>(tx: Tx, query: SQL, name?: string): Promise<Row[]> {
  const { sql: text, params } = dialect.sqlToQuery(query);
  const { rows } = await tx.$client.query({ text, values: params, ...(name !== undefined && { name }) });
  return rows as Row[];
}
