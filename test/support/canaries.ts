// Secrets that must not be found, in whichever form somebody may have written them down.

import type pg from "pg";
import { query } from "./factories.ts";

/** Every way in which these bytes could stand in a log or in a database that is printed as text. Bytes within others have another base64 for each of three
 *  places that they may begin at; what hangs on their neighbours is cut off. */
export function formsOf(secret: Uint8Array | string): string[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString("hex");
  const pairs = hex.match(/../g) ?? [];
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    return text.slice(Math.ceil((offset * 4) / 3), Math.floor(((offset + bytes.length) * 4) / 3));
  });
  const written = [...base64, ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")), [...bytes].join(",")];
  const forms = [hex, hex.toUpperCase(), pairs.join(" "), ...written, ...written.map((text) => Buffer.from(text).toString("hex"))];
  // As text only where it is one: the bytes of a key are no letters.
  return [...new Set(typeof secret === "string" ? [secret, JSON.stringify(secret).slice(1, -1), ...forms] : forms)];
}

export const isIn = (text: string, secret: Uint8Array | string): boolean => formsOf(secret).some((form) => text.includes(form));

/** By table and column: everything that is in it, as text. */
export type Dump = ReadonlyMap<string, string>;

/** All rows of all tables. */
export async function dumpOf(pool: pg.Pool): Promise<Dump> {
  const columns = await query<{ schema: string; table: string; column: string }>(
    pool,
    `SELECT c.table_schema AS schema, c.table_name AS table, c.column_name AS column FROM information_schema.columns c
       JOIN information_schema.tables t USING (table_schema, table_name)
       JOIN pg_class k ON k.oid = format('%I.%I', c.table_schema, c.table_name)::regclass
      WHERE t.table_type = 'BASE TABLE' AND c.table_schema NOT IN ('pg_catalog', 'information_schema')
        AND NOT k.relispartition`, // what is in a part is in the whole
  );
  const dump = new Map<string, string>();
  for (const { schema, table, column } of columns) {
    const rows = await query<{ text: string | null }>(pool, `SELECT "${column}"::text AS text FROM "${schema}"."${table}"`);
    dump.set(`${table}.${column}`, rows.flatMap(({ text }) => text ?? []).join("\n"));
  }
  return dump;
}

/** The columns that hold it, in any of the dumps. */
export function placesOf(dumps: readonly Dump[], secret: Uint8Array | string): string[] {
  const forms = formsOf(secret);
  const places = dumps.flatMap((dump) => [...dump].flatMap(([place, text]) => (forms.some((form) => text.includes(form)) ? [place] : [])));
  return [...new Set(places)].toSorted();
}

/** The longest is a session's 32 bytes; shorter values are numbers and names. */
const KEY_BYTES = 32;

/** Every value of 32 bytes or more in what a device keeps sealed: as text, or as the JSON of bytes. */
export function keysIn(opened: string): Buffer[] {
  const texts: string[] = [];
  try {
    JSON.parse(opened, (key, value: unknown) => {
      // Sessions have them as names, too.
      for (const text of [key, value]) if (typeof text === "string" && /^[A-Za-z0-9+/]{43,}={0,2}$/.test(text)) texts.push(text);
      return value;
    });
  } catch {
    return [Buffer.from(opened.slice(1), "latin1")].filter(({ length }) => length >= KEY_BYTES);
  }
  return texts.map((text) => Buffer.from(text, "base64"));
}
