// A WhatsApp of our own, on the loopback interface: it speaks the protocol to the unmodified client, everybody is on it, and whatever it sees stands in
// its witness log. Phone numbers are E.164 without the plus sign, everywhere; an account is named by its number.

import type { Account } from "./accounts.ts";
import type { Behaviour } from "./behaviour.ts";
import type { LinkedCredentials } from "./credentials.ts";
import type { Gate } from "./network.ts";
import type { Reply } from "./replies.ts";
import { startServer } from "./server.ts";
import type { State } from "./state.ts";
import type { Entry, EntryOf, Kind, WaitOptions, Witness } from "./witness.ts";

export type { Behaviour, Entry, EntryOf, Gate, Kind, LinkedCredentials, Reply, State, WaitOptions, Witness };

export type FakeOptions = {
  /** A free one where it is not given. */
  readonly port?: number;
  /** The certificates' keys are made from it: the same seed, the same root key. */
  readonly seed?: string;
  /** The certificates are signed by a root other than `rootKey`, as somebody in between would do it. */
  readonly isForged?: boolean;
  /** False: messages stay encrypted, which saves the time of decrypting them. */
  readonly decrypt?: boolean;
  /** Each entry of the witness log is also appended here, a line of JSON each. */
  readonly logFile?: string;
  /** So many entries are kept in memory, the latest. */
  readonly remembered?: number;
  /** From `FakeWhatsapp.state` of one that was stopped: its accounts are linked to this one. */
  readonly state?: State;
  /** `state` is another than before. */
  readonly changed?: () => void;
};

export interface FakeWhatsapp {
  /** What the client's `waWebSocketUrl` has to be. */
  readonly url: string;
  /** For HTTP: POST /control, GET /witness (see control.ts). */
  readonly controlUrl: string;
  /** By which the client knows the certificates, in hexadecimal. */
  readonly rootKey: string;
  readonly witness: Witness;
  readonly accounts: ReadonlyMap<string, Account>;
  /** Short for `witness.waitFor`. */
  waitFor<K extends Kind>(kind: K, isMeant?: (entry: EntryOf<K>) => boolean, options?: WaitOptions): Promise<EntryOf<K>>;

  /** Somebody scans the QR code that a client shows. Resolves with the device's jid, once it is linked and was told to come back (515). */
  scan(qr: string, phone: string): Promise<string>;
  /** Somebody types in the eight characters that a client shows for this number, or is about to. Rejects where they are others. */
  enterCode(code: string, phone: string): Promise<string>;
  /** Credentials as if they had been paired: what a client needs to log in, with as many one-time keys uploaded as WhatsApp's client does. */
  link(phone: string, options?: { readonly preKeys?: number }): LinkedCredentials;
  /** Somebody unlinks all devices on the phone: each is thrown out with 401, now or at its next login. */
  unlink(account: string): void;

  setAbsent(phone: string, isAbsent?: boolean): void;
  /** The person uses so many devices: its phone and companions. */
  setDevices(phone: string, count: number): void;
  /** Resolves with the message's id, once it is on its way or waits for the device's next login. */
  reply(reply: Reply): Promise<string>;
  deliver(account: string, messageId: string): void;
  read(account: string, messageId: string): void;
  /** The person's devices forget their conversations, so that they cannot read what comes next and ask for it again. Everybody's where no number
   *  is given. */
  forgetConversations(phone?: string): void;

  /** For this account, or for all. Adds to what was set before. */
  behave(behaviour: Partial<Behaviour>, account?: string): void;
  behaveWell(): void;
  /** Strangers may not be written to from now on (463), and the device is told so; `until` null: not any more restricted. */
  restrict(account: string, until: Date | null): void;
  /** To all sockets of the account, which are then closed. 440: replaced; 401: unlinked on the phone. */
  throwStreamError(account: string, code: number): void;
  /** Closes the account's sockets properly, without a word of why. */
  close(account: string): void;
  /** Resets them. */
  destroy(account: string): void;
  /** Nothing is heard of the account and nothing is said to it, and no socket is closed. */
  silence(account: string): void;
  /** What was silent goes on: what was sent in the meantime arrives now, unless its connection was reset. */
  resume(account: string): void;
  /** What new connections meet. */
  setGate(gate: Gate): void;
  /** Resets everything and lets nobody in until `setGate("open")`. */
  cutAll(): void;

  /** What has to be kept for these devices to stay linked. */
  readonly state: () => State;
  /** Safe to call twice. */
  stop(): Promise<void>;
}

export function createFakeWhatsapp(options: FakeOptions = {}): Promise<FakeWhatsapp> {
  return startServer(options);
}
