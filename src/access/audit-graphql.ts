import { builder } from "../graphql/builder.ts";
import { connection, connectionType, pageOf } from "../graphql/connections.ts";
import { AUDIT_ORDER, type AuditEntry, listAuditLog } from "./audit.ts";
import { ApiTokenRef } from "./refs.ts";

const AuditEntryObject = builder.objectRef<AuditEntry>("AuditEntry").implement({
  description: "A call that changed something, and who made it. It has the names of what was given, and none of the values.",
  fields: (t) => ({
    at: t.expose("at", { type: "DateTime", description: "When it was called." }),
    token: t.field({ type: ApiTokenRef, description: "By which it was made.", resolve: ({ tokenId }) => tokenId }),
    operation: t.exposeString("operation", { description: "The mutation, such as updateSequence, or the route, such as POST /imports/leads." }),
    subjects: t.stringList({ description: "The ids that it was called with, at most 20.", resolve: ({ subjects }) => [...subjects] }),
    fields: t.stringList({ description: "The names of the arguments and input fields that it was called with.", resolve: ({ fields }) => [...fields] }),
    result: t.exposeString("result", { nullable: true, description: "The id of what it made or changed, without its type, where it is one thing." }),
  }),
});

const AuditConnection = connectionType("AuditEntry", AuditEntryObject, "uncounted");

builder.queryField("auditLog", (t) =>
  t.field({
    type: AuditConnection,
    description: "Needs ADMIN. Every call that changed something, the newest first.",
    authScopes: { admin: true },
    args: { first: t.arg.int(), after: t.arg.string() },
    resolve: async (_root, args, { db }) => connection(await listAuditLog(db, pageOf(args, AUDIT_ORDER)), AUDIT_ORDER),
  }),
);
