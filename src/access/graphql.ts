import { builder } from "../graphql/builder.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { ApiTokenRef, WorkspaceRef } from "./refs.ts";
import type { TokenScope } from "./scopes.ts";
import type { Access } from "./tokens.ts";
import { updateWorkspace } from "./workspaces.ts";

const TokenScopeEnum = builder.enumType("TokenScope", {
  values: {
    READ: { description: "Read everything in the workspace but pairing codes and secrets; subscribe to events." },
    MANAGE: { description: "Also change leads, sequences and campaigns, and send." },
    PAIR: { description: "See pairing codes, pair and log out devices." },
    ADMIN: { description: "Manage tokens and the workspace itself." },
  } as const,
});

WorkspaceRef.implement({
  fields: (t) => ({
    name: t.exposeString("name"),
    timeZone: t.expose("timeZone", { type: "TimeZone" }),
    defaultCountry: t.exposeString("defaultCountry", { description: "ISO 3166-1 alpha-2: how national phone numbers are read." }),
  }),
});

ApiTokenRef.implement({
  fields: (t) => ({
    name: t.exposeString("name"),
    scopes: t.field({ type: [TokenScopeEnum], resolve: ({ scopes }) => scopes as TokenScope[] }),
    prefix: t.exposeString("prefix", {
      description: "The first characters, enough to recognise it by. The secret is shown once, when it is created.",
    }),
    expiresAt: t.expose("expiresAt", { type: "DateTime", nullable: true }),
    lastUsedAt: t.expose("lastUsedAt", { type: "DateTime", nullable: true }),
    revokedAt: t.expose("revokedAt", { type: "DateTime", nullable: true }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
  }),
});

const Viewer = builder.objectRef<Access>("Viewer").implement({
  fields: (t) => ({
    workspace: t.field({ type: WorkspaceRef, resolve: ({ workspaceId }) => workspaceId }),
    token: t.field({ type: ApiTokenRef, resolve: ({ tokenId }) => tokenId }),
  }),
});

builder.queryField("viewer", (t) => t.field({ type: Viewer, resolve: (_root, _args, { access }) => access }));

const UpdateWorkspaceInput = builder.inputType("UpdateWorkspaceInput", {
  fields: (t) => ({ name: t.string(), timeZone: t.field({ type: "TimeZone" }), defaultCountry: t.string() }),
});

const WorkspacePayload = payloadType<string>("WorkspacePayload", (t) => ({
  workspace: t.field({ type: WorkspaceRef, nullable: true, resolve: ({ value }) => value }),
}));

builder.mutationField("updateWorkspace", (t) =>
  t.field({
    type: WorkspacePayload,
    description: "Needs ADMIN.",
    authScopes: { admin: true },
    args: { input: t.arg({ type: UpdateWorkspaceInput, required: true }) },
    resolve: (_root, { input }, { db }) => payload(updateWorkspace(db, input)),
  }),
);
