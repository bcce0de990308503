import { randomUUID } from "node:crypto";
import { GraphQLError, type GraphQLErrorOptions } from "graphql";
import type { Logger } from "../lib/logger.ts";
import { CursorError, CursorExpiredError } from "../events/types.ts";

export type ErrorCode = "UNAUTHENTICATED" | "FORBIDDEN" | "BAD_USER_INPUT" | "RATE_LIMITED" | "QUERY_TOO_COMPLEX" | "CURSOR_EXPIRED" | "INTERNAL_SERVER_ERROR";

/** An error that clients tell from others by its code. */
const coded = (code: ErrorCode, message: string, status: number): GraphQLError =>
  new GraphQLError(message, { extensions: { code, http: { status } } });

/** The request itself is wrong: nothing was looked up or changed. */
export const badUserInput = (message: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code: "BAD_USER_INPUT" satisfies ErrorCode } });

export const unauthenticated = (message: string): GraphQLError => coded("UNAUTHENTICATED", message, 401);

export const forbidden = (message: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code: "FORBIDDEN" satisfies ErrorCode } });

export const rateLimited = (message: string, retryAfter: number): GraphQLError =>
  new GraphQLError(message, { extensions: { code: "RATE_LIMITED" satisfies ErrorCode, retryAfter, http: { status: 429, spec: true } } });

export const queryTooComplex = (message: string): GraphQLError => coded("QUERY_TOO_COMPLEX", message, 400);

/** What was thrown in a resolver; graphql-js wraps it, sometimes twice. */
function thrown(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError ? thrown(error.originalError) : error;
}

const STABLE_CODES: readonly unknown[] = [
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "BAD_USER_INPUT",
  "RATE_LIMITED",
  "QUERY_TOO_COMPLEX",
  "CURSOR_EXPIRED",
  "INTERNAL_SERVER_ERROR",
] satisfies ErrorCode[];

/** Of a request that Yoga holds in memory as a whole. */
export const MAX_REQUEST_BYTES = 25_000_000;

export const TOO_LARGE =
  "The request is larger than 25 MB. Stream a larger CSV file to POST /imports/leads, which takes any size: curl -T leads.csv -X POST …/imports/leads.";

/** Everything that GraphQL itself finds wrong with a request (syntax, types, ids, scalars) has the one code BAD_USER_INPUT. */
export function withStableCode(error: GraphQLError): GraphQLError {
  const { code, ...extensions } = error.extensions;
  const isStable = STABLE_CODES.includes(code);
  if (isStable && error.message.length <= MAX_MESSAGE_LENGTH) return error;
  // A body of unknown length is measured while it is read, and Yoga's parser of forms wraps what it hears of that.
  if (code === "REQUEST_ENTITY_TOO_LARGE" || error.message.endsWith("Request body too large"))
    return coded("BAD_USER_INPUT", TOO_LARGE, 413);
  return new GraphQLError(shortened(error.message), { ...place(error), extensions: { ...extensions, code: isStable ? code : "BAD_USER_INPUT" } });
}

const MAX_MESSAGE_LENGTH = 2000;

/** GraphQL repeats the value that is wrong, however long it is; what would be right stands at the end. */
const shortened = (message: string): string =>
  message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH / 2)}…${message.slice(-MAX_MESSAGE_LENGTH / 2)}`.toWellFormed() : message;

const place = (error: unknown): GraphQLErrorOptions =>
  error instanceof GraphQLError
    ? { nodes: error.nodes ?? null, source: error.source ?? null, positions: error.positions ?? null, path: error.path ?? null }
    : {};

/** Shows the client what it can mend, and of everything else only an id, under which the log has the reason. */
export function createErrorMask(logger: Logger): (error: unknown) => GraphQLError {
  return (error) => {
    const cause = thrown(error);
    if (cause instanceof GraphQLError) return withStableCode(error instanceof GraphQLError ? error : cause);
    if (cause instanceof CursorError) {
      const code: ErrorCode = cause instanceof CursorExpiredError ? "CURSOR_EXPIRED" : "BAD_USER_INPUT";
      return new GraphQLError(cause.message, { ...place(error), extensions: { code } });
    }
    const id = randomUUID();
    logger.error({ errorId: id, err: cause }, "a request failed unexpectedly");
    return new GraphQLError(`Something went wrong in the server, not in your request. Its log has the reason under ${id}.`, {
      ...place(error),
      extensions: { code: "INTERNAL_SERVER_ERROR" satisfies ErrorCode, id, http: { status: 500, spec: true } },
    });
  };
}
