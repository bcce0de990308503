// After an exchange of keys: seals anew, with the newest, all that an older one has sealed, so that the older one can go. Runs beside the nodes, and can be
// run again. Every process has to know the newest key by then: one that does not cannot read what this writes.

import type pg from "pg";
import type { Sealer } from "../../lib/sealing.ts";
import { resealNameKey } from "./encryption-key.ts";
import { credentialsPlace, inboxPlace, keyPlace } from "./places.ts";

const BATCH = 500;

type Key = string | number | Buffer;

type Row = { readonly workspaceId: string; readonly deviceId: string; readonly key: readonly Key[]; readonly sealed: Buffer };

type Table = {
  readonly name: string;
  /** What names a row, with its types. */
  readonly columns: Readonly<Record<string, string>>;
  readonly place: (row: Row) => string;
};

/** What is shown of a pairing is not among them: it is gone after minutes. */
const TABLES: readonly Table[] = [
  { name: "whatsapp_credentials", columns: { device_id: "uuid" }, place: credentialsPlace },
  { name: "whatsapp_keys", columns: { device_id: "uuid", name: "bytea" }, place: (row) => keyPlace(row, row.key[1] as Buffer) },
  { name: "whatsapp_inbox", columns: { device_id: "uuid", message_id: "text" }, place: (row) => inboxPlace(row, row.key[1] as string) },
];

export type ResealProgress = { readonly rows: number; readonly resealed: number };

/** `onProgress` is told after each batch. Rejects with UnsealError where a row opens with none of the keys: then none may go. */
export async function resealAll(pool: pg.Pool, sealer: Sealer, onProgress: (progress: ResealProgress) => void): Promise<ResealProgress> {
  await resealNameKey(pool, sealer);
  let progress: ResealProgress = { rows: 0, resealed: 0 };
  for (const table of TABLES) {
    let last: readonly Key[] | undefined;
    do {
      const rows = await read(pool, table, last);
      const outdated = rows.filter(({ sealed }) => !sealer.isCurrent(sealed));
      if (outdated.length > 0) await write(pool, table, sealer, outdated);
      progress = { rows: progress.rows + rows.length, resealed: progress.resealed + outdated.length };
      onProgress(progress);
      last = rows.at(-1)?.key;
    } while (last !== undefined);
  }
  return progress;
}

async function read(pool: pg.Pool, { name, columns }: Table, after: readonly Key[] | undefined): Promise<Row[]> {
  const key = Object.keys(columns).join(", ");
  const parameters = Object.values(columns).map((type, index) => `$${index + 1}::${type}`);
  const { rows } = await pool.query<{ workspace_id: string; sealed: Buffer } & Record<string, Key>>(
    `SELECT workspace_id, device_id, sealed, ${key} FROM ${name} ${after ? `WHERE (${key}) > (${parameters.join(", ")})` : ""} ORDER BY ${key} LIMIT ${BATCH}`,
    [...(after ?? [])],
  );
  return rows.map((row) => ({ workspaceId: row.workspace_id, deviceId: String(row["device_id"]), sealed: row.sealed, key: Object.keys(columns).map((column) => row[column] ?? "") }));
}

async function write(pool: pg.Pool, { name, columns, place }: Table, sealer: Sealer, rows: readonly Row[]): Promise<void> {
  const names = Object.keys(columns);
  const types = [...Object.values(columns), "bytea", "bytea"].map((type, index) => `$${index + 1}::${type}[]`);
  await pool.query(
    `UPDATE ${name} t SET sealed = w.anew FROM unnest(${types.join(", ")}) AS w(${names.join(", ")}, sealed, anew)
      WHERE ${names.map((column) => `t.${column} = w.${column}`).join(" AND ")}
        AND t.sealed = w.sealed                -- what was written meanwhile is newer, and sealed with the newest key already`,
    [
      ...names.map((_, index) => rows.map(({ key }) => key[index])),
      rows.map(({ sealed }) => sealed),
      rows.map((row) => sealer.seal(sealer.open(row.sealed, place(row)), place(row))),
    ],
  );
}
