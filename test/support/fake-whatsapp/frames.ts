// What travels in a WebSocket's messages: an introduction once, then frames, each with its length in three bytes. A message may hold half a frame or
// several.

import { INTRO } from "./noise.ts";

/** In front of the introduction where the client was once told over which edge to come. */
const ROUTING = Buffer.from("ED", "latin1");
const ROUTING_HEADER_BYTES = 7;
const LENGTH_BYTES = 3;

export function frame(content: Uint8Array): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUIntBE(content.length, 0, LENGTH_BYTES);
  return Buffer.concat([length, content]);
}

export interface FrameReader {
  /** The frames that are whole now. Throws where no client of WhatsApp is talking. */
  take(bytes: Buffer): Buffer[];
}

export function createFrameReader(): FrameReader {
  let rest: Buffer = Buffer.alloc(0);
  let isIntroduced = false;

  const introduced = () => {
    if (isIntroduced) return true;
    const skipped = routingBytes(rest);
    if (skipped === undefined || rest.length < skipped + INTRO.length) return false;
    if (!rest.subarray(skipped, skipped + INTRO.length).equals(INTRO)) throw new Error("not the introduction of a WhatsApp client");
    rest = rest.subarray(skipped + INTRO.length);
    isIntroduced = true;
    return true;
  };

  return {
    take(bytes) {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      const frames: Buffer[] = [];
      while (introduced() && rest.length >= LENGTH_BYTES) {
        const end = LENGTH_BYTES + rest.readUIntBE(0, LENGTH_BYTES);
        if (rest.length < end) break;
        frames.push(rest.subarray(LENGTH_BYTES, end));
        rest = rest.subarray(end);
      }
      return frames;
    },
  };
}

/** How many bytes of routing stand in front; undefined where that is not known yet. */
function routingBytes(bytes: Buffer): number | undefined {
  if (bytes.length < ROUTING.length) return undefined;
  if (!bytes.subarray(0, ROUTING.length).equals(ROUTING)) return 0;
  return bytes.length < ROUTING_HEADER_BYTES ? undefined : ROUTING_HEADER_BYTES + bytes.readUIntBE(4, 3);
}
