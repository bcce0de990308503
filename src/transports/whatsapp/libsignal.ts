// libsignal put right, as soon as this is imported: signatures are verified, nothing is printed, and what one conversation does stays its own.

import "./quiet.ts";
import "./signal-crypto.ts";
import "./signatures.ts";
import { Builder, Cipher, SessionRecord, type Storage } from "./libsignal-modules.ts";

// It queues what is done for an address, over all devices of the process, and runs all of a queue as whoever came first: one device would wait for another's
// reads, and write into another's transaction. Here each store has queues of its own, and each task is its caller's.
const turns = new WeakMap<Storage, Map<string, Promise<void>>>();

function inTurn<T>(storage: Storage, address: string, work: () => Promise<T>): Promise<T> {
  const ofStorage = turns.get(storage) ?? new Map<string, Promise<void>>();
  turns.set(storage, ofStorage);
  const result = (ofStorage.get(address) ?? Promise.resolve()).then(work);
  const ended = result.then(nothing, nothing);
  ofStorage.set(address, ended);
  void ended.then(() => ofStorage.get(address) === ended && ofStorage.delete(address));
  return result;
}

const nothing = () => {};

Cipher.prototype.queueJob = function (work) {
  return inTurn(this.storage, this.addr.toString(), work);
};

const { initOutgoing } = Builder.prototype;
let queues = 0;
Builder.prototype.initOutgoing = function (bundle) {
  const { storage, addr } = this;
  const address = addr.toString();
  // It goes through libsignal's own queue, under a name that nothing else has.
  const queue = `${address}#${(queues += 1)}`;
  const alone = new Builder(
    { ...storage, loadSession: () => storage.loadSession(address), storeSession: (_queue, record) => storage.storeSession(address, record) },
    Object.create(addr, { toString: { value: () => queue } }),
  );
  return inTurn(storage, address, () => initOutgoing.call(alone, bundle));
};

const { decryptWithSessions } = Cipher.prototype;
const Entry = SessionRecord.createEntry().constructor;
// A session that a message does not fit has moved its ratchet by the time that shows. It is written down with the one that fits, and the open one of the two
// would be of no use any more: each is tried as a copy.
Cipher.prototype.decryptWithSessions = async function (data, sessions) {
  for (const [index, session] of sessions.entries()) {
    const copy = Entry.deserialize(session.serialize());
    try {
      const { plaintext } = await decryptWithSessions.call(this, data, [copy]);
      if (copy.pendingPreKey === undefined) delete session.pendingPreKey;
      return { session: Object.assign(session, copy), plaintext };
    } catch (error) {
      if (index === sessions.length - 1) throw error;
    }
  }
  return decryptWithSessions.call(this, data, []);
};
