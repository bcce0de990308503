import { builder } from "../graphql/builder.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { type CreatedToken, createApiToken, listTokens, revokeApiToken } from "./api-tokens.ts";
import { type CreatedWorkspace, createWorkspace } from "./create-workspace.ts";
import { ApiTokenRef, WorkspaceRef } from "./refs.ts";
import { TokenScopeEnum } from "./graphql.ts";

builder.queryField("apiTokens", (t) =>
  t.field({
    type: [ApiTokenRef],
    description: "Needs ADMIN. The newest first, with those that were revoked or have expired.",
    authScopes: { admin: true },
    resolve: (_root, _args, { db }) => listTokens(db),
  }),
);

const CreateApiTokenInput = builder.inputType("CreateApiTokenInput", {
  description: "A token to be made.",
  fields: (t) => ({
    name: t.string({ required: true, description: "What it is for, in 1 to 100 characters." }),
    scopes: t.field({
      type: [TokenScopeEnum],
      required: true,
      description: "What it allows, at least one. MANAGE and PAIR include READ, and ADMIN includes MANAGE; none includes PAIR.",
    }),
    expiresAt: t.field({ type: "DateTime", description: "Never where it is left out." }),
  }),
});

const CreateApiTokenPayload = payloadType<CreatedToken>("CreateApiTokenPayload", (t) => ({
  apiToken: t.field({ type: ApiTokenRef, nullable: true, description: "The new token. Null where the call was refused.", resolve: ({ value }) => value?.id }),
  secret: t.string({ nullable: true, description: "Shown this once; only its hash is kept.", resolve: ({ value }) => value?.secret ?? null }),
}));

const ApiTokenPayload = payloadType<string>("ApiTokenPayload", (t) => ({
  apiToken: t.field({ type: ApiTokenRef, nullable: true, description: "The token as it is now. Null where the call was refused.", resolve: ({ value }) => value }),
}));

const CreateWorkspaceInput = builder.inputType("CreateWorkspaceInput", {
  description: "A workspace to be made.",
  fields: (t) => ({
    name: t.string({ required: true, description: "1 to 200 characters." }),
    timeZone: t.field({
      type: "TimeZone",
      required: true,
      defaultValue: "Asia/Kuala_Lumpur",
      description: "The zone of leads and sequences that have none of their own.",
    }),
    defaultCountry: t.string({ required: true, defaultValue: "MY", description: "ISO 3166-1 alpha-2: how national phone numbers are read." }),
  }),
});

const CreateWorkspacePayload = payloadType<CreatedWorkspace>("CreateWorkspacePayload", (t) => ({
  workspaceId: t.globalID({
    nullable: true,
    description: "Of the new workspace, which its own tokens see, and this one does not.",
    resolve: ({ value }) => (value === null ? null : { type: WorkspaceRef, id: value.id }),
  }),
  secret: t.string({ nullable: true, description: "Of its first token, an administrator's. Shown this once; with it tokens for others are made.", resolve: ({ value }) => value?.secret ?? null }),
}));

builder.mutationFields((t) => ({
  createWorkspace: t.field({
    type: CreateWorkspacePayload,
    description: "Needs ADMIN of the default workspace. Another workspace, apart from this one in everything.",
    authScopes: { admin: true },
    args: { input: t.arg({ type: CreateWorkspaceInput, required: true }) },
    resolve: (_root, { input }, { db }) => payload(createWorkspace(db, input)),
  }),
  createApiToken: t.field({
    type: CreateApiTokenPayload,
    description: "Needs ADMIN. Makes a token and answers with its secret, this once. A token cannot be changed later; revokeApiToken ends it.",
    authScopes: { admin: true },
    args: { input: t.arg({ type: CreateApiTokenInput, required: true }) },
    resolve: (_root, { input }, { db }) => payload(createApiToken(db, input)),
  }),
  revokeApiToken: t.field({
    type: ApiTokenPayload,
    description: "Needs ADMIN. For good: its requests are refused within ten seconds, and its subscriptions ended within thirty.",
    authScopes: { admin: true },
    args: { id: t.arg.globalID({ required: true, for: ApiTokenRef }) },
    resolve: (_root, { id }, { db, access }) => payload(revokeApiToken(db, access, id.id)),
  }),
}));
