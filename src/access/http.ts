// What the routes beside /graphql have in common: who may use them, and how they answer.

import type { IncomingMessage, ServerResponse } from "node:http";
import { GraphQLError } from "graphql";
import { hasScope, type TokenScope } from "./scopes.ts";
import type { Access, Tokens } from "./tokens.ts";
import { authenticateHeader } from "../graphql/authentication.ts";

export type Answer = { readonly status: number; readonly body: unknown; readonly headers?: Readonly<Record<string, string>> };

export const failed = (status: number, code: string, message: string): Answer => ({ status, body: { errors: [{ message, code }] } });

export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
  response.end(`${JSON.stringify(body)}\n`);
}

/** Who calls, or why not; `what` says what needs the scope, as the beginning of a sentence. */
export async function authenticate(tokens: Tokens, { headers }: IncomingMessage, scope: TokenScope, what: string): Promise<Access | Answer> {
  try {
    const access = await authenticateHeader(tokens, headers.authorization);
    if (hasScope(access.scopes, scope)) return access;
    return failed(403, "FORBIDDEN", `This token has the scopes ${access.scopes.join(", ")}; ${what} needs ${scope}.`);
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    const { code, retryAfter } = error.extensions;
    if (retryAfter !== undefined) return { ...failed(429, String(code), error.message), headers: { "retry-after": `${Number(retryAfter)}` } };
    return { ...failed(401, String(code), error.message), headers: { "www-authenticate": "Bearer" } };
  }
}
