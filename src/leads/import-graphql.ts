import { Readable } from "node:stream";
import { builder } from "../graphql/builder.ts";
import { connection, connectionType, emptySlice, pageOf, type Slice } from "../graphql/connections.ts";
import { describedEnum } from "../graphql/described-enum.ts";
import { badUserInput } from "../graphql/errors.ts";
import { perParent } from "../graphql/loaders.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { IMPORT_STATUSES, importsById, type ImportStatus, type LeadImport } from "./import-state.ts";
import { IMPORT_ORDER, listImports, listRejects, REJECT_ORDER, type LeadImportReject } from "./list.ts";
import { ConsentInput } from "./mutations.ts";
import { LeadImportRef } from "./refs.ts";

const LeadImportStatus = describedEnum("LeadImportStatus", "Whether an import is running, and how it ended. What was imported stays, whichever it is.", IMPORT_STATUSES, {
  RUNNING: "Its rows are being read.",
  COMPLETED: "The file was read to its end. Rows may have been rejected.",
  FAILED: "It could not be read to its end: the file broke off or is broken, or the server ended.",
  CANCELLED: "Ended by cancelLeadImport.",
});

const LeadImportRejectType = builder.objectRef<LeadImportReject>("LeadImportReject").implement({
  description: "A row that was wrong, and why.",
  fields: (t) => ({
    line: t.exposeInt("line", { description: "The line of the file in which the row begins; the line with the column names is 1." }),
    reason: t.exposeString("reason", { description: "What is wrong with it, and what would be right." }),
    raw: t.exposeString("raw", { description: "The row as it stands in the file. Empty once the person in it is erased." }),
  }),
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
  description: "A file of leads, and what became of its rows.",
  fields: (t) => ({
    fileName: t.exposeString("fileName", { description: "What the file is called." }),
    status: t.field({ type: LeadImportStatus, description: "Whether it is running, and how it ended.", resolve: ({ status }) => status as ImportStatus }),
    rowsRead: t.exposeInt("rowsRead", { description: "Rows read so far, without the first line: created, updated and rejected together." }),
    rowsCreated: t.exposeInt("rowsCreated", { description: "Rows that made a new lead." }),
    rowsUpdated: t.exposeInt("rowsUpdated", { description: "Rows of leads that were there already, also where an earlier row of the file had made them." }),
    rowsRejected: t.exposeInt("rowsRejected", { description: "Rows that were wrong, and changed nothing; rejects has them." }),
    progress: t.float({ description: "Bytes read of bytes sent, 0 to 1.", resolve: progressOf }),
    rejects: t.field({
      type: LeadImportRejectConnection,
      description: "The rejected rows, with line number and reason.",
      args: { first: t.arg.int(), after: t.arg.string() },
      resolve: async ({ id }, args, context) => connection(await rejectsOf(context, id, args), REJECT_ORDER),
    }),
    startedAt: t.expose("startedAt", { type: "DateTime", description: "When it began." }),
    finishedAt: t.expose("finishedAt", { type: "DateTime", nullable: true, description: "When it ended, however it did. Null while it runs." }),
  }),
});

const LeadImportConnection = connectionType("LeadImport", LeadImportRef, "uncounted");

builder.queryFields((t) => ({
  leadImport: t.field({
    type: LeadImportRef,
    nullable: true,
    description: "The import with this id. Null where there is none.",
    args: { id: t.arg.globalID({ required: true, for: LeadImportRef }) },
    resolve: (_root, { id }) => id.id,
  }),
  leadImports: t.field({
    type: LeadImportConnection,
    description: "The workspace's imports, the newest first.",
    args: { first: t.arg.int(), after: t.arg.string() },
    resolve: async (_root, args, { db }) => connection(await listImports(db, pageOf(args, IMPORT_ORDER)), IMPORT_ORDER),
  }),
}));

const ImportLeadsPayload = payloadType<string>("ImportLeadsPayload", (t) => ({
  leadImport: t.field({
    type: LeadImportRef,
    nullable: true,
    description: "The import as it is now: begun, or cancelled. Null where the call was refused.",
    resolve: ({ value }) => value,
  }),
}));

builder.mutationFields((t) => ({
  importLeads: t.field({
    type: ImportLeadsPayload,
    description:
      "CSV with a header row; columns phone, name, niche, trigger, time_zone, consent_source, consent_at; any other becomes an attribute. " +
      "Triggers and consent given here hold for rows that name none. Up to 25 MB; larger files are streamed to POST /imports/leads.",
    args: {
      file: t.arg({ type: "File", required: true, description: "A CSV file in UTF-8, of at most 25 MB with the rest of the request." }),
      triggers: t.arg.stringList({ description: "For rows that name none." }),
      consent: t.arg({ type: ConsentInput, description: "Where and when the people agreed, for rows that say nothing of it." }),
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
    description: "Ends an import that is running. It is over when this answers: no row is written after that. What was imported before stays, and is counted.",
    resolve: (_root, { id }, { db, importer }) => payload(importer.cancel(db, id.id)),
  }),
}));

builder.subscriptionField("leadImportProgress", (t) =>
  t.field({
    type: LeadImportRef,
    description: "The import as it is now, then as it goes on, at most once a second; ends when it is over.",
    args: { id: t.arg.globalID({ required: true, for: LeadImportRef }) },
    subscribe: async (_root, { id }, { db, importer, signal }) => {
      const [found] = await importsById(db, [id.id]);
      if (!found) throw badUserInput(`There is no import LeadImport:${id.id}; the query leadImports lists them.`);
      return importer.follow(db, id.id, signal);
    },
    resolve: (leadImport) => leadImport,
  }),
);
