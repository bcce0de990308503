// Which web pages may use the API. Tokens are no cookies: a browser sends none by itself, so that a page can do nothing but with a token of its own,
// and any page may try where no list is set.

import type { IncomingMessage } from "node:http";

/** Undefined: any. */
export type AllowedOrigins = readonly string[] | undefined;

/** What is no browser's page sends no origin, and is not kept out: it could send whichever it wanted. */
export const isAllowed = (allowed: AllowedOrigins, { headers: { origin } }: IncomingMessage): boolean =>
  allowed === undefined || origin === undefined || allowed.includes(origin);

/** Lets pages of the allowed origins read the answer, a refusal as well as any other. */
export function corsHeaders(allowed: AllowedOrigins, request: IncomingMessage): Readonly<Record<string, string>> {
  if (allowed === undefined) return { "access-control-allow-origin": "*" };
  const { origin } = request.headers;
  // What lies in between must not give the answer for one origin to another.
  const vary = { vary: "Origin" };
  return origin !== undefined && isAllowed(allowed, request) ? { ...vary, "access-control-allow-origin": origin } : vary;
}

/** To what browsers ask before they let a page send a token. */
export const preflightHeaders = ({ headers }: IncomingMessage): Readonly<Record<string, string>> => ({
  "access-control-allow-methods": "GET, POST",
  // Clients add headers of their own (apollo-require-preflight and such), which do no harm.
  "access-control-allow-headers": headers["access-control-request-headers"] ?? "authorization, content-type, accept",
  "access-control-max-age": "86400",
});

export const notAllowed = ({ headers }: IncomingMessage): string =>
  `Pages of ${headers.origin} may not use this API. Those of the origins in its setting RENTAK_API_ORIGINS may.`;
