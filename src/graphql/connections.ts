import type { ObjectParam, OutputType } from "@pothos/core";
import type { Count, Order, Page, Place, Slice } from "../db/pages.ts";
import { builder } from "./builder.ts";
import { badUserInput } from "./errors.ts";
import { isUuid } from "./scalars.ts";
import type { BuilderTypes } from "./types.ts";

export { emptySlice } from "../db/pages.ts";
export type { Slice } from "../db/pages.ts";

export const DEFAULT_PAGE_SIZE = 20;
export const MAX_PAGE_SIZE = 100;

type PageArgs = {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
};

/** What of an order decides whether a cursor fits: a cursor of another order points nowhere in this list. */
export type OrderName = { readonly name: string } & Pick<Order, "type" | "idType">;

/** The page that a connection's arguments ask for. More than 100 rows are never given, whatever is asked for. */
export function pageOf(args: PageArgs, order: OrderName = { name: "ID" }): Page {
  const { first, last } = args;
  if (first != null && last != null) throw badUserInput("Give `first` or `last`, not both.");
  if ((first ?? 0) < 0) throw badUserInput(`\`first\` must be 0 or more, not ${first}.`);
  if ((last ?? 0) < 0) throw badUserInput(`\`last\` must be 0 or more, not ${last}.`);
  return {
    limit: Math.min(first ?? last ?? DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE),
    backward: last != null,
    after: args.after == null ? null : decodeCursor(args.after, "after", order),
    before: args.before == null ? null : decodeCursor(args.before, "before", order),
  };
}

const encodeCursor = (order: OrderName, [value, id]: Place): string =>
  Buffer.from(JSON.stringify(value === null ? [order.name, id] : [order.name, id, value])).toString("base64url");

function decodeCursor(cursor: string, argument: string, order: OrderName): Place {
  const parts = parsed(cursor);
  const [name, id, value] = parts;
  const isPlace = parts.length >= 2 && parts.length <= 3 && parts.every((part) => typeof part === "string");
  if (!isPlace) throw badUserInput(`\`${argument}\` is no cursor. Pass the cursor of an edge, or pageInfo's, unchanged.`);
  if (name !== order.name || (value === undefined) !== (order.type === undefined) || !fits(value, order.type) || !isId(id, order.idType)) {
    throw badUserInput(`The cursor in \`${argument}\` belongs to a list in another order. Use it with the arguments it was given for.`);
  }
  return [value ?? null, id as string];
}

function parsed(cursor: string): readonly (string | undefined)[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}

// What Postgres could not read would come back as an internal error.
const isId = (id: string | undefined, type: OrderName["idType"]): boolean =>
  type === "bigint" ? /^\d{1,18}$/.test(id ?? "") : isUuid(id ?? "");

function fits(value: string | undefined, type: OrderName["type"]): boolean {
  if (value === undefined || type === undefined) return true;
  if (type === "integer") return /^\d{1,9}$/.test(value);
  if (type === "timestamptz") return value === "-infinity" || isTimestamp(value);
  return !value.includes("\0");
}

/** As Postgres writes it. Whoever forges a cursor can also write 31 February. */
function isTimestamp(text: string): boolean {
  const [, date, time] = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.\d{1,6})?[+-](?:0\d|1[0-5])(?::[0-5]\d){0,2}$/.exec(text) ?? [];
  const read = new Date(`${date}T${time}Z`);
  return !Number.isNaN(read.getTime()) && read.getUTCFullYear() > 0 && read.toISOString().startsWith(`${date}T${time}`);
}

/** A slice as a connection. `count` runs only when the count is asked for, and once where both its fields are. */
export function connection<T>(slice: Slice<T>, order: OrderName = { name: "ID" }, count: () => Promise<Count> = noCount) {
  const edges = slice.rows.map(({ node, place }) => ({ cursor: encodeCursor(order, place), node }));
  let counted: Promise<Count> | undefined;
  return {
    edges,
    pageInfo: {
      hasNextPage: slice.hasNextPage,
      hasPreviousPage: slice.hasPreviousPage,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    count: () => (counted ??= count()),
  };
}

const noCount = () => Promise.reject(new Error("this connection has no count"));

/** `DeviceConnection` and `DeviceEdge` of a type. `counted` says whether it tells how many there are, and whether that may be an estimate. */
export function connectionType<Type extends OutputType<BuilderTypes> & ObjectParam<BuilderTypes>>(
  name: string,
  type: Type,
  counted: "uncounted" | "exactly" | "estimated",
) {
  const ref = builder.connectionObject({ type, name: `${name}Connection` }, { name: `${name}Edge` });
  if (counted !== "uncounted") {
    builder.objectField(ref, "totalCount", (t) => t.int({ resolve: async (page) => (await counts(page)).total }));
  }
  if (counted === "estimated") {
    builder.objectField(ref, "totalCountIsExact", (t) =>
      t.boolean({
        description: "False where the count is an estimate (over 10,000).",
        resolve: async (page) => (await counts(page)).isExact,
      }),
    );
  }
  return ref;
}

const counts = (page: unknown): Promise<Count> => (page as { count: () => Promise<Count> }).count();
