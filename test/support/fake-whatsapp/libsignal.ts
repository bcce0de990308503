// libsignal, in the copy that Baileys uses: it is no dependency of ours.

import { createRequire } from "node:module";

export type SignalKeyPair = { readonly privKey: Buffer; readonly pubKey: Buffer };

/** As it is written down. */
export type StoredRecord = { readonly _sessions: Readonly<Record<string, { readonly indexInfo: { readonly used: number; readonly closed: number } }>> };
export type Session = { readonly indexInfo: { used: number } };
export type SessionRecord = { readonly sessions: Readonly<Record<string, Session>>; serialize(): StoredRecord };

export type SignalStorage = {
  loadSession(address: string): Promise<SessionRecord | undefined>;
  storeSession(address: string, record: SessionRecord): Promise<void>;
  isTrustedIdentity(): boolean;
  loadPreKey(id: number): Promise<SignalKeyPair>;
  removePreKey(id: number): void;
  loadSignedPreKey(): SignalKeyPair;
  getOurRegistrationId(): number;
  getOurIdentity(): SignalKeyPair;
};

export type SignalBundle = {
  readonly registrationId: number;
  readonly identityKey: Buffer;
  readonly signedPreKey: { readonly keyId: number; readonly publicKey: Buffer; readonly signature: Buffer };
  readonly preKey: { readonly keyId: number; readonly publicKey: Buffer } | undefined;
};

type Address = { toString(): string };

type Cipher = {
  /** 3: the first of a conversation. */
  encrypt(plaintext: Buffer): Promise<{ readonly type: 1 | 3; readonly body: Buffer }>;
  decryptPreKeyWhisperMessage(bytes: Buffer): Promise<Buffer>;
  doDecryptWhisperMessage(bytes: Buffer, session: Session | undefined): Promise<Buffer>;
};

type Libsignal = {
  readonly ProtocolAddress: new (name: string, device: number) => Address;
  readonly SessionCipher: new (storage: SignalStorage, address: Address) => Cipher;
  readonly SessionBuilder: new (storage: SignalStorage, address: Address) => { initOutgoing(bundle: SignalBundle): Promise<void> };
  readonly SessionRecord: { deserialize(stored: StoredRecord): SessionRecord };
};

export const libsignal: Libsignal = createRequire(createRequire(import.meta.url).resolve("baileys"))("libsignal");
