// The port that clients come to, and the ways in which it can fail them.

import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";

export type Gate =
  | "open"
  /** Every connection is reset before a byte. */
  | "reset"
  /** HTTP answers, and not with an upgrade: the status. */
  | number;

export interface Network {
  readonly port: number;
  setGate(gate: Gate): void;
  stop(): Promise<void>;
}

export const CHAT_PATH = "/ws/chat";

type Options = {
  readonly port: number;
  /** Plain requests, on the same port; they pass any gate. */
  readonly control: RequestListener;
  readonly connected: (socket: WebSocket, tcp: Socket) => void;
};

export async function openNetwork({ port, control, connected }: Options): Promise<Network> {
  const http = createServer(control);
  // Clients send frames of their own size: nothing is gained by compressing what is encrypted.
  const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 1 << 24 });
  let gate: Gate = "open";

  http.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on("error", () => {});
    if (gate === "reset") return void socket.resetAndDestroy();
    const status = gate === "open" ? 404 : gate;
    if (gate !== "open" || new URL(request.url ?? "/", "http://localhost").pathname !== CHAT_PATH) {
      return void socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => connected(webSocket, socket));
  });
  // A start of 3,000 clients comes faster than they can be taken.
  http.listen({ port, host: "127.0.0.1", backlog: 4096 });
  await once(http, "listening");

  return {
    port: (http.address() as AddressInfo).port,
    setGate: (next) => void (gate = next),
    async stop() {
      webSockets.close();
      const closed = once(http, "close");
      http.close();
      http.closeAllConnections();
      for (const client of webSockets.clients) client.terminate();
      await closed;
    },
  };
}
