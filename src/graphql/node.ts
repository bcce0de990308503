import { builder } from "./builder.ts";
import type { ApiContext } from "./context.ts";

/** A type with ids and a loader: fields of it may be resolved to a row or to an id alone. `load` gives the rows that there are, in any order. */
export const nodeRef = <Row extends { readonly id: string }>(
  name: string,
  load: (ids: readonly string[], context: ApiContext) => Promise<Row[]>,
) =>
  builder.loadableNodeRef<Row, string, string, string, Row>(name, {
    id: { resolve: (row) => row.id },
    load,
    toKey: (row) => row.id,
    sort: true,
  });
