// The media servers: they take what a device has encrypted, and hand it to whoever knows where it is and by which key it opens.

import { createDecipheriv, createHash, createHmac, hkdfSync, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import type { proto } from "baileys";
import type { Behaviours } from "./behaviour.ts";
import type { Witness } from "./witness.ts";

/** A file as the person who got it sees it. */
export type SeenMedia = { readonly kind: string; readonly contentType: string; readonly fileName: string | null; readonly sha256: string; readonly bytes: number; readonly seconds: number | null };

export interface MediaServer {
  /** Takes a file. False where the request is none of its own. */
  take(request: IncomingMessage, response: ServerResponse): boolean;
  /** Fetches and opens the file that a message shows; null where it shows none. Throws where it cannot be opened, or is another than was said. */
  see(message: proto.IMessage): SeenMedia | null;
}

const PATH = /^\/mms\/(image|video|document|audio)\/([^/?]+)\?auth=fake&token=\2$/;

const PARTS = {
  imageMessage: { kind: "image", keys: "WhatsApp Image Keys" },
  videoMessage: { kind: "video", keys: "WhatsApp Video Keys" },
  documentMessage: { kind: "document", keys: "WhatsApp Document Keys" },
  audioMessage: { kind: "audio", keys: "WhatsApp Audio Keys" },
} as const;

export function createMediaServer({ witness, behaviours }: { readonly witness: Witness; readonly behaviours: Behaviours }): MediaServer {
  const files = new Map<string, Buffer>();

  const store = async (type: string, token: string, request: IncomingMessage, response: ServerResponse) => {
    const bytes = await buffer(request);
    const { media } = behaviours.of("");
    if (media !== "accept") return void response.writeHead(media.refuse).end();
    const isWhole = createHash("sha256").update(bytes).digest("base64url") === token;
    const directPath = `/v/${randomUUID()}`;
    if (isWhole) files.set(directPath, bytes);
    witness.record({ kind: "media", type, bytes: bytes.length, isWhole });
    response.writeHead(isWhole ? 200 : 415, { "content-type": "application/json" }).end(JSON.stringify(isWhole ? { url: `https://mmg.whatsapp.net${directPath}`, direct_path: directPath } : {}));
  };

  return {
    take(request, response) {
      const [, type, token] = PATH.exec(request.url ?? "") ?? [];
      if (request.method !== "POST" || type === undefined || token === undefined) return false;
      void store(type, token, request, response);
      return true;
    },
    see(message) {
      const [name, part] = Object.entries(PARTS).find(([part]) => message[part as keyof typeof PARTS]) ?? [];
      if (name === undefined || part === undefined) return null;
      const shown = message[name as keyof typeof PARTS] as proto.Message.IDocumentMessage & proto.Message.IAudioMessage;
      const file = opened(files.get(shown.directPath ?? ""), shown, part.keys);
      return {
        kind: shown.ptt ? "voice note" : part.kind,
        contentType: shown.mimetype ?? "",
        fileName: shown.fileName ?? null,
        sha256: createHash("sha256").update(file).digest("hex"),
        bytes: file.length,
        seconds: shown.seconds ?? null,
      };
    },
  };
}

type Shown = Pick<proto.Message.IDocumentMessage, "mediaKey" | "fileEncSha256" | "fileSha256" | "fileLength">;

function opened(encrypted: Buffer | undefined, { mediaKey, fileEncSha256, fileSha256, fileLength }: Shown, keys: string): Buffer {
  if (!encrypted || !mediaKey) throw new Error("the file is not there");
  const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest();
  if (!sha256(encrypted).equals(fileEncSha256 ?? Buffer.alloc(0))) throw new Error("the encrypted file is another than was said");
  const expanded = Buffer.from(hkdfSync("sha256", mediaKey, Buffer.alloc(32), keys, 112));
  const [iv, cipherKey, macKey] = [expanded.subarray(0, 16), expanded.subarray(16, 48), expanded.subarray(48, 80)];
  const [ciphertext, mac] = [encrypted.subarray(0, -10), encrypted.subarray(-10)];
  if (!createHmac("sha256", macKey).update(iv).update(ciphertext).digest().subarray(0, 10).equals(mac)) throw new Error("the file was changed on its way");
  const decipher = createDecipheriv("aes-256-cbc", cipherKey, iv);
  const file = Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  if (!sha256(file).equals(fileSha256 ?? Buffer.alloc(0)) || file.length !== Number(fileLength)) throw new Error("the file is another than was said");
  return file;
}
