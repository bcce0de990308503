// libsignal's own modules, in the copy that Baileys uses. Changed in place, in properties that it looks up with each call, so that it does not matter whether
// Baileys has been loaded before.

import { createRequire } from "node:module";
import { dirname } from "node:path";

export type Curve = {
  verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array, isInit?: boolean): boolean;
};

export type Curve25519 = { verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean };

export type SignalCrypto = {
  calculateMAC(key: Buffer, data: Uint8Array): Buffer;
  deriveSecrets(input: Buffer, salt: Buffer, info: Buffer, chunks?: number): Buffer[];
  encrypt(key: Buffer, data: Buffer, iv: Buffer): Buffer;
  decrypt(key: Buffer, data: Buffer, iv: Buffer): Buffer;
};

type Address = { toString(): string };

/** As far as it is called here. */
export type Storage = { loadSession(address: string): Promise<unknown>; storeSession(address: string, record: unknown): Promise<void> };

export type Session = { serialize(): unknown; pendingPreKey?: unknown };

export type Decrypted = { readonly session: Session; readonly plaintext: Buffer };

export type CipherClass = {
  readonly prototype: {
    addr: Address;
    storage: Storage;
    queueJob<T>(work: () => Promise<T>): Promise<T>;
    decryptWithSessions(data: Buffer, sessions: readonly Session[]): Promise<Decrypted>;
  };
};

export type BuilderClass = {
  new (storage: Storage, address: Address): BuilderClass["prototype"];
  readonly prototype: { addr: Address; storage: Storage; initOutgoing(bundle: unknown): Promise<void> };
};

export type RecordClass = { createEntry(): { constructor: { deserialize(serialized: unknown): Session } } };

const ofBaileys = createRequire(createRequire(import.meta.url).resolve("baileys"));
const index = ofBaileys.resolve("libsignal");
const ofLibsignal = createRequire(index);

export const LIBSIGNAL_FOLDER: string = dirname(index);

export const curve: Curve = ofLibsignal("./src/curve.js");
export const curve25519: Curve25519 = ofLibsignal("curve25519-js");
export const signalCrypto: SignalCrypto = ofLibsignal("./src/crypto.js");
export const Cipher: CipherClass = ofLibsignal("./src/session_cipher.js");
export const Builder: BuilderClass = ofLibsignal("./src/session_builder.js");
export const SessionRecord: RecordClass = ofLibsignal("./src/session_record.js");
