// What was received, from where it was committed with its key to the replies of people. What a process leaves here when it dies, the device's next holder
// works in.

import { isLidUser, isPnUser, jidDecode } from "baileys";
import { retrying } from "../../db/transaction.ts";
import { type Clock, SECOND_MS } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import { createLoop } from "../../lib/loop.ts";
import type { IncomingReply } from "../transport.ts";
import type { AuthStore, Waiting } from "./auth-store.ts";
import type { DeviceStore } from "./device-store.ts";
import type { InboxEntry } from "./inbox-entry.ts";
import { messageText } from "./message-text.ts";

/** Writes them down, and does what follows from them, at most once each. Tells of each, in their order, under which id it is kept and what it is to be
 *  answered with; null where with nothing. */
export type RecordReplies = (replies: readonly IncomingReply[]) => Promise<readonly { readonly replyId: string; readonly confirmation: string | null }[]>;

export type Answer = { readonly replyId: string; readonly deviceId: string; readonly phone: string; readonly text: string };

export type InboxOptions = {
  readonly authStore: AuthStore;
  readonly recordReplies: RecordReplies;
  readonly answer: (answer: Answer) => void;
  /** Of a device that is open here. */
  readonly storeOf: (deviceId: string) => DeviceStore | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
};

export interface Inbox {
  /** Something has come for a device of node `nodeId`, or may have been left by the holder before. */
  wake(nodeId: string): void;
  start(): void;
  stop(): Promise<void>;
}

const BATCH = 500;
const INTERVAL_MS = 5 * SECOND_MS;

export function createInbox({ authStore, recordReplies, answer, storeOf, clock, logger }: InboxOptions): Inbox {
  let nodeId: string | undefined;

  const replyOf = async ({ workspaceId, deviceId, entry, receivedAt }: Waiting): Promise<IncomingReply | null> => {
    const text = entry && messageText(entry.plaintext);
    if (entry === null || text === null) return null;
    const phone = await phoneOf(entry, storeOf(deviceId));
    const sentAt = Number.isFinite(entry.sentAt) && entry.sentAt > 0 ? new Date(entry.sentAt * SECOND_MS) : receivedAt;
    return { workspaceId, deviceId, messageId: entry.messageId, phone, text, at: sentAt < receivedAt ? sentAt : receivedAt };
  };

  /** Undefined where nothing is left that opens. What does not is kept: a key that was taken away too early can be brought back. */
  const take = async (holder: string): Promise<Waiting[] | undefined> => {
    const waiting = await authStore.takeInbox(holder, BATCH);
    const readable = waiting.filter(({ entry }) => entry !== null);
    if (readable.length < waiting.length) logger.error({ count: waiting.length - readable.length }, "what was received does not open with the present encryption keys, and waits");
    return readable.length > 0 ? readable : undefined;
  };

  const cycle = async () => {
    if (nodeId === undefined) return;
    for (let waiting = await take(nodeId); waiting; waiting = await take(nodeId)) {
      const replies = (await Promise.all(waiting.map(replyOf))).filter((reply) => reply !== null);
      const recorded = replies.length > 0 ? await retrying(() => recordReplies(replies)) : [];
      // After that: who dies here works them in again, and they are known by their ids.
      await authStore.removeInbox(waiting.map(({ id }) => id));
      for (const [index, { replyId, confirmation }] of recorded.entries()) {
        const reply = replies[index];
        if (confirmation !== null && reply?.phone) answer({ replyId, deviceId: reply.deviceId, phone: reply.phone, text: confirmation });
      }
    }
  };

  const loop = createLoop({ cycle, intervalMs: INTERVAL_MS, clock, onError: (error) => logger.error({ err: error }, "what was received could not be worked in, to be tried again") });
  return {
    wake(id) {
      nodeId = id;
      loop.wake();
    },
    start: loop.start,
    stop: loop.stop,
  };
}

/** By the number itself, by the other name that the message came with, or by what is known of the hidden id from writing to that person. */
async function phoneOf({ from, alternate }: InboxEntry, store: DeviceStore | undefined): Promise<string | null> {
  const named = [from, alternate].find((jid) => jid !== null && isPnUser(jid));
  if (named) return jidDecode(named)?.user ?? null;
  const lid = [from, alternate].find((jid) => jid !== null && isLidUser(jid));
  const name = lid && `${jidDecode(lid)?.user}_reverse`;
  if (!name || store === undefined) return null;
  return (await store.keys.get("lid-mapping", [name]))[name] ?? null;
}
