// After an exchange of keys: seals anew, with the newest, all that an older one has sealed, so that the older one can go. Runs beside the nodes, and can be
// run again. Every process has to know the newest key by then: one that does not cannot read what this writes.

import type pg from "pg";
import type { Sealer } from "../lib/sealing.ts";

const BATCH = 500;

type Key = string | number | Buffer;

export type SealedRow = { readonly workspaceId: string; readonly key: readonly Key[] };

/** A column with sealed bytes, of a table with a workspace_id. */
export type SealedColumn = {
  readonly table: string;
  readonly column: string;
  /** What names a row, with its types. */
  readonly key: Readonly<Record<string, string>>;
  /** What its bytes are bound to. */
  readonly place: (row: SealedRow) => string;
};

type Row = SealedRow & { readonly sealed: Buffer };

export type ResealProgress = { readonly rows: number; readonly resealed: number };

/** `onProgress` is told after each batch. Rejects with UnsealError where a row opens with none of the keys: then none may go. */
export async function reseal(pool: pg.Pool, sealer: Sealer, columns: readonly SealedColumn[], onProgress: (progress: ResealProgress) => void): Promise<ResealProgress> {
  let progress: ResealProgress = { rows: 0, resealed: 0 };
  for (const column of columns) {
    let last: readonly Key[] | undefined;
    do {
      const rows = await read(pool, column, last);
      const outdated = rows.filter(({ sealed }) => !sealer.isCurrent(sealed));
      if (outdated.length > 0) await write(pool, column, sealer, outdated);
      progress = { rows: progress.rows + rows.length, resealed: progress.resealed + outdated.length };
      onProgress(progress);
      last = rows.at(-1)?.key;
    } while (last !== undefined);
  }
  return progress;
}

async function read(pool: pg.Pool, { table, column, key }: SealedColumn, after: readonly Key[] | undefined): Promise<Row[]> {
  const names = Object.keys(key);
  const parameters = Object.values(key).map((type, index) => `$${index + 1}::${type}`);
  const { rows } = await pool.query<{ workspace_id: string; sealed_bytes: Buffer } & Record<string, Key>>(
    `SELECT workspace_id, ${column} AS sealed_bytes, ${names.join(", ")} FROM ${table}
      WHERE ${column} IS NOT NULL ${after ? `AND (${names.join(", ")}) > (${parameters.join(", ")})` : ""} ORDER BY ${names.join(", ")} LIMIT ${BATCH}`,
    [...(after ?? [])],
  );
  return rows.map((row) => ({ workspaceId: row.workspace_id, sealed: row.sealed_bytes, key: names.map((name) => row[name] ?? "") }));
}

async function write(pool: pg.Pool, { table, column, key, place }: SealedColumn, sealer: Sealer, rows: readonly Row[]): Promise<void> {
  const names = Object.keys(key);
  const types = [...Object.values(key), "bytea", "bytea"].map((type, index) => `$${index + 1}::${type}[]`);
  await pool.query(
    `UPDATE ${table} t SET ${column} = w.anew FROM unnest(${types.join(", ")}) AS w(${names.join(", ")}, sealed, anew)
      WHERE ${names.map((name) => `t.${name} = w.${name}`).join(" AND ")}
        AND t.${column} = w.sealed                -- what was written meanwhile is newer, and sealed with the newest key already`,
    [
      ...names.map((_, index) => rows.map((row) => row.key[index])),
      rows.map(({ sealed }) => sealed),
      rows.map((row) => sealer.seal(sealer.open(row.sealed, place(row)), place(row))),
    ],
  );
}
