import { Readable } from "node:stream";
import { builder } from "../graphql/builder.ts";
import { connection, connectionType, emptySlice, pageOf, type Slice } from "../graphql/connections.ts";
import { badUserInput } from "../graphql/errors.ts";
import { perParent } from "../graphql/loaders.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { IMPORT_STATUSES, importsById, type ImportStatus, type LeadImport } from "./import-state.ts";
import { IMPORT_ORDER, listImports, listRejects, REJECT_ORDER, type LeadImportReject } from "./list.ts";
import { ConsentInput } from "./mutations.ts";
import { LeadImportRef } from "./refs.ts";

const LeadImportStatus = builder.enumType("LeadImportStatus", { values: IMPORT_STATUSES });

const LeadImportRejectType = builder.objectRef<LeadImportReject>("LeadImportReject").implement({
  fields: (t) => ({ line: t.exposeInt("line"), reason: t.exposeString("reason"), raw: t.exposeString("raw") }),
});

const LeadImportRejectConnection = connectionType("LeadImportReject", LeadImportRejectType, "uncounted");

type PageArgs = Parameters<typeof pageOf>[0];

const rejectsOf = perParent<PageArgs, Slice<LeadImportReject>>(
  (ids, args, { db }) => listRejects(db, ids, pageOf(args, REJECT_ORDER)),
  emptySlice,
);

/** Unknown before the end where the sender did not say how much there is. */
function progressOf({ status, bytesRead, bytesTotal }: LeadImport): number {
  if (status === "COMPLETED") return 1;
  return bytesTotal ? Math.min(1, bytesRead / bytesTotal) : 0;
}

LeadImportRef.implement({
  fields: (t) => ({
    fileName: t.exposeString("fileName"),
    status: t.field({ type: LeadImportStatus, resolve: ({ status }) => status as ImportStatus }),
    rowsRead: t.exposeInt("rowsRead"),
    rowsCreated: t.exposeInt("rowsCreated"),
    rowsUpdated: t.exposeInt("rowsUpdated"),
    rowsRejected: t.exposeInt("rowsRejected"),
    progress: t.float({ description: "Bytes read of bytes sent, 0 to 1.", resolve: progressOf }),
    rejects: t.field({
      type: LeadImportRejectConnection,
      description: "The rejected rows, with line number and reason.",
      args: { first: t.arg.int(), after: t.arg.string() },
      resolve: async ({ id }, args, context) => connection(await rejectsOf(context, id, args), REJECT_ORDER),
    }),
    startedAt: t.expose("startedAt", { type: "DateTime" }),
    finishedAt: t.expose("finishedAt", { type: "DateTime", nullable: true }),
  }),
});

const LeadImportConnection = connectionType("LeadImport", LeadImportRef, "uncounted");

builder.queryFields((t) => ({
  leadImport: t.field({
    type: LeadImportRef,
    nullable: true,
    args: { id: t.arg.globalID({ required: true, for: LeadImportRef }) },
    resolve: (_root, { id }) => id.id,
  }),
  leadImports: t.field({
    type: LeadImportConnection,
    args: { first: t.arg.int(), after: t.arg.string() },
    resolve: async (_root, args, { db }) => connection(await listImports(db, pageOf(args, IMPORT_ORDER)), IMPORT_ORDER),
  }),
}));

const ImportLeadsPayload = payloadType<string>("ImportLeadsPayload", (t) => ({
  leadImport: t.field({ type: LeadImportRef, nullable: true, resolve: ({ value }) => value }),
}));

builder.mutationFields((t) => ({
  importLeads: t.field({
    type: ImportLeadsPayload,
    description:
      "CSV with a header row; columns phone, name, niche, trigger, time_zone, consent_source, consent_at; any other becomes an attribute. " +
      "Triggers and consent given here hold for rows that name none. Up to 25 MB; larger files are streamed to POST /imports/leads.",
    args: {
      file: t.arg({ type: "File", required: true }),
      triggers: t.arg.stringList(),
      consent: t.arg({ type: ConsentInput }),
      idempotencyKey: t.arg.string(),
    },
    // Answers as soon as the header is read; the rows follow in the background.
    resolve: async (_root, { file, ...call }, { db, importer }) => {
      const stream = Readable.from(file.stream(), { objectMode: false });
      const begun = await payload(importer.begin({ ...call, db, stream, fileName: file.name, bytesTotal: file.size }));
      return { ...begun, value: begun.value && begun.value.id };
    },
  }),
  cancelLeadImport: t.field({
    type: ImportLeadsPayload,
    args: { id: t.arg.globalID({ required: true, for: LeadImportRef }) },
    description: "It is over when this answers: no row is written after that. What was imported before stays, and is counted.",
    resolve: (_root, { id }, { db, importer }) => payload(importer.cancel(db, id.id)),
  }),
}));

builder.subscriptionField("leadImportProgress", (t) =>
  t.field({
    type: LeadImportRef,
    args: { id: t.arg.globalID({ required: true, for: LeadImportRef }) },
    subscribe: async (_root, { id }, { db, importer, signal }) => {
      const [found] = await importsById(db, [id.id]);
      if (!found) throw badUserInput(`There is no import LeadImport:${id.id}; the query leadImports lists them.`);
      return importer.follow(db, id.id, signal);
    },
    resolve: (leadImport) => leadImport,
  }),
);
