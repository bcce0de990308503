// Makes libsignal print all that it can: a session that is replaced, one that is closed twice, a message that does not fit, a key without its type.

import { createRequire } from "node:module";

const load = createRequire(import.meta.url);
const { curve, ProtocolAddress, SessionCipher, SessionRecord } = load("libsignal");
const buffer = Buffer.alloc(33, 5);

const record = new SessionRecord();
for (const used of [1, 2]) {
  const session = SessionRecord.createEntry();
  session.indexInfo = { baseKey: Buffer.alloc(33, used), baseKeyType: 1, closed: -1, used, created: used, remoteIdentityKey: buffer };
  session.currentRatchet = { ephemeralKeyPair: { pubKey: buffer, privKey: buffer }, lastRemoteEphemeralKey: buffer, previousCounter: 0, rootKey: buffer };
  record.setSession(session);
  record.closeSession(session);
  record.closeSession(session);
  record.openSession(session);
  record.openSession(session);
}
SessionRecord.deserialize({ _sessions: {} });
const storage = { loadSession: async () => record, storeSession: async () => {} };
await new SessionCipher(storage, new ProtocolAddress("someone", 0)).decryptWhisperMessage(Buffer.alloc(60, 0x33)).catch(() => {});
curve.calculateAgreement(curve.generateKeyPair().pubKey.subarray(1), curve.generateKeyPair().privKey);
