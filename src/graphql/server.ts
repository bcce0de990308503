import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { useCSRFPrevention } from "@graphql-yoga/plugin-csrf-prevention";
import { GraphQLError } from "graphql";
import { createYoga } from "graphql-yoga";
import type pg from "pg";
import type { Access, Tokens } from "../access/tokens.ts";
import { type Deed, workspaceDb } from "../db/workspace.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { authenticateHeader } from "./authentication.ts";
import type { ApiContext, Services } from "./context.ts";
import { badUserInput, createErrorMask, MAX_REQUEST_BYTES, TOO_LARGE } from "./errors.ts";
import { graphiqlOptions, renderGraphiql } from "./graphiql.ts";
import { createLive } from "./live.ts";
import { useComplexityLimits, useLive, useStableCodes } from "./plugins.ts";
import { schema } from "./schema.ts";
import { isStorable, isStorableDocument } from "./storable.ts";
import { createWebSockets } from "./websocket.ts";

export type GraphqlServerOptions = {
  readonly pool: pg.Pool;
  readonly tokens: Tokens;
  readonly services: Services;
  readonly clock: Clock;
  readonly logger: Logger;
};

export interface GraphqlServer {
  /** Answers a request to /graphql: queries and mutations, subscriptions as server-sent events, and GraphiQL for browsers. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Takes a WebSocket to /graphql, for graphql-ws. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Ends what is open: WebSockets with 1001, and the streams of server-sent events. Safe to call twice. */
  dispose(): Promise<void>;
}

type ServerContext = { readonly access: Access | null };

export function createGraphqlServer({ pool, tokens, services, clock, logger }: GraphqlServerOptions): GraphqlServer {
  const mask = createErrorMask(logger);
  const live = createLive({ tokens, clock, mask, onError: (error) => void mask(error) });

  const contextOf = ({ access, params }: { access: Access | null; params: { query?: string; variables?: unknown } }): ApiContext => {
    if (!access) throw new Error("a request came here without having been authenticated");
    if (!isStorableDocument(params.query ?? "") || !isStorable(params.variables)) {
      throw badUserInput("The request holds a NUL character or half of a character that takes two; remove it.");
    }
    // Subscriptions get a signal that ends them.
    let deed: Deed | null = null;
    const actor = { tokenId: access.tokenId, deed: () => deed, noted: () => void (deed = null) };
    return { ...services, access, db: workspaceDb(pool, access.workspaceId, actor), begin: (begun) => void (deed = begun), signal: new AbortController().signal };
  };

  const yoga = createYoga<ServerContext, ApiContext>({
    schema,
    context: contextOf,
    maskedErrors: { maskError: (error) => mask(error) },
    maxRequestBodySize: MAX_REQUEST_BYTES,
    // The mask has logged it, without the data that Yoga's own message would quote.
    logging: false,
    landingPage: false,
    graphiql: graphiqlOptions,
    renderGraphiQL: (options) => renderGraphiql(options),
    // Tokens are no cookies: a browser sends none by itself, and pages of other origins may use the API with theirs.
    cors: { origin: "*", credentials: false },
    plugins: [useComplexityLimits(), useStableCodes(), useLive(live), useCSRFPrevention({ requestHeaders: ["authorization"] })],
  });
  const sockets = createWebSockets({ tokens, mask, envelop: (initial) => yoga.getEnveloped(initial as never) as never });
  live.start();

  const dispose = async () => {
    await live.stop();
    await sockets.dispose();
    await yoga.dispose();
  };
  let disposed: Promise<void> | undefined;
  return {
    async handle(request, response) {
      try {
        const needsNone = request.method === "OPTIONS" || isForBrowser(request);
        const access = needsNone ? null : await authenticateHeader(tokens, request.headers.authorization);
        // Refused here already: Yoga would read a part of it first.
        if (Number(request.headers["content-length"] ?? 0) > MAX_REQUEST_BYTES) throw tooLarge();
        await yoga.handle(request, response, { access });
      } catch (error) {
        refuse(request, response, mask(error));
      }
    },
    upgrade: (request, socket, head) => sockets.upgrade(request, socket, head),
    dispose: () => (disposed ??= dispose()),
  };
}

/** GraphiQL's page, which holds nothing and so needs no token. */
const isForBrowser = ({ method, headers }: IncomingMessage): boolean =>
  method === "GET" && (headers.accept?.includes("text/html") ?? false);

const tooLarge = (): GraphQLError => new GraphQLError(TOO_LARGE, { extensions: { code: "BAD_USER_INPUT", http: { status: 413 } } });

/** How long a refused request may go on sending. */
const REFUSED_BODY_MS = 60_000;

/** Answers without having read the body, and throws the rest of it away: a client that is still sending would miss the answer otherwise. */
function refuse(request: IncomingMessage, response: ServerResponse, error: GraphQLError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { http, ...extensions } = error.extensions as { http?: { status?: number } };
  const status = http?.status ?? 400;
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "access-control-allow-origin": "*",
    ...(status === 401 && { "www-authenticate": "Bearer" }),
    ...(status === 429 && { "retry-after": `${Number(error.extensions["retryAfter"])}` }),
  });
  response.end(JSON.stringify({ errors: [{ message: error.message, extensions }] }));
  request.resume();
  const impatience = setTimeout(() => request.destroy(), REFUSED_BODY_MS).unref();
  request.once("close", () => clearTimeout(impatience));
}
