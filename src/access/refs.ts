import { nodeRef } from "../graphql/node.ts";
import { type ApiToken, tokensById } from "./api-tokens.ts";
import { hasScope } from "./scopes.ts";
import { workspacesById, type Workspace } from "./workspaces.ts";

export const WorkspaceRef = nodeRef<Workspace>("Workspace", (ids, { db }) => workspacesById(db, ids));

/** Others' tokens are the administrators' business. */
export const ApiTokenRef = nodeRef<ApiToken>("ApiToken", (ids, { db, access }) =>
  tokensById(db, hasScope(access.scopes, "ADMIN") ? ids : ids.filter((id) => id === access.tokenId)),
);
