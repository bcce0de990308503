// POST /imports/leads: a CSV file of any size as the raw body. It is imported while it streams in, and the answer comes when it has been
// read to its end: an earlier one would be missed by clients that read nothing before they have sent everything.

//
// Who asks for lines (Accept: application/x-ndjson) reads while it sends, and is told at once which import it is, how far it has come each second, and
// with the last line how it ended.

import type { IncomingMessage, ServerResponse } from "node:http";
import { GraphQLError } from "graphql";
import type pg from "pg";
import type { Tokens } from "../access/tokens.ts";
import { workspaceDb, type WorkspaceDb } from "../db/workspace.ts";
import { parseDateTime } from "../graphql/scalars.ts";
import { isStorable } from "../graphql/storable.ts";
import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import { MINUTE_MS } from "../lib/clock.ts";
import { authenticate, failed, send, type Answer } from "../access/http.ts";
import type { BegunImport, Importer, ImportSource } from "./import.ts";
import { importsById, type ImportStatus, type LeadImport } from "./import-state.ts";

export type ImportHandlerDeps = { readonly pool: pg.Pool; readonly tokens: Tokens; readonly importer: Importer };

/** A sender that is silent for so long is given up. */
const SILENCE_MS = 2 * MINUTE_MS;

const EXAMPLE = 'curl -T leads.csv -X POST -H "Authorization: Bearer <token>" "http://127.0.0.1:4000/imports/leads?fileName=leads.csv"';
const PARAMETERS = ["fileName", "triggers", "consentSource", "consentAt", "idempotencyKey"] as const;
type Parameters = { readonly [name in (typeof PARAMETERS)[number]]?: string };

export function createImportHandler(deps: ImportHandlerDeps): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    request.setTimeout(SILENCE_MS);
    const begun = await beginBody(deps, request);
    if ("status" in begun) send(response, begun);
    else if (request.headers.accept?.includes(LINES)) await tell(deps.importer, begun, response);
    else {
      await begun.done;
      send(response, await report(begun));
    }
    // What is left of the body is read and thrown away: a client that is still sending would miss the answer otherwise.
    request.resume();
  };
}

const LINES = "application/x-ndjson";

type Begun = BegunImport & { readonly db: WorkspaceDb };

async function beginBody({ pool, tokens, importer }: ImportHandlerDeps, request: IncomingMessage): Promise<Begun | Answer> {
  if (request.method !== "POST") {
    return { ...failed(405, "INVALID", `Send the file by POST, such as: ${EXAMPLE}`), headers: { allow: "POST" } };
  }
  const access = await authenticate(tokens, request, "MANAGE", "importing leads");
  if ("status" in access) return access;
  const problem = contentProblem(request);
  if (problem) return failed(415, "INVALID", problem);
  const call = readCall(request);
  if (!call.ok) return { status: 400, body: { errors: call.errors } };
  let isNoted = false;
  const deed = { operation: "POST /imports/leads", subjects: [], fields: [...new URL(request.url ?? "/", "http://localhost").searchParams.keys()] };
  const actor = { tokenId: access.tokenId, deed: () => (isNoted ? null : deed), noted: () => void (isNoted = true) };
  const db = workspaceDb(pool, access.workspaceId, actor);
  const begun = await begin(importer, { ...call.value, db, stream: request });
  if (!begun) return failed(400, "INVALID", "The connection broke off before the first line had come.");
  if (!begun.ok) return { status: begun.errors.some(({ code }) => code === "CONFLICT") ? 409 : 400, body: { errors: begun.errors } };
  return { ...begun.value, db };
}

/** A line for each state of the import. Ends where the reader has gone; the import goes on while its file comes. */
async function tell(importer: Importer, begun: Begun, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  response.writeHead(200, { "content-type": `${LINES}; charset=utf-8` });
  for await (const row of importer.follow(begun.db, begun.id, gone.signal)) {
    if (row.status === "RUNNING") response.write(`${JSON.stringify({ ...countsOf(row), bytesRead: row.bytesRead })}\n`);
  }
  await begun.done;
  if (!response.destroyed) response.end(`${JSON.stringify((await report(begun)).body)}\n`);
}

function contentProblem({ headers }: IncomingMessage): string | undefined {
  const type = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== undefined && type !== "text/csv" && type !== "application/octet-stream") {
    return `The body must be the file itself, with Content-Type: text/csv, not ${type}. For example: ${EXAMPLE}`;
  }
  const encoding = headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") return undefined;
  return `The body must not be compressed; it has Content-Encoding: ${encoding}.`;
}

function readCall(request: IncomingMessage): Result<Omit<ImportSource, "db" | "stream">> {
  const { searchParams } = new URL(request.url ?? "/", "http://localhost");
  // A misspelt one, left unnoticed, would import a whole file without its triggers.
  const unknown = [...searchParams.keys()].filter((name) => !PARAMETERS.some((known) => known === name));
  if (unknown.length > 0) {
    return refused(...unknown.map((name) => invalid(`There is no parameter '${name}'; there are ${PARAMETERS.join(", ")}.`, name)));
  }
  // Of a file's name, what cannot be kept is left out instead.
  const unstorable = [...searchParams].filter(([name, value]) => name !== "fileName" && !isStorable(value));
  if (unstorable.length > 0) return refused(...unstorable.map(([name]) => invalid(`${name} holds a NUL character; remove it.`, name)));
  const given: Parameters = Object.fromEntries(searchParams);
  const consent = readConsent(given);
  if (!consent.ok) return consent;
  const length = request.headers["content-length"];
  return ok({
    fileName: given.fileName ?? "leads.csv",
    triggers: given.triggers?.split(","),
    consent: consent.value,
    idempotencyKey: given.idempotencyKey,
    bytesTotal: length === undefined ? null : Number(length),
  });
}

function readConsent({ consentSource: source, consentAt }: Parameters): Result<ImportSource["consent"]> {
  if (source === undefined && consentAt === undefined) return ok(null);
  if (source === undefined || consentAt === undefined) {
    return refused(invalid("consentSource and consentAt belong together; give both, or neither.", "consentAt"));
  }
  try {
    return ok({ source, at: parseDateTime(consentAt) });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return refused(invalid(error.message, "consentAt"));
  }
}

/** Nothing where the sender was gone before the header had come. */
async function begin(importer: Importer, source: ImportSource): Promise<Result<BegunImport> | undefined> {
  try {
    return await importer.begin(source);
  } catch (error) {
    if (source.stream.destroyed) return undefined;
    throw error;
  }
}

const ANSWERS: Readonly<Record<ImportStatus, { readonly status: number; readonly error?: UserError }>> = {
  COMPLETED: { status: 201 },
  RUNNING: { status: 202 },
  CANCELLED: { status: 409, error: { code: "INVALID_STATE", message: "The import was cancelled. What was imported before stays." } },
  FAILED: {
    status: 422,
    error: invalid(
      "The import could not be finished. Where a line is the reason, the last of its rejects names it. What was imported stays; sending it again does no harm.",
    ),
  },
};

type Counts = Pick<LeadImport, "id" | "status" | "rowsRead" | "rowsCreated" | "rowsUpdated" | "rowsRejected"> & { readonly rejects?: string };

async function report({ db, id, isRepeat }: Begun): Promise<Answer> {
  const [row] = await importsById(db, [id]);
  if (!row) throw new Error(`the import ${id} is gone`);
  const { status, error } = ANSWERS[row.status as ImportStatus];
  const anew = { ...error, message: `${error?.message} Under the same idempotencyKey nothing is read; send it under another.` };
  const body = { ...countsOf(row), ...(error && { errors: [isRepeat && status !== 202 ? anew : error] }) };
  return { status: isRepeat && status === 201 ? 200 : status, body };
}

const countsOf = ({ id, status, rowsRead, rowsCreated, rowsUpdated, rowsRejected }: LeadImport): Counts => ({
  id: `LeadImport:${id}`,
  status,
  rowsRead,
  rowsCreated,
  rowsUpdated,
  rowsRejected,
  ...(rowsRejected > 0 && { rejects: `/imports/leads/LeadImport:${id}/rejects.csv` }),
});
