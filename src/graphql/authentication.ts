import type { Access, Tokens } from "../access/tokens.ts";
import { rateLimited, unauthenticated } from "./errors.ts";

const WHERE_TO_FIND_IT = "The admin token is in .rentak/admin-token.";
const BY_HEADER = `Send the header 'Authorization: Bearer <token>'. ${WHERE_TO_FIND_IT}`;
const BY_PARAMS = `Send connectionParams {"Authorization": "Bearer <token>"}. ${WHERE_TO_FIND_IT}`;

async function authenticate(tokens: Tokens, given: unknown, how: string): Promise<Access> {
  const [, secret] = (typeof given === "string" && /^Bearer +(\S+) *$/i.exec(given)) || [];
  if (secret === undefined) throw unauthenticated(`A token is needed. ${how}`);
  const access = await tokens.authenticate(secret);
  if (!access) throw unauthenticated(`The token is unknown, expired or revoked. ${how}`);
  await admit(tokens, access);
  return access;
}

/** Rejects with RATE_LIMITED where the token has asked too often. */
export async function admit(tokens: Tokens, access: Access): Promise<void> {
  const seconds = await tokens.admit(access);
  if (seconds !== null) throw rateLimited(`This token has made too many requests; the next one is answered in ${seconds} ${seconds === 1 ? "second" : "seconds"}.`, seconds);
}

/** Rejects with UNAUTHENTICATED, which says how a token is sent and where to find one. */
export const authenticateHeader = (tokens: Tokens, authorization: string | undefined): Promise<Access> =>
  authenticate(tokens, authorization, BY_HEADER);

export function authenticateParams(tokens: Tokens, params: Readonly<Record<string, unknown>> | undefined): Promise<Access> {
  const [, given] = Object.entries(params ?? {}).find(([name]) => name.toLowerCase() === "authorization") ?? [];
  return authenticate(tokens, given, BY_PARAMS);
}
