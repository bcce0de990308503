// The keys as Baileys itself uses them, beside its Signal repository (see key-transactions.ts): device lists, privacy tokens, its own pre-keys.
//
// Its own transactions hold back what is written in them until they end, and throw away what comes after. That a person has been given a privacy token is
// written after the message has left: it was given anew with each message, which nobody's phone does, and cost a third of a message's time. Here all is
// written as it comes. Those who work on the same thing have turns, as there.

import { AsyncLocalStorage } from "node:async_hooks";
import type { SignalKeyStoreWithTransaction } from "baileys";
import type { DeviceKeys, KeyData } from "./auth-port.ts";

/** Whose turn it is. One for all devices: each costs all promises of the process something. */
const current = new AsyncLocalStorage<DeviceKeys>();

/** Under it Baileys keeps a list of all who have a token, written anew with each that is added: half a megabyte once a device has written to twenty thousand
 *  people. It is for finding those that have expired, which are looked at when they are used. */
const INDEX = "__index";

export function createBaileysKeys(keys: DeviceKeys): SignalKeyStoreWithTransaction {
  const lastTurns = new Map<string, Promise<void>>();

  return {
    get: (type, ids) => keys.get(type, ids),
    async set(data) {
      const kept = withoutIndex(data);
      if (Object.keys(kept).length > 0) await keys.set(kept);
    },
    isInTransaction: () => current.getStore() === keys,
    transaction(work, key) {
      if (current.getStore() === keys) return work();
      const turn = (lastTurns.get(key) ?? Promise.resolve()).then(() => current.run(keys, work));
      const ended = turn.then(nothing, nothing);
      lastTurns.set(key, ended);
      void ended.then(() => lastTurns.get(key) === ended && lastTurns.delete(key));
      return turn;
    },
  };
}

const nothing = () => {};

function withoutIndex({ tctoken, ...data }: KeyData): KeyData {
  const { [INDEX]: _index, ...others } = tctoken ?? {};
  return Object.keys(others).length === 0 ? data : { ...data, tctoken: others };
}
