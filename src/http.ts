// The HTTP server: it has its port from the first moment on, so that a taken one is known before anything else is begun, and its routes once
// everything behind them is there.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { OperatorError } from "./lib/errors.ts";

export type Routes = {
  /** By path; one that ends with a slash stands for all that is below it. */
  readonly requests: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void | Promise<void>>>;
  readonly upgrades: Readonly<Record<string, (request: IncomingMessage, socket: Duplex, head: Buffer) => void>>;
};

export interface HttpServer {
  readonly port: number;
  /** Begins to serve. */
  open(routes: Routes): void;
  /** Takes no new connections; waits up to `graceMs` for the requests that run, then ends them. */
  close(graceMs: number): Promise<void>;
}

/** Throws OperatorError where the address cannot be had. */
export async function listen(host: string, port: number, onError: (error: unknown) => void): Promise<HttpServer> {
  let routes: Routes | undefined;
  // A million-row file takes longer than the 5 minutes that Node allows a request by default.
  const server = createServer({ requestTimeout: 0 }, (request, response) => void handle(request, response));

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    if (!routes) return plain(response, 503, "Rentak is starting. Try again in a moment.");
    const path = pathOf(request);
    const route = routes.requests[path] ?? Object.entries(routes.requests).find(([above]) => above.endsWith("/") && path.startsWith(above))?.[1];
    if (!route) return plain(response, 404, "Nothing is here. The API is at /graphql; a browser finds GraphiQL there.");
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
    const route = routes?.upgrades[pathOf(request)];
    if (route) route(request, socket, head);
    else socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
  });
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

// Not by URL, which throws on what scanners send ("//"): nothing that comes from outside may end the process.
const pathOf = (request: IncomingMessage) => (request.url ?? "/").split("?", 1)[0] ?? "/";

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
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
