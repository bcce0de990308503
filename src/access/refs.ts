import { nodeRef } from "../graphql/node.ts";
import { tokensById, workspacesById, type ApiToken, type Workspace } from "./workspaces.ts";

export const WorkspaceRef = nodeRef<Workspace>("Workspace", (ids, { db }) => workspacesById(db, ids));

export const ApiTokenRef = nodeRef<ApiToken>("ApiToken", (ids, { db }) => tokensById(db, ids));
