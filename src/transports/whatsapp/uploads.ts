// Media of WhatsApp messages: encrypted and uploaded by each device for its own recipients, once for all of them, and before the message that shows them is
// attempted.

import type { proto } from "baileys";
import { LRUCache } from "lru-cache";
import { type Clock, HOUR_MS, SECOND_MS } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import { createPlaces } from "../../lib/places.ts";
import { type OutgoingMedia, type Preparation, PREPARATION_MS } from "../transport.ts";

/** What a recipient needs to fetch it: the message without its caption, some 700 bytes. */
export type UploadedMedia = proto.IMessage;

export interface MediaConnection {
  isOpen(): boolean;
  upload(media: OutgoingMedia, bytes: Buffer): Promise<UploadedMedia>;
}

export interface Uploads {
  /** Ends at once where `signal` aborts; the upload itself goes on, for the next message. */
  prepare(deviceId: string, media: OutgoingMedia, connection: MediaConnection, signal: AbortSignal): Promise<Preparation>;
}

export type UploadsOptions = {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The file; null where there is none any more. Rejects where it cannot be read now. */
  readonly contentOf: (mediaId: string) => Promise<Buffer | null>;
};

/** WhatsApp keeps what was uploaded for weeks. Uploaded anew well before that, and after each start. */
const GOOD_FOR_MS = 12 * HOUR_MS;
const MOST_KEPT = 20_000;

/** Each has its file in memory, up to 16 MB, and the encrypted one on disk. */
const AT_ONCE = 8;

const TRIES = 2;
const RETRY_MS = 2 * SECOND_MS;

const LATER: Preparation = { kind: "later" };

export function createUploads({ clock, logger, contentOf }: UploadsOptions): Uploads {
  const ready = new LRUCache<string, UploadedMedia>({ max: MOST_KEPT, ttl: GOOD_FOR_MS, perf: { now: () => clock.monotonic() } });
  const running = new Map<string, Promise<Preparation>>();
  const places = createPlaces<() => void>(AT_ONCE, (enter) => enter());
  const wait = (ms: number) => new Promise<void>((resolve) => void clock.setTimeout(resolve, ms));

  const upload = async (key: string, media: OutgoingMedia, connection: MediaConnection): Promise<Preparation> => {
    let bytes: Buffer | null;
    try {
      bytes = await contentOf(media.id);
    } catch (error) {
      logger.warn({ err: error, mediaId: media.id }, "media could not be read from the database, to be tried again");
      return LATER;
    }
    if (bytes === null) return { kind: "failed", message: "The file that was to be sent with it is gone from the database." };
    for (let attempt = 1; connection.isOpen(); attempt++) {
      try {
        const content = await connection.upload(media, bytes);
        ready.set(key, content);
        return { kind: "ready", media: { media, content } };
      } catch (error) {
                logger.warn({ err: error, mediaId: media.id }, "media could not be uploaded to WhatsApp");
        if (attempt === TRIES) return { kind: "failed", message: "WhatsApp's media servers did not take the file. Have it tried again with retryFlow." };
        await wait(RETRY_MS);
      }
    }
    return LATER;
  };

  const begin = async (key: string, media: OutgoingMedia, connection: MediaConnection): Promise<Preparation> => {
    await new Promise<void>((resolve) => places.enter(resolve));
    try {
      return connection.isOpen() ? await upload(key, media, connection) : LATER;
    } finally {
      places.leave();
      running.delete(key);
    }
  };

  return {
    async prepare(deviceId, media, connection, signal) {
      const key = `${deviceId} ${media.id}`;
      const content = ready.get(key);
      if (content) return { kind: "ready", media: { media, content } };
      const work = running.get(key) ?? begin(key, media, connection);
      running.set(key, work);
      return inTime(work, clock, signal);
    },
  };
}

/** What is not ready in time will be for the next message. */
function inTime(work: Promise<Preparation>, clock: Clock, signal: AbortSignal): Promise<Preparation> {
  return new Promise((resolve) => {
    const end = (preparation: Preparation) => {
      timer.cancel();
      signal.removeEventListener("abort", giveUp);
      resolve(preparation);
    };
    const giveUp = () => end(LATER);
    const timer = clock.setTimeout(giveUp, PREPARATION_MS);
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    void work.then(end);
  });
}
