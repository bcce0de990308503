// What the server has seen and done, in order and by its own clock, which no other process can set. Entries are only ever added.

import { createWriteStream, type WriteStream } from "node:fs";
import { once } from "node:events";
import type { SeenMedia } from "./media.ts";

/** Numbers are E.164 without the plus sign. `account` is the number of a linked device's owner, `device` the device's jid. */
export type Sight =
  | { readonly kind: "connected"; readonly connection: number }
  /** `alive`: other sockets of the same device that live at this moment. Each of them is then thrown out as replaced. */
  | { readonly kind: "login"; readonly connection: number; readonly account: string; readonly device: string; readonly alive: readonly number[] }
  | { readonly kind: "registration"; readonly connection: number }
  /** A client shows a code of eight characters, for this number. */
  | { readonly kind: "code shown"; readonly connection: number; readonly account: string }
  | { readonly kind: "paired"; readonly connection: number; readonly account: string; readonly device: string; readonly by: "qr" | "code" }
  | { readonly kind: "unlinked"; readonly account: string; readonly device: string; readonly by: "phone" | "device" }
  /** A login that was answered with a failure. */
  | { readonly kind: "failure"; readonly connection: number; readonly account: string; readonly device: string; readonly code: number }
  | { readonly kind: "stream error"; readonly connection: number; readonly account: string | null; readonly code: number }
  | { readonly kind: "disconnected"; readonly connection: number; readonly account: string | null; readonly device: string | null; readonly reason: string }
  | Message
  /** The server's word on a message; `error` is null where it took it. */
  | { readonly kind: "ack"; readonly connection: number; readonly account: string; readonly messageId: string; readonly phone: string; readonly error: number | null }
  | { readonly kind: "receipt"; readonly account: string; readonly messageId: string; readonly phone: string; readonly type: ReceiptType }
  /** A person wrote. */
  | { readonly kind: "reply"; readonly account: string; readonly messageId: string; readonly phone: string; readonly from: "pn" | "lid"; readonly text: string }
  /** The device confirmed a message that it was sent. */
  | { readonly kind: "confirmed"; readonly account: string; readonly messageId: string; readonly type: string }
  /** The device asked who is on WhatsApp (`contact`) or which devices somebody has (`devices`). */
  | { readonly kind: "lookup"; readonly connection: number; readonly account: string; readonly of: "contact" | "devices"; readonly phones: readonly string[] }
  /** The device uploaded so many one-time keys. */
  | { readonly kind: "uploaded"; readonly connection: number; readonly account: string; readonly count: number }
  /** The device asked for keys, to begin conversations with. */
  | { readonly kind: "keys"; readonly connection: number; readonly account: string; readonly phones: readonly string[] }
  /** A device uploaded a file, encrypted; `isWhole` where it is what it was said to be. */
  | { readonly kind: "media"; readonly type: string; readonly bytes: number; readonly isWhole: boolean }
  /** A query that this server does not know, and answered with nothing. */
  | { readonly kind: "unknown query"; readonly connection: number; readonly account: string | null; readonly query: string };

export type ReceiptType = "delivered" | "read" | "retry";

/** A device sent a message to a person. */
export type Message = {
  readonly kind: "message";
  readonly connection: number;
  readonly account: string;
  readonly device: string;
  readonly messageId: string;
  readonly phone: string;
  /** How its copy for the person is encrypted: `pkmsg` as long as the person has never answered. */
  readonly type: string;
  /** As the person reads it; null where it could not or should not be decrypted, and `undecrypted` says why. */
  readonly text: string | null;
  /** The file that it shows. */
  readonly media: SeenMedia | null;
  readonly undecrypted: string | null;
  /** How often the person's devices had asked for it again. */
  readonly retries: number;
  /** With which code the server refused it: the person never reads it. Null where the server took it. */
  readonly error: number | null;
};

export type Entry = Sight & {
  readonly number: number;
  /** ms since the epoch. */
  readonly at: number;
};

export type Kind = Sight["kind"];
export type EntryOf<K extends Kind> = Extract<Entry, { readonly kind: K }>;

export type WaitOptions = {
  /** Only entries after this one count. */
  readonly after?: number;
  readonly withinMs?: number;
};

export interface Witness {
  readonly entries: readonly Entry[];
  record(sight: Sight): void;
  of<K extends Kind>(kind: K): EntryOf<K>[];
  /** The first entry of this kind that `isMeant` says yes to, be it there already or yet to come. */
  waitFor<K extends Kind>(kind: K, isMeant?: (entry: EntryOf<K>) => boolean, options?: WaitOptions): Promise<EntryOf<K>>;
  /** Hears of each entry from now on, until the returned function is called. */
  follow(listener: (entry: Entry) => void): () => void;
  close(): Promise<void>;
}

const WITHIN_MS = 15_000;

const witnessNow = (): number => performance.timeOrigin + performance.now();

/** `remembered`: how many entries are kept in memory, the latest; in `logFile` are all of them, a line of JSON each. */
export function createWitness({ logFile, remembered = Infinity }: { logFile?: string | undefined; remembered?: number | undefined } = {}): Witness {
  const entries: Entry[] = [];
  const listeners = new Set<(entry: Entry) => void>();
  const file: WriteStream | undefined = logFile === undefined ? undefined : createWriteStream(logFile, { flags: "a" });
  let last = 0;

  const follow: Witness["follow"] = (listener) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };

  return {
    entries,
    record(sight) {
      const entry: Entry = { number: ++last, at: witnessNow(), ...sight };
      entries.push(entry);
      // A tenth at a time: taking one off the front for each that comes would move all of them each time.
      if (entries.length > remembered * 1.1) entries.splice(0, entries.length - remembered);
      file?.write(`${JSON.stringify(entry)}\n`);
      for (const listener of listeners) listener(entry);
    },
    of: <K extends Kind>(kind: K) => entries.filter((entry): entry is EntryOf<K> => entry.kind === kind),
    waitFor<K extends Kind>(kind: K, isMeant: (entry: EntryOf<K>) => boolean = () => true, { after = 0, withinMs = WITHIN_MS }: WaitOptions = {}) {
      const isIt = (entry: Entry): entry is EntryOf<K> => entry.number > after && entry.kind === kind && isMeant(entry as EntryOf<K>);
      const there = entries.find(isIt);
      if (there) return Promise.resolve(there);
      return new Promise<EntryOf<K>>((resolve, reject) => {
        const unfollow = follow((entry) => {
          if (!isIt(entry)) return;
          clearTimeout(timer);
          unfollow();
          resolve(entry);
        });
        const timer = setTimeout(() => {
          unfollow();
          reject(new Error(`the fake WhatsApp has seen no such "${kind}" within ${withinMs} ms; the latest: ${JSON.stringify(entries.slice(-10))}`));
        }, withinMs);
      });
    },
    follow,
    async close() {
      if (!file) return;
      file.end();
      await once(file, "close");
    },
  };
}
