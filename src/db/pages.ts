import { sql, type SQL } from "drizzle-orm";
import { textArray } from "./arrays.ts";
import type { Tx } from "./workspace.ts";

/** Where a row stands in a list: the value that the list is ordered by, as text (null where the key alone orders it), and its key. */
export type Place = readonly [value: string | null, id: string];

/** What the caller wants to see of a list. */
export type Page = {
  readonly limit: number;
  /** The last rows before `before` rather than the first after `after`. */
  readonly backward: boolean;
  readonly after: Place | null;
  readonly before: Place | null;
};

/** How a list is ordered. `value` must never be null in a row (coalesce it): a row comparison with null is not true, and the row is lost. */
export type Order = {
  readonly value?: SQL;
  /** The type of `value` in Postgres. */
  readonly type?: "timestamptz" | "text" | "integer";
  readonly id: SQL;
  readonly idType?: "uuid" | "bigint";
  readonly descending: boolean;
};

export type Slice<T> = {
  readonly rows: readonly { readonly node: T; readonly place: Place }[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
};

export type Count = { readonly total: number; readonly isExact: boolean };

/** The clauses that read one page. One row more than asked for is read, which tells whether there is another page. */
export function pageClauses(page: Page, order: Order): { where: SQL; orderBy: SQL; limit: number; value: SQL<string | null> } {
  const { value, id } = order;
  const key = value ? sql`(${value}, ${id})` : sql`(${id})`;
  const place = ([text, at]: Place) => {
    const atKey = sql`${at}::${sql.raw(order.idType ?? "uuid")}`;
    return value ? sql`(${text}::${sql.raw(order.type ?? "text")}, ${atKey})` : sql`(${atKey})`;
  };
  // Row comparison, so that an index leads straight to the place: the OR form read every row before it (376 ms against 0.5 ms).
  const beyond = sql.raw(order.descending ? "<" : ">");
  const before = sql.raw(order.descending ? ">" : "<");
  const where = sql.join(
    [
      sql`true`,
      ...(page.after ? [sql`${key} ${beyond} ${place(page.after)}`] : []),
      ...(page.before ? [sql`${key} ${before} ${place(page.before)}`] : []),
    ],
    sql` AND `,
  );
  const direction = sql.raw(order.descending === page.backward ? "ASC" : "DESC");
  const orderBy = value ? sql`${value} ${direction}, ${id} ${direction}` : sql`${id} ${direction}`;
  return { where, orderBy, limit: page.limit + 1, value: value ? sql<string>`(${value})::text` : sql<null>`null::text` };
}

type PageRow = { readonly id: string | number; readonly value: string | null };

/** The page out of the rows that `pageClauses` read; `value` is what it selected, under that name. */
export const slicePage = <T extends PageRow>(read: readonly T[], page: Page): Slice<T> => slice(read, page, (row) => row);

/** The same of ids alone, whose rows a loader reads. */
const sliceIds = <T extends PageRow>(read: readonly T[], page: Page): Slice<T["id"]> => slice(read, page, ({ id }) => id);

function slice<T extends PageRow, Node>(read: readonly T[], page: Page, nodeOf: (row: T) => Node): Slice<Node> {
  const rows = read.slice(0, page.limit).map((row) => ({ node: nodeOf(row), place: [row.value, String(row.id)] as const }));
  const more = read.length > page.limit;
  if (page.backward) rows.reverse();
  return {
    rows,
    hasNextPage: page.backward ? page.before !== null : more,
    hasPreviousPage: page.backward ? more : page.after !== null,
  };
}

export const emptySlice: Slice<never> = { rows: [], hasNextPage: false, hasPreviousPage: false };

/** Reads a page below each of many parents in one statement. `where` ties the rows of `from` to `parent.id`. */
export async function pagesByParent(
  tx: Tx,
  parentIds: readonly string[],
  { from, where }: { readonly from: SQL; readonly where: SQL },
  page: Page,
  order: Order,
): Promise<Map<string, Slice<string>>> {
  const clauses = pageClauses(page, order);
  const { rows } = await tx.execute<{ parent: string; id: string; value: string | null }>(sql`
    SELECT parent.id AS parent, child.id, child.value
      FROM unnest(${textArray(parentIds)}::uuid[]) AS parent(id)
     CROSS JOIN LATERAL (
       SELECT ${order.id} AS id, ${clauses.value} AS value, row_number() OVER (ORDER BY ${clauses.orderBy}) AS place
         FROM ${from} WHERE ${where} AND ${clauses.where} ORDER BY ${clauses.orderBy} LIMIT ${clauses.limit}) AS child
     ORDER BY parent.id, child.place`);
  return new Map([...Map.groupBy(rows, ({ parent }) => parent)].map(([parent, read]) => [parent, sliceIds(read, page)]));
}

export const EXACT_TO = 10_000;

/** How many rows `query` gives: counted up to 10,000, and the planner's estimate beyond, for counting a million takes seconds. */
export async function countRows(tx: Tx, query: SQL): Promise<Count> {
  const counted = await tx.execute<{ total: string }>(sql`SELECT count(*) AS total FROM (${query} LIMIT ${EXACT_TO + 1}) AS rows`);
  const total = Number(counted.rows[0]?.total ?? 0);
  if (total <= EXACT_TO) return { total, isExact: true };
  return { total: Math.max(await estimateRows(tx, query), EXACT_TO + 1), isExact: false };
}

/** How many rows the planner takes `query` to give. */
export async function estimateRows(tx: Tx, query: SQL): Promise<number> {
  const explained = await tx.execute<{ "QUERY PLAN": [{ Plan: { "Plan Rows": number } }] }>(sql`EXPLAIN (FORMAT JSON) ${query}`);
  return explained.rows[0]?.["QUERY PLAN"][0].Plan["Plan Rows"] ?? 0;
}
