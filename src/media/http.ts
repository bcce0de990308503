// GET /media/<id>: a file that is sent with messages, to be looked at.

import type { IncomingMessage, ServerResponse } from "node:http";
import type pg from "pg";
import { type Answer, authenticate, failed, send } from "../access/http.ts";
import type { Tokens } from "../access/tokens.ts";
import { workspaceDb } from "../db/workspace.ts";
import { isUuid } from "../graphql/scalars.ts";
import { mediaFile, type MediaFile } from "./store.ts";

export type MediaHandlerDeps = { readonly pool: pg.Pool; readonly tokens: Tokens };

const PATH = /^\/media\/(?:Media(?::|%3A))?([^/?]+)(?:\?|$)/i;

export function createMediaHandler({ pool, tokens }: MediaHandlerDeps): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const find = async (request: IncomingMessage): Promise<MediaFile | Answer> => {
    if (request.method !== "GET") return { ...failed(405, "INVALID", "Media is looked at by GET, and made by the mutation createMedia."), headers: { allow: "GET" } };
    const access = await authenticate(tokens, request, "READ", "looking at media");
    if ("status" in access) return access;
    const id = PATH.exec(request.url ?? "")?.[1]?.toLowerCase() ?? "";
    const found = isUuid(id) ? await mediaFile(workspaceDb(pool, access.workspaceId), id) : null;
    return found ?? failed(404, "NOT_FOUND", "There is no such media. Right would be: /media/Media:<uuid>");
  };

  return async (request, response) => {
    const found = await find(request);
    if ("status" in found) return send(response, found);
    response.writeHead(200, {
      "content-type": found.contentType,
      "content-length": found.bytes.length,
      // Files come from outside: none of them is to run as a page of this server.
      "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(found.fileName || "media").replace(/['()*]/g, escaped)}`,
      "content-security-policy": "default-src 'none'; sandbox",
    });
    response.end(found.bytes);
  };
}

const escaped = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
