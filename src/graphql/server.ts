import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { useCSRFPrevention } from "@graphql-yoga/plugin-csrf-prevention";
import { GraphQLError } from "graphql";
import { createYoga } from "graphql-yoga";
import type pg from "pg";
import type { Access, Tokens } from "../access/tokens.ts";
import { type Deed, workspaceDb } from "../db/workspace.ts";
import { type Clock, MINUTE_MS } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { authenticateHeader } from "./authentication.ts";
import { useCompiledQueries } from "./compiled-queries.ts";
import type { ApiContext, Services } from "./context.ts";
import { badUserInput, createErrorMask, MAX_REQUEST_BYTES, TOO_LARGE } from "./errors.ts";
import { graphiqlPage } from "./graphiql.ts";
import { createLive } from "./live.ts";
import { useComplexityLimits, useLive, useReadableRequests, useStableCodes } from "./plugins.ts";
import { schema } from "./schema.ts";
import { isNestedTooDeeply, isStorable, isStorableDocument, MAX_NESTING } from "./storable.ts";
import { createWebSockets } from "./websocket.ts";

export type GraphqlServerOptions = {
  readonly pool: pg.Pool;
  readonly tokens: Tokens;
  readonly services: Services;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A query that has come so often is compiled into a function of its own; none is where this is left out. */
  readonly compileAfter?: number | undefined;
};

export interface GraphqlServer {
  /** Answers a request to /graphql: queries and mutations, subscriptions as server-sent events, and GraphiQL for browsers. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Takes a WebSocket to /graphql, for graphql-ws. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** How many subscriptions are open. */
  subscriptions(): number;
  /** Ends what is open: WebSockets with 1001, and the streams of server-sent events. Safe to call twice. */
  dispose(): Promise<void>;
}

type ServerContext = { readonly access: Access };

export function createGraphqlServer({ pool, tokens, services, clock, logger, compileAfter }: GraphqlServerOptions): GraphqlServer {
  const mask = createErrorMask(logger);
  const live = createLive({ tokens, clock, mask, onError: (error) => void mask(error) });

  const contextOf = ({ access, params }: { access: Access; params: { query?: string; variables?: unknown } }): ApiContext => {
    if (isNestedTooDeeply(params.variables)) throw badUserInput(`The variables are more than ${MAX_NESTING} levels deep; write them flatter.`);
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
    // Ours stands before the token; the HTTP server has told browsers who may ask.
    graphiql: false,
    cors: false,
    plugins: [
      ...(compileAfter === undefined ? [] : [useCompiledQueries({ after: compileAfter })]),
      useReadableRequests(),
      useComplexityLimits(),
      useStableCodes(),
      useLive(live),
      useCSRFPrevention({ requestHeaders: ["authorization"] }),
    ],
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
        if (isForBrowser(request)) return await showGraphiql(response);
        const access = await authenticateHeader(tokens, request.headers.authorization);
        // Refused here already: Yoga would read a part of it first.
        if (Number(request.headers["content-length"] ?? 0) > MAX_REQUEST_BYTES) throw tooLarge();
        const encoding = request.headers["content-encoding"] ?? "identity";
        if (encoding !== "identity") throw compressed(encoding);
        const impatience = clock.setTimeout(() => request.complete || refuse(request, response, tooSlow()), BODY_MS);
        response.once("close", () => impatience.cancel());
        await yoga.handle(request, response, { access });
      } catch (error) {
        refuse(request, response, mask(error));
      }
    },
    upgrade: (request, socket, head) => sockets.upgrade(request, socket, head),
    subscriptions: live.count,
    dispose: () => (disposed ??= dispose()),
  };
}

/** GraphiQL's page, which holds nothing and so needs no token. */
const isForBrowser = ({ method, headers }: IncomingMessage): boolean =>
  method === "GET" && (headers.accept?.includes("text/html") ?? false);

async function showGraphiql(response: ServerResponse): Promise<void> {
  const { html, policy } = await graphiqlPage();
  response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-length": html.length, "content-security-policy": policy }).end(html);
}

/** Node's own limit, which does not hold here for the sake of files of leads. Without one, a token could keep any number of connections. */
const BODY_MS = 5 * MINUTE_MS;

const tooSlow = (): GraphQLError =>
  new GraphQLError("The request has not come whole within 5 minutes. Send less at once; a large CSV file goes to POST /imports/leads.", {
    extensions: { code: "BAD_USER_INPUT", http: { status: 408 } },
  });

const compressed = (encoding: string): GraphQLError =>
  new GraphQLError(`The body must not be compressed; it has Content-Encoding: ${encoding}.`, { extensions: { code: "BAD_USER_INPUT", http: { status: 415 } } });

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
    ...(status === 401 && { "www-authenticate": "Bearer" }),
    ...(status === 429 && { "retry-after": `${Number(error.extensions["retryAfter"])}` }),
  });
  response.end(JSON.stringify({ errors: [{ message: error.message, extensions }] }));
  request.resume();
  const impatience = setTimeout(() => request.destroy(), REFUSED_BODY_MS).unref();
  request.once("close", () => clearTimeout(impatience));
}
