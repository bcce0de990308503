// Credentials of a device as they are after it was paired, for tests and benchmarks that need many and no pairing.

import { randomBytes, randomInt } from "node:crypto";
import type { AuthenticationCreds, KeyPair as BaileysKeyPair } from "baileys";
import type { Accounts, PublicPreKey } from "./accounts.ts";
import { lidJid, phoneJid } from "./addresses.ts";
import { keyPair, type KeyPair, type SigningKeyPair, seedOf, signingKeyPair, typed } from "./keys.ts";
import { signedIdentity } from "./linking.ts";

export type LinkedCredentials = {
  readonly creds: AuthenticationCreds;
  /** The private halves of what was uploaded, by id. */
  readonly preKeys: Readonly<Record<string, BaileysKeyPair>>;
  readonly jid: string;
};

/** As many as WhatsApp's clients upload at first. Fewer are made sooner; below 6 the client uploads more when it logs in. */
export const PRE_KEYS = 812;

export function linkCredentials(accounts: Accounts, phone: string, phoneKey: SigningKeyPair, preKeyCount: number): LinkedCredentials {
  const noiseKey = keyPair(randomBytes(32));
  const identityKey = signingKeyPair(randomBytes(32));
  const registrationId = randomInt(1, 1 << 14);
  const signedPreKey = { keyPair: keyPair(randomBytes(32)), keyId: 1 };
  const signature = identityKey.sign(typed(signedPreKey.keyPair.public));
  const keys = { noiseKey: noiseKey.public, identityKey: identityKey.public, registrationId };
  const companion = accounts.link(phone, { ...keys, signedPreKey: { id: 1, publicKey: signedPreKey.keyPair.public, signature } });
  const preKeys = preKeysOf(preKeyCount);
  companion.preKeys = Object.entries(preKeys).map(([id, pair]): PublicPreKey => ({ id: Number(id), publicKey: pair.public }));
  const jid = phoneJid(phone, companion.device);
  const lid = lidJid(phone, companion.device);
  return {
    jid,
    preKeys,
    creds: {
      noiseKey: plain(noiseKey),
      signedIdentityKey: plain(identityKey),
      signedPreKey: { keyPair: plain(signedPreKey.keyPair), signature, keyId: 1 },
      registrationId,
      me: { id: jid, lid, name: "~" },
      account: signedIdentity(phoneKey, companion).account,
      signalIdentities: [{ identifier: { name: lid, deviceId: 0 }, identifierKey: typed(phoneKey.public) }],
      nextPreKeyId: preKeyCount + 1,
      firstUnuploadedPreKeyId: preKeyCount + 1,
      // As after the first login, whose twenty seconds of waiting for a history are of no use here.
      accountSyncCounter: 1,
      registered: true,
      platform: "android",
      pairingEphemeralKeyPair: keyPair(randomBytes(32)),
      advSecretKey: randomBytes(32).toString("base64"),
      processedHistoryMessages: [],
      accountSettings: { unarchiveChats: false },
      pairingCode: undefined,
      lastPropHash: undefined,
      routingInfo: undefined,
    },
  };
}

const preKeys: KeyPair[] = [];

/** The same for all: they are made up, and making them takes longer than everything else. */
function preKeysOf(count: number): Record<string, KeyPair> {
  while (preKeys.length < count) preKeys.push(keyPair(seedOf("pre-key of a linked device", preKeys.length)));
  return Object.fromEntries(preKeys.slice(0, count).map((pair, index) => [String(index + 1), pair]));
}

const plain = ({ public: publicKey, private: privateKey }: KeyPair): KeyPair => ({ public: publicKey, private: privateKey });
