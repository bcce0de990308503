// What Baileys encrypts and decrypts with, over the keys of one device.

import "./libsignal.ts";
import { type SocketConfig, unpadRandomMax16 } from "baileys";
import { makeLibSignalRepository } from "baileys/lib/Signal/libsignal.js";
import { LRUCache } from "lru-cache";
import type { DeviceKeys } from "./auth-port.ts";
import type { Envelope } from "./inbox-entry.ts";
import { createTransactedKeys } from "./key-transactions.ts";
import { silentLogger } from "./silent-logger.ts";

/** A device's own holds all whom it has written to in three days, with a timer each: some gigabytes in a fleet. Read again, they come out of the keys' cache. */
const mappings = new LRUCache<string, string>({ max: 50_000 });
let openings = 0;

function newMappingCache() {
  const opening = (openings += 1);
  return {
    get: (name: string) => mappings.get(`${opening}/${name}`),
    set: (name: string, user: string) => void mappings.set(`${opening}/${name}`, user),
    clear: () => {}, // what is not asked for any more makes room for others
  };
}

export type EnvelopeOf = (ciphertext: Uint8Array) => Envelope | undefined;

/** For Baileys' `makeSignalRepository`. `envelopeOf` tells of a ciphertext that has come; undefined where it is not to be kept in the inbox, such as a copy
 *  of what the account's own phone has sent. */
export function createSignalRepositories(keys: DeviceKeys, envelopeOf: EnvelopeOf): SocketConfig["makeSignalRepository"] {
  return ({ creds }, _logger, lookUpLids) => {
    const transacted = createTransactedKeys(keys);
    // Not Baileys' own keys: see key-transactions.ts.
    const repository = makeLibSignalRepository({ creds, keys: transacted }, silentLogger, lookUpLids);
    Object.assign(repository.lidMapping, { mappingCache: newMappingCache() });
    return {
      ...repository,
      decryptMessage(message) {
        // Its receipt goes out before anybody has heard of it, and its key opens it once: kept with the key's next state, a process that dies now loses nothing.
        return transacted.transaction(async () => {
          const padded = await repository.decryptMessage(message);
          const envelope = envelopeOf(message.ciphertext);
          if (envelope !== undefined) await transacted.set({ inbox: { [envelope.messageId]: { ...envelope, plaintext: Buffer.from(unpadRandomMax16(padded)) } } });
          return padded;
        }, message.jid);
      },
    };
  };
}
