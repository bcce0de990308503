// One side of a conversation as plain libsignal has it, its sessions in memory.

import { createRequire } from "node:module";

const load = createRequire(import.meta.url);
const { keyhelper, curve, ProtocolAddress, SessionBuilder, SessionCipher, SessionRecord } = load("libsignal");

// The types that come with it leave out most of this.
type Pair = { readonly pubKey: Buffer; readonly privKey: Buffer };
type Bundle = { readonly registrationId: number; readonly identityKey: Buffer; readonly signedPreKey: object; readonly preKey: object };

export type SignalParty = {
  /** What is stored of its sessions with `address`. */
  record(address: string): { _sessions: Record<string, never>; version: string } | undefined;
  /** Puts it in the place of what is stored. */
  keep(address: string, record: unknown): void;
  bundle(): Bundle;
  begin(address: string, bundle: Bundle): Promise<void>;
  encrypt(address: string, text: string): Promise<{ type: "pkmsg" | "msg"; ciphertext: Buffer }>;
  decrypt(address: string, message: { type: "pkmsg" | "msg"; ciphertext: Buffer }): Promise<string>;
};

export function createSignalParty(): SignalParty {
  const identity: Pair = curve.generateKeyPair();
  const signed = keyhelper.generateSignedPreKey(identity, 1);
  const preKeys = new Map<number, Pair>();
  const records = new Map<string, string>();
  const storage = {
    loadSession: async (name: string) => (records.has(name) ? SessionRecord.deserialize(JSON.parse(records.get(name) ?? "")) : undefined),
    storeSession: async (name: string, record: { serialize(): unknown }) => void records.set(name, JSON.stringify(record.serialize())),
    isTrustedIdentity: () => true,
    loadPreKey: async (id: number) => preKeys.get(id),
    removePreKey: async () => {},
    loadSignedPreKey: () => signed.keyPair,
    getOurRegistrationId: () => 7,
    getOurIdentity: () => identity,
  };
  const cipher = (address: string) => new SessionCipher(storage, new ProtocolAddress(address, 0));
  return {
    record: (address) => (records.has(`${address}.0`) ? JSON.parse(records.get(`${address}.0`) ?? "") : undefined),
    keep: (address, record) => void records.set(`${address}.0`, JSON.stringify(record)),
    bundle() {
      const id = preKeys.size + 1;
      preKeys.set(id, curve.generateKeyPair());
      return {
        registrationId: 7,
        identityKey: identity.pubKey,
        signedPreKey: { keyId: 1, publicKey: signed.keyPair.pubKey, signature: signed.signature },
        preKey: { keyId: id, publicKey: preKeys.get(id)?.pubKey },
      };
    },
    begin: (address, bundle) => new SessionBuilder(storage, new ProtocolAddress(address, 0)).initOutgoing(bundle),
    async encrypt(address, text) {
      const { type, body } = await cipher(address).encrypt(Buffer.from(text));
      return { type: type === 3 ? "pkmsg" : "msg", ciphertext: Buffer.from(body) };
    },
    async decrypt(address, { type, ciphertext }) {
      const plain: Buffer = await (type === "pkmsg" ? cipher(address).decryptPreKeyWhisperMessage(ciphertext) : cipher(address).decryptWhisperMessage(ciphertext));
      return plain.toString();
    },
  };
}
