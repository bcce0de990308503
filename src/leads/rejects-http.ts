// GET /imports/leads/<id>/rejects.csv: the refused rows of an import, to be mended and imported again.

import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import type { Tokens } from "../access/tokens.ts";
import { workspaceDb } from "../db/workspace.ts";
import { isUuid } from "../graphql/scalars.ts";
import { authenticate, failed, send, type Answer } from "../access/http.ts";
import { rejectsFile, type RejectsFile } from "./rejects.ts";

export type RejectsHandlerDeps = { readonly pool: pg.Pool; readonly tokens: Tokens };

const PATH = /^\/imports\/leads\/(?:LeadImport(?::|%3A))?([^/?]+)\/rejects\.csv(?:\?|$)/i;

export function createRejectsHandler({ pool, tokens }: RejectsHandlerDeps): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const find = async (request: IncomingMessage): Promise<RejectsFile | Answer> => {
    if (request.method !== "GET") return { ...failed(405, "INVALID", "The refused rows are fetched by GET."), headers: { allow: "GET" } };
    const access = await authenticate(tokens, request, "READ", "reading refused rows");
    if ("status" in access) return access;
    const id = PATH.exec(request.url ?? "")?.[1]?.toLowerCase() ?? "";
    const found = isUuid(id) ? await rejectsFile(workspaceDb(pool, access.workspaceId), id) : null;
    return found ?? failed(404, "NOT_FOUND", "There is no such import; the query leadImports lists them. Right would be: /imports/leads/LeadImport:<uuid>/rejects.csv");
  };

  return async (request, response) => {
    const found = await find(request);
    if ("status" in found) return send(response, found);
    response.writeHead(200, {
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": `attachment; filename="rejects.csv"; filename*=UTF-8''${encodeURIComponent(found.fileName).replace(/['()*]/g, escaped)}`,
    });
    // Where it breaks off the response is cut short, so that nobody takes it for whole.
    await pipeline(Readable.from(found.content, { highWaterMark: 1 }), response).catch((error: unknown) => {
      if (!response.destroyed || !isGone(error)) throw error;
    });
  };
}

const escaped = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;

/** The reader has gone away. */
const isGone = (error: unknown) => error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE";
