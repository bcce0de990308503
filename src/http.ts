// The HTTP server: it has its port from the first moment on, so that a taken one is known before anything else is begun, and its routes once
// everything behind them is there.

import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { OperatorError } from "./lib/errors.ts";
import { type AllowedOrigins, corsHeaders, isAllowed, notAllowed, preflightHeaders } from "./origins.ts";
import { SECURITY_HEADERS } from "./security-headers.ts";

export type Routes = {
  /** By path; one that ends with a slash stands for all that is below it. */
  readonly requests: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void | Promise<void>>>;
  /** Told of every request that was answered. */
  readonly observer?: RequestObserver;
  readonly upgrades: Readonly<Record<string, (request: IncomingMessage, socket: Duplex, head: Buffer) => void>>;
};

export interface HttpServer {
  readonly port: number;
  /** Begins to serve. */
  open(routes: Routes): void;
  /** Takes no new connections; waits up to `graceMs` for the requests that run, then ends them. */
  close(graceMs: number): Promise<void>;
}

/** `route`: a path that there is, or "other". */
export type RequestObserver = (answered: { readonly route: string; readonly status: number; readonly ms: number; readonly isStream: boolean }) => void;

export type ListenOptions = {
  readonly onError: (error: unknown) => void;
  /** Whose pages may use what is served. */
  readonly origins?: AllowedOrigins;
};

/** Throws OperatorError where the address cannot be had. */
export async function listen(host: string, port: number, { onError, origins }: ListenOptions): Promise<HttpServer> {
  let routes: Routes | undefined;
  // A million-row file takes longer than the 5 minutes that Node allows a request by default.
  const server = createServer({ requestTimeout: 0 }, (request, response) => void handle(request, response));

  const observe = (request: IncomingMessage, response: ServerResponse) => {
    const [observer, from] = [routes?.observer, performance.now()];
    if (!observer) return;
    const route = routeOf(routes, pathOf(request))?.path ?? "other";
    response.once("close", () => observer({ route, status: response.statusCode, ms: performance.now() - from, isStream: String(response.getHeader("content-type")).startsWith("text/event-stream") }));
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    observe(request, response);
    const headers = { ...SECURITY_HEADERS, ...corsHeaders(origins, request) };
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (!isHost(request.headers.host ?? "")) return plain(response, 400, "The header Host names no host. Write a name or an address, and a port where it is needed.");
    if (!routes) return plain(response, 503, "Rentak is starting. Try again in a moment.");
    const route = routeOf(routes, pathOf(request))?.serve;
    if (!route) return plain(response, 404, "Nothing is here. The API is at /graphql; a browser finds GraphiQL there.");
    if (request.method === "OPTIONS") {
      if (!isAllowed(origins, request)) return plain(response, 403, notAllowed(request));
      return void response.writeHead(204, preflightHeaders(request)).end();
    }
    try {
      await route(request, response);
    } catch (error) {
      onError(error);
      if (response.headersSent) response.destroy();
      else plain(response, 500, "Something went wrong on our side.");
    }
  };

  server.on("upgrade", (request, socket, head) => {
    // Node has taken its own listener off by now, and a client that resets would be an uncaught error.
    socket.on("error", () => socket.destroy());
    // Browsers ask nobody before they open a WebSocket, and let every page read what comes.
    if (!isAllowed(origins, request)) return endRaw(socket, 403, notAllowed(request));
    const route = routes?.upgrades[pathOf(request)];
    if (route) route(request, socket, head);
    else endRaw(socket, 404, "Nothing is here. WebSockets are at /graphql.");
  });
  // What cannot be read as HTTP, or comes too slowly.
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
    const [status, text] = UNREADABLE[error.code ?? ""] ?? [400, "This is no HTTP request."];
    endRaw(socket, status, text);
  });
  // "Expect:" with something unknown may be passed over (RFC 9110); Node's own answer would lack the headers.
  server.on("checkExpectation", (request, response) => void handle(request, response));
  await bind(server, host, port);
  const { port: bound } = server.address() as AddressInfo;

  return {
    port: bound,
    open(those) {
      routes = those;
    },
    close: (graceMs) => closeServer(server, graceMs),
  };
}

function routeOf(routes: Routes | undefined, path: string): { readonly path: string; readonly serve: Routes["requests"][string] } | undefined {
  const found = Object.entries(routes?.requests ?? {}).find(([known]) => path === known) ?? Object.entries(routes?.requests ?? {}).find(([above]) => above.endsWith("/") && path.startsWith(above));
  return found && { path: found[0], serve: found[1] };
}

// Not by URL, which throws on what scanners send ("//"): nothing that comes from outside may end the process.
const pathOf = (request: IncomingMessage) => (request.url ?? "/").split("?", 1)[0] ?? "/";

/** What lies behind makes a URL of it. */
const isHost = (host: string) => host === "" || (/^(\[[0-9a-f:.]+\]|[\w.-]+)(:\d*)?$/i.test(host) && URL.canParse(`http://${host}`));

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}

/** By the code of Node's error, as Node itself would answer. */
const UNREADABLE: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, "The headers are too large; 16 KB are allowed."],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, "The chunks' extensions are too large."],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "The headers have not come in time."],
};

/** Answers where Node has no response to write to, and ends the connection. */
export function endRaw(socket: Duplex, status: number, text: string): void {
  const body = `${text}\n`;
  const headers = { ...SECURITY_HEADERS, "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(body), connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`);
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(explained(error, host, port)));
    server.listen(port, host, resolve);
  });
}

function explained(error: NodeJS.ErrnoException, host: string, port: number): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new OperatorError(`Port ${port} on ${host} is taken, perhaps by a Rentak that runs already. Stop that, or choose another port: PORT=${port + 1} npm start`);
    case "EACCES":
      return new OperatorError(`Port ${port} may not be used by this account. Choose one above 1023: PORT=4000 npm start`);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new OperatorError(`${host} is no address of this machine. Set HOST to one that is, such as 127.0.0.1, or 0.0.0.0 for all.`);
    default:
      return error;
  }
}

function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
    server.closeIdleConnections();
  });
}
