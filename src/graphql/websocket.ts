import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { GraphQLError, type ExecutionArgs, type GraphQLFormattedError } from "graphql";
import { handleProtocols, type SubscribePayload } from "graphql-ws";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import type { Access, Tokens } from "../access/tokens.ts";
import { admit, authenticateParams } from "./authentication.ts";
import { withStableCode } from "./errors.ts";
import { endRaw } from "../http.ts";

/** A message holds one operation; files do not come this way. */
const MAX_MESSAGE_BYTES = 5_000_000;

/** graphql-ws's own code for "no access"; clients take it for final and do not try again. */
const UNAUTHORIZED = 4401;

/** The enveloped functions of one operation: the same plugins as over HTTP. */
type Enveloped = {
  readonly schema: ExecutionArgs["schema"];
  readonly parse: (query: string) => ExecutionArgs["document"];
  readonly validate: (schema: ExecutionArgs["schema"], document: ExecutionArgs["document"]) => readonly GraphQLError[];
  readonly contextFactory: () => unknown;
  readonly execute: (args: ExecutionArgs) => never;
  readonly subscribe: (args: ExecutionArgs) => never;
};

/** Of use over HTTP only: the status to answer with. */
function forWebSockets(error: GraphQLError | GraphQLFormattedError): GraphQLFormattedError {
  const { extensions, ...formatted } = error instanceof GraphQLError ? error.toJSON() : error;
  const { http: _http, ...rest } = extensions ?? {};
  return { ...formatted, extensions: rest };
}

export type WebSocketOptions = {
  readonly tokens: Tokens;
  readonly envelop: (initial: { readonly access: Access; readonly params: SubscribePayload }) => Enveloped;
  readonly mask: (error: unknown) => GraphQLError;
};

export interface WebSockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Closes every socket with 1001, going away. */
  dispose(): Promise<void>;
}

export function createWebSockets({ tokens, envelop, mask }: WebSocketOptions): WebSockets {
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, handleProtocols });
  // In ws's own answer the error would stand as a page.
  server.on("wsClientError", (error, socket) => endRaw(socket, 400, `${error.message}. A WebSocket is opened by GET, version 13, protocol graphql-transport-ws.`));
  const running = useServer<Record<string, unknown>, { access?: Access }>(
    {
      async onConnect({ connectionParams, extra }) {
        try {
          extra.access = await authenticateParams(tokens, connectionParams);
          return true;
        } catch (error) {
          // A reason may have 123 bytes.
          extra.socket.close(UNAUTHORIZED, mask(error).message.slice(0, 123));
          return false;
        }
      },
      async onSubscribe({ extra }, _id, payload) {
        try {
          const access = extra.access && (await tokens.again(extra.access));
          if (!access) {
            extra.socket.close(UNAUTHORIZED, "The token is no longer good: it has expired or was revoked.");
            return [];
          }
          await admit(tokens, access);
          const { schema, parse, validate, contextFactory, execute, subscribe } = envelop({ access, params: payload });
          const document = parse(payload.query);
          const errors = validate(schema, document);
          if (errors.length > 0) return errors.map(withStableCode);
          const { operationName, variables } = payload;
          return {
            schema,
            document,
            operationName,
            variableValues: variables,
            contextValue: await contextFactory(),
            rootValue: { execute, subscribe },
          };
        } catch (error) {
          return [mask(error)];
        }
      },
      onNext: (_context, _id, _payload, _args, { data = null, errors }) =>
        errors ? { data, errors: errors.map(forWebSockets) } : undefined,
      onError: (_context, _id, _payload, errors) => errors.map(forWebSockets),
      execute: ({ rootValue, ...args }) => (rootValue as Enveloped).execute(args),
      subscribe: ({ rootValue, ...args }) => (rootValue as Enveloped).subscribe(args),
    },
    server,
  );
  return {
    upgrade: (request, socket, head) =>
      server.handleUpgrade(request, socket, head, (opened) => void server.emit("connection", opened, request)),
    async dispose() {
      await running.dispose();
    },
  };
}
