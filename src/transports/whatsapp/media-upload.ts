// One file to WhatsApp's media servers, by Baileys' own encryption and upload.

import { Agent as HttpsAgent } from "node:https";
import { connect } from "node:net";
import {
  type AnyMediaMessageContent,
  type BinaryNode,
  getBinaryNodeChild,
  getBinaryNodeChildren,
  getWAUploadToServer,
  type MediaConnInfo,
  prepareWAMessageMedia,
  type proto,
  type SocketConfig,
} from "baileys";
import { SECOND_MS } from "../../lib/clock.ts";
import type { OutgoingMedia } from "../transport.ts";
import { silentLogger } from "./silent-logger.ts";

export type MediaUpload = (media: OutgoingMedia, bytes: Buffer) => Promise<proto.IMessage>;

export type MediaUploadOptions = {
  /** WhatsApp's, by which is told whether it is a fake one on the loopback interface. */
  readonly url: URL;
  readonly query: (node: BinaryNode) => Promise<BinaryNode>;
};

/** A server that is silent for so long is given up for the next one. */
const SILENCE_MS = 15 * SECOND_MS;

export function createMediaUpload({ url, query }: MediaUploadOptions): MediaUpload {
  let servers: MediaConnInfo | undefined;

  // Baileys' own keeps an answer that never came for as long as the connection lives.
  const mediaServers = async (force: boolean): Promise<MediaConnInfo> => {
    if (!force && servers && Date.now() - servers.fetchDate.getTime() < servers.ttl * SECOND_MS) return servers;
    servers = serversIn(await query({ tag: "iq", attrs: { type: "set", xmlns: "w:m", to: "s.whatsapp.net" }, content: [{ tag: "media_conn", attrs: {} }] }));
    return servers;
  };
  const config = { customUploadHosts: [], fetchAgent: url.protocol === "wss:" ? undefined : inTheClear(), logger: silentLogger, options: {} };
  const upload = getWAUploadToServer(config as unknown as SocketConfig, mediaServers);

  return (media, bytes) => prepareWAMessageMedia(contentOf(media, bytes), { upload, logger: silentLogger, mediaUploadTimeoutMs: SILENCE_MS });
}

function contentOf({ kind, contentType: mimetype, fileName }: OutgoingMedia, bytes: Buffer): AnyMediaMessageContent {
  // A thumbnail that is there, though empty, is not made of the picture, for which Baileys would want a library that we do not bring along.
  const jpegThumbnail = null as unknown as string;
  switch (kind) {
    case "IMAGE":
      return { image: bytes, mimetype, jpegThumbnail };
    case "VIDEO":
      return { video: bytes, mimetype, jpegThumbnail };
    case "DOCUMENT":
      return { document: bytes, mimetype, fileName };
    case "AUDIO":
      return { audio: bytes, mimetype, ptt: false };
    case "VOICE_NOTE":
      return { audio: bytes, mimetype, ptt: true };
  }
}

function serversIn(answer: BinaryNode): MediaConnInfo {
  const node = getBinaryNodeChild(answer, "media_conn");
  const { auth, ttl } = node?.attrs ?? {};
  if (!node || auth === undefined) throw new Error("WhatsApp named no media servers");
  const hosts = getBinaryNodeChildren(node, "host").map(({ attrs }) => ({ hostname: attrs["hostname"] ?? "", maxContentLengthBytes: Number(attrs["maxContentLengthBytes"] ?? 0) }));
  return { auth, ttl: Number(ttl), hosts, fetchDate: new Date() };
}

/** The fake server's uploads need no certificate, as its WebSocket needs none: both are on the loopback interface. */
function inTheClear(): HttpsAgent {
  const agent = new HttpsAgent({ keepAlive: false });
  agent.createConnection = ({ host, port }) => connect({ host: host ?? "127.0.0.1", port: Number(port) });
  return agent;
}

const CAPTIONED = ["imageMessage", "videoMessage", "documentMessage"] as const;

/** The message that shows it. */
export function withCaption(uploaded: proto.IMessage, caption: string): proto.IMessage {
  const part = CAPTIONED.find((name) => uploaded[name]);
  return part === undefined || caption === "" ? uploaded : { [part]: { ...uploaded[part], caption } };
}
