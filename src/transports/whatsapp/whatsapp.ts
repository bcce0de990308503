// The transport whose devices are linked WhatsApp accounts.

import { initAuthCreds, type proto } from "baileys";
import type pg from "pg";
import type { MessageIds } from "../../flows/message-id.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import type { Sealer } from "../../lib/sealing.ts";
import { outgoingMedia } from "../../media/outgoing.ts";
import type { OutgoingMedia, SessionDevice, SessionListener, Transport } from "../transport.ts";
import type { AuthStore } from "./auth-store.ts";
import { createCaches } from "./caches.ts";
import { createConnectGate } from "./connect-gate.ts";
import { openConnection, type Written } from "./connection.ts";
import { createAnswering, type OpenDevice } from "./answering.ts";
import { createDeviceStore } from "./device-store.ts";
import { createInbox, type RecordReplies } from "./inbox.ts";
import { createNumbers } from "./numbers.ts";
import { createReconnecting } from "./reconnecting.ts";
import { openSession } from "./session.ts";
import { createUploads } from "./uploads.ts";

export type WhatsappOptions = {
  readonly url: URL;
  readonly pool: pg.Pool;
  readonly sealer: Sealer;
  readonly authStore: AuthStore;
  readonly messageIds: MessageIds;
  readonly recordReplies: RecordReplies;
  /** A file that is sent with messages; null where there is none any more. */
  readonly contentOf: (mediaId: string) => Promise<Buffer | null>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The codes that are shown for pairing have changed. */
  readonly onPairing: () => void;
};

export interface Whatsapp extends Transport {
  /** Works what was received into replies, until it is stopped. */
  start(): void;
  /** Forgets what it remembers of people's numbers: somebody was erased. What is asked for next is read, or looked up, anew. */
  forgetPeople(): void;
  stop(): Promise<void>;
}

export function createWhatsapp(options: WhatsappOptions): Whatsapp {
  const { url, pool, clock, random, logger, messageIds } = options;
  const caches = createCaches();
  const numbers = createNumbers({ pool, clock });
  const uploads = createUploads(options);
  const gate = createConnectGate(clock);
  const devices = new Map<string, OpenDevice>();
  const answer = createAnswering({ pool, clock, logger, messageIds, deviceOf: (deviceId) => devices.get(deviceId) });
  const inbox = createInbox({ ...options, answer, storeOf: (deviceId) => devices.get(deviceId)?.store });
  let halted: string | null = null;

  const halt = (reason: string) => {
    if (halted === null) logger.error({ reason }, "no WhatsApp device of this process connects any more");
    halted = reason;
  };

  const messageOf = async (deviceId: string, messageId: string): Promise<Written | null> => {
    const flowId = messageIds.flowIdOf(messageId);
    if (flowId === null) return null;
    // Who has opted out since is not served again.
    const { rows } = await pool.query<{ text: string | null; media: OutgoingMedia | null }>(
      `SELECT f.text, ${outgoingMedia("f.media_id")} FROM flows f JOIN leads l ON l.id = f.lead_id WHERE f.id = $1 AND f.device_id = $2 AND l.opted_out_at IS NULL`,
      [flowId, deviceId],
    );
    const { text = null, media = null } = rows[0] ?? {};
    if (text === null) return null;
    if (media === null) return { text, uploaded: null };
    const prepared = await devices.get(deviceId)?.session.prepare(media);
    return prepared?.kind === "ready" ? { text, uploaded: prepared.media.content as proto.IMessage } : null;
  };

  const open = (device: () => SessionDevice, listener: SessionListener) => {
    const { id, nodeId } = device();
    const store = createDeviceStore({ ...options, device: device(), onReceived: () => inbox.wake(nodeId) });
    const session = openSession({
      device,
      listener,
      store,
      numbers,
      uploads,
      clock,
      logger,
      newCredentials: initAuthCreds,
      connect: (creds, handlers) => openConnection({ url, creds, keys: store.keys, caches, messageOf: (messageId) => messageOf(id, messageId), handlers }),
      createReconnecting: (connect) => createReconnecting({ clock, random, gate, connect }),
      halted: () => halted,
      halt,
    });
    const opened: OpenDevice = { nodeId, store, session, listener };
    devices.set(id, opened);
    inbox.wake(nodeId);
    return {
      ...session,
      async close() {
        await session.close();
        if (devices.get(id) === opened) devices.delete(id);
      },
    };
  };

  const forgetPeople = () => {
    numbers.clear();
    void caches.userDevicesCache.flushAll();
  };

  return { open, start: inbox.start, stop: inbox.stop, forgetPeople };
}
