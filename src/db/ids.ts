import { sql, type SQL } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { textArray } from "./arrays.ts";

/** Whether a key is one of these. Whatever their number, it is the same text, and so a statement that can be kept prepared. */
export const isOneOf = (column: PgColumn, ids: readonly string[]): SQL => sql`${column} = ANY (${textArray(ids)}::uuid[])`;
