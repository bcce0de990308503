// One client's connection: the handshake, then stanzas both ways.

import type { Socket } from "node:net";
import { proto } from "baileys";
import type { WebSocket } from "ws";
import type { ServerIdentity } from "./certificates.ts";
import { createFrameReader, frame } from "./frames.ts";
import { createNoise } from "./noise.ts";
import { type BinaryNode, decode, encode } from "./stanza.ts";

export interface Connection {
  readonly id: number;
  /** False where nobody is there any more. */
  send(node: BinaryNode): boolean;
  /** As a server that is done with it: what was sent arrives before. */
  close(reason: string): void;
  /** As a network that has failed: the client sees a reset. */
  destroy(reason: string): void;
  /** From now on nothing is heard and nothing is said, and nothing is closed. */
  silence(): void;
  /** Hears what came in the meantime, unless the client has reset the connection, and says what was to be said. */
  resume(): void;
}

export type ConnectionListener = {
  opened(payload: proto.ClientPayload, clientKey: Buffer): void;
  received(node: BinaryNode): void;
  closed(reason: string): void;
};

export type ConnectionOptions = {
  readonly id: number;
  readonly socket: WebSocket;
  readonly tcp: Socket;
  readonly identity: ServerIdentity;
  readonly listener: ConnectionListener;
};

export function createConnection({ id, socket, tcp, identity, listener }: ConnectionOptions): Connection {
  const frames = createFrameReader();
  const channel = createChannel(identity, listener, (bytes) => {
    if (socket.readyState === socket.OPEN) socket.send(frame(bytes));
  });
  const unheard: Buffer[] = [];
  const unsaid: BinaryNode[] = [];
  let isSilent = false;
  let reason: string | undefined;
  let isClosed = false;

  const listen = (bytes: Buffer) => {
    if (isSilent) return void unheard.push(bytes);
    try {
      for (const content of frames.take(bytes)) channel.hear(content);
    } catch (error) {
      destroy(error instanceof Error ? error.message : "unreadable");
    }
  };
  const ended = () => {
    if (isClosed || (isSilent && reason === undefined)) return;
    isClosed = true;
    listener.closed(reason ?? "closed by the client");
  };
  const end = (why: string, how: () => void) => {
    reason ??= why;
    how();
    // The client had gone in silence: there is no event to come any more.
    if (socket.readyState === socket.CLOSED) ended();
  };
  const destroy = (why: string) => end(why, () => tcp.resetAndDestroy());
  const lost = () => {
    // A reset takes with it what was not heard yet. After a proper end it is on its way all the same, and is heard when the silence ends.
    reason ??= "reset by the client";
    unheard.length = 0;
  };

  socket.on("message", (data) => listen(Buffer.isBuffer(data) ? data : Buffer.concat(data as Buffer[])));
  tcp.on("error", lost);
  socket.on("close", ended);
  socket.on("error", () => {});

  return {
    id,
    send(node) {
      if (isSilent) unsaid.push(node);
      else if (socket.readyState === socket.OPEN) channel.say(node);
      return isSilent || socket.readyState === socket.OPEN;
    },
    // In silence the client is not told: to the server the connection is gone all the same.
    close: (why) => end(why, () => (isSilent ? ended() : socket.close())),
    destroy,
    silence: () => void (isSilent = true),
    resume() {
      isSilent = false;
      for (const bytes of unheard.splice(0)) listen(bytes);
      for (const node of unsaid.splice(0)) channel.say(node);
      if (isClosed) socket.close();
      if (socket.readyState === socket.CLOSED) ended();
    },
  };
}

/** The handshake's two messages, then stanzas. */
function createChannel(identity: ServerIdentity, listener: ConnectionListener, write: (bytes: Buffer) => void) {
  const noise = createNoise(identity);
  let stage: "hello" | "finish" | "open" = "hello";

  return {
    hear(content: Buffer) {
      if (stage === "hello") {
        stage = "finish";
        write(noise.greet(content));
      } else if (stage === "finish") {
        stage = "open";
        const { clientKey, payload } = noise.accept(content);
        listener.opened(proto.ClientPayload.decode(payload), clientKey);
      } else listener.received(decode(noise.decrypt(content)));
    },
    say: (node: BinaryNode) => write(noise.encrypt(encode(node))),
  };
}
