// A person's phone, as far as Signal goes: it hands out keys, decrypts what devices send it, and encrypts what it answers. Keys are made from its
// name, its conversations live in memory.

import { randomInt } from "node:crypto";
import { proto } from "baileys";
import { keyPair, type KeyPair, seedOf, type SigningKeyPair, signingKeyPair, typed } from "./keys.ts";
import { libsignal, type SignalBundle, type SignalKeyPair, type SignalStorage, type StoredRecord } from "./libsignal.ts";

export type Bundle = {
  readonly registrationId: number;
  readonly identityKey: Buffer;
  readonly signedPreKey: { readonly id: number; readonly publicKey: Buffer; readonly signature: Buffer };
  readonly preKey: { readonly id: number; readonly publicKey: Buffer } | undefined;
};

export type Ciphertext = { readonly type: "pkmsg" | "msg"; readonly bytes: Buffer };

export interface SignalDevice {
  readonly identity: SigningKeyPair;
  readonly registrationId: number;
  /** With a one-time key that was in no bundle before. */
  bundle(): Bundle;
  /** Rejects where it cannot be decrypted, and then all is as if it had never come. */
  decrypt(from: string, type: string, bytes: Buffer): Promise<Buffer>;
  /** `bundle` is asked for only where there is no conversation yet. */
  encrypt(to: string, plaintext: Buffer, bundle: () => Bundle): Promise<Ciphertext>;
  /** Forgets its conversation with this device, or all of them, as a phone does that was set up anew from a backup. */
  forget(device?: string): void;
}

const SIGNED_PRE_KEY_ID = 1;
/** Closed conversations that are kept: a message may have been under way when a new one began. */
const KEPT_SESSIONS = 4;

export function createSignalDevice(...name: readonly (string | number)[]): SignalDevice {
  // Made when they are needed: of most people a benchmark asks nothing twice.
  const identity = once(() => signingKeyPair(seedOf(...name, "identity")));
  const registrationId = 1 + (seedOf(...name, "registration").readUInt16BE() & 0x3ffe);
  const signedPreKey = once(() => keyPair(seedOf(...name, "signed pre-key")));
  const signature = once(() => identity().sign(typed(signedPreKey().public)));
  const preKey = (id: number): KeyPair => keyPair(seedOf(...name, "pre-key", id));
  const conversations = new Map<string, StoredRecord>();
  const turns = new Map<string, Promise<void>>();

  const storage = storageOf({ identity, registrationId, signedPreKey, preKey, conversations });
  const cipherFor = (device: string) => new libsignal.SessionCipher(storage, addressOf(device));

  // Whatever reads a conversation and writes it back has to be alone with it.
  const inTurn = <T>(device: string, task: () => Promise<T>): Promise<T> => {
    const result = (turns.get(device) ?? Promise.resolve()).then(task);
    const ended = result.then(nothing, nothing);
    turns.set(device, ended);
    void ended.then(() => turns.get(device) === ended && turns.delete(device));
    return result;
  };

  return {
    get identity() {
      return identity();
    },
    registrationId,
    bundle() {
      const id = randomInt(1, 1 << 24);
      return {
        registrationId,
        identityKey: identity().public,
        signedPreKey: { id: SIGNED_PRE_KEY_ID, publicKey: signedPreKey().public, signature: signature() },
        preKey: { id, publicKey: preKey(id).public },
      };
    },
    decrypt: (from, type, bytes) =>
      inTurn(from, () => {
        if (type === "msg") return decryptInAny(conversations, storage, from, bytes);
        archive(conversations, from, bytes);
        return cipherFor(from).decryptPreKeyWhisperMessage(bytes);
      }),
    encrypt: (to, plaintext, bundle) =>
      inTurn(to, async () => {
        if (!conversations.has(keyOf(to))) await new libsignal.SessionBuilder(storage, addressOf(to)).initOutgoing(forLibsignal(bundle()));
        const { type, body } = await cipherFor(to).encrypt(plaintext);
        return { type: type === 3 ? "pkmsg" : "msg", bytes: Buffer.from(body) };
      }),
    forget: (device) => void (device === undefined ? conversations.clear() : conversations.delete(keyOf(device))),
  };
}

const nothing = () => {};

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

const addressOf = (device: string) => new libsignal.ProtocolAddress(device, 0);
const keyOf = (device: string) => addressOf(device).toString();

type Keys = {
  readonly identity: () => KeyPair;
  readonly registrationId: number;
  readonly signedPreKey: () => KeyPair;
  readonly preKey: (id: number) => KeyPair;
  readonly conversations: Map<string, StoredRecord>;
};

function storageOf({ identity, registrationId, signedPreKey, preKey, conversations }: Keys): SignalStorage {
  const forSignal = (pair: KeyPair): SignalKeyPair => ({ privKey: pair.private, pubKey: typed(pair.public) });
  return {
    loadSession(key) {
      const stored = conversations.get(key);
      return Promise.resolve(stored && libsignal.SessionRecord.deserialize(stored));
    },
    storeSession: (key, record) => Promise.resolve(void conversations.set(key, record.serialize())),
    isTrustedIdentity: () => true,
    loadPreKey: (id) => Promise.resolve(forSignal(preKey(id))),
    removePreKey: nothing,
    loadSignedPreKey: () => forSignal(signedPreKey()),
    getOurRegistrationId: () => registrationId,
    getOurIdentity: () => forSignal(identity()),
  };
}

const latestFirst = ({ _sessions }: StoredRecord) => Object.entries(_sessions).toSorted(([, a], [, b]) => b.indexInfo.used - a.indexInfo.used);

/** libsignal would do the same, and print the keys of each session that does not fit. */
async function decryptInAny(conversations: Map<string, StoredRecord>, storage: SignalStorage, from: string, bytes: Buffer): Promise<Buffer> {
  const stored = conversations.get(keyOf(from));
  if (!stored) throw new Error("no session");
  const cipher = new libsignal.SessionCipher(storage, addressOf(from));
  for (const [baseKey] of latestFirst(stored)) {
    // Each attempt has a copy of its own: one that fails has already moved the ratchet.
    const record = libsignal.SessionRecord.deserialize(stored);
    const session = record.sessions[baseKey];
    const plaintext = await cipher.doDecryptWhisperMessage(bytes, session).catch(nothing);
    if (!plaintext || !session) continue;
    session.indexInfo.used = Date.now();
    await storage.storeSession(keyOf(from), record);
    return plaintext;
  }
  throw new Error("no session fits");
}

/** Closes what another conversation than this message's replaces. libsignal would do it too, and print the keys. */
function archive(conversations: Map<string, StoredRecord>, from: string, preKeyMessage: Buffer): void {
  // The version's byte stands in front.
  const { baseKey } = proto.PreKeySignalMessage.decode(preKeyMessage.subarray(1));
  const stored = conversations.get(keyOf(from));
  if (!stored || stored._sessions[Buffer.from(baseKey ?? []).toString("base64")]) return;
  const now = Date.now();
  const closed = latestFirst(stored).slice(0, KEPT_SESSIONS).map(([key, session]) => [key, { ...session, indexInfo: { ...session.indexInfo, closed: now } }]);
  conversations.set(keyOf(from), { ...stored, _sessions: Object.fromEntries(closed) });
}

function forLibsignal({ registrationId, identityKey, signedPreKey, preKey }: Bundle): SignalBundle {
  return {
    registrationId,
    identityKey: typed(identityKey),
    signedPreKey: { keyId: signedPreKey.id, publicKey: typed(signedPreKey.publicKey), signature: signedPreKey.signature },
    preKey: preKey && { keyId: preKey.id, publicKey: typed(preKey.publicKey) },
  };
}
