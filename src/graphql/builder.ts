import SchemaBuilder from "@pothos/core";
import DataloaderPlugin from "@pothos/plugin-dataloader";
import RelayPlugin from "@pothos/plugin-relay";
import ScopeAuthPlugin from "@pothos/plugin-scope-auth";
import { hasScope } from "../access/scopes.ts";
import type { Count } from "../db/pages.ts";
import type { ApiContext } from "./context.ts";
import { badUserInput, forbidden } from "./errors.ts";
import { isUuid, type UploadedFile } from "./scalars.ts";

const scope = (access: ApiContext["access"], wanted: Parameters<typeof hasScope>[1]): boolean => hasScope(access.scopes, wanted);

export const builder = new SchemaBuilder<{
  Context: ApiContext;
  DefaultFieldNullability: false;
  AuthScopes: { read: boolean; manage: boolean; pair: boolean; admin: boolean };
  /** Counted only when `totalCount` or `totalCountIsExact` is asked for. */
  Connection: { count: () => Promise<Count> };
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    LocalTime: { Input: string; Output: string };
    TimeZone: { Input: string; Output: string };
    PhoneNumber: { Input: string; Output: string };
    JSONObject: { Input: Record<string, unknown>; Output: Record<string, unknown> };
    Cursor: { Input: string; Output: string };
    File: { Input: UploadedFile; Output: never };
  };
}>({
  // Ids are parsed before scopes are checked.
  plugins: [RelayPlugin, ScopeAuthPlugin, DataloaderPlugin],
  defaultFieldNullability: false,
  scopeAuth: {
    authorizeOnSubscribe: true,
    authScopes: ({ access }) => ({ read: scope(access, "READ"), manage: scope(access, "MANAGE"), pair: scope(access, "PAIR"), admin: scope(access, "ADMIN") }),
    unauthorizedError: (_parent, { access }, info) =>
      forbidden(`This token has the scopes ${access.scopes.join(", ")}; that is not enough for ${info.fieldName}.`),
  },
  relay: {
    encodeGlobalID: (typename, id) => `${typename}:${id}`,
    decodeGlobalID: decodeId,
    cursorType: "String",
    nodeTypeOptions: { description: "What has an id of its own, by which `node` finds it." },
    pageInfoTypeOptions: { description: "Where a page stands in its list." },
    hasNextPageFieldOptions: { description: "Whether there are more rows behind this page." },
    hasPreviousPageFieldOptions: { description: "Whether there are more rows before this page." },
    startCursorFieldOptions: { description: "The cursor of its first row, for `before`. Null where it has no rows." },
    endCursorFieldOptions: { description: "The cursor of its last row, for `after`. Null where it has no rows." },
    nodeQueryOptions: {
      description: "The object with this id, of whichever type. Null where there is none.",
      resolve: (_root, { id }, _context, info, resolveNode) => {
        assertNodeType(id.typename, info.schema.getType(id.typename));
        return resolveNode(id);
      },
    },
    nodesQueryOptions: {
      description: "The objects with these ids, at most 100, in their order; null for each that is not there.",
      args: { ids: { description: "Which ones." } },
      resolve: (_root, { ids }, _context, info, resolveNodes) => {
        if (ids.length > 100) throw badUserInput(`nodes takes at most 100 ids at once, not ${ids.length}.`);
        for (const id of ids) assertNodeType(id.typename, info.schema.getType(id.typename));
        return resolveNodes(ids);
      },
    },
    nodesOnConnection: true,
  },
});

/** `Lead:0198c7e2-…`: readable, and its tail can be pasted into psql. */
function decodeId(globalId: string): { typename: string; id: string } {
  const colon = globalId.indexOf(":");
  const typename = globalId.slice(0, colon);
  const id = globalId.slice(colon + 1).toLowerCase();
  // Checked here, or Postgres would refuse the text as no uuid, which is an internal error.
  if (colon < 1 || !isUuid(id))
    throw badUserInput(`"${globalId.slice(0, 100)}" is no id. An id looks like Lead:0198c7e2-5d4f-7cc1-a5a5-0123456789ab.`);
  return { typename, id };
}

function assertNodeType(typename: string, type: unknown): void {
  const isNode =
    typeof type === "object" &&
    type !== null &&
    "getInterfaces" in type &&
    (type.getInterfaces as () => readonly { name: string }[])().some(({ name }) => name === "Node");
  if (!isNode)
    throw badUserInput(`There is no type "${typename}" that has ids. An id looks like Lead:0198c7e2-5d4f-7cc1-a5a5-0123456789ab.`);
}

builder.queryType({ description: "What can be read of the workspace. Needs READ.", authScopes: { read: true } });
builder.mutationType({ description: "Changes of the workspace. Each needs MANAGE, unless its description names another scope.", authScopes: { manage: true } });
builder.subscriptionType({
  description: "What happens in the workspace, as it happens: over WebSocket, or as server-sent events. Each needs READ, unless its description names another scope.",
  authScopes: { read: true },
});
