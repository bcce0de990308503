// Credentials and keys of one device: read through what it has not yet committed, then the cache, then Postgres.

import type { AuthenticationCreds } from "baileys";
import type pg from "pg";
import type { NameHash, Sealer } from "../../lib/sealing.ts";
import { type DeviceAuth, type DeviceKeys, type KeyData, LostDevice } from "./auth-port.ts";
import { type DeviceRows, forgetDevice } from "./auth-rows.ts";
import { createDeviceWrites, type Staged } from "./device-writes.ts";
import { encodeEntry } from "./inbox-entry.ts";
import { type KeyCache, NOTHING } from "./key-cache.ts";
import { decodeCredentials, decodeValue, encodeCredentials, encodeValue, type KeyType } from "./key-values.ts";
import { credentialsPlace, inboxPlace, keyPlace } from "./places.ts";

export type AuthDevice = { readonly deviceId: string; readonly workspaceId: string; readonly nodeId: string };

export type DeviceAuthOptions = {
  readonly device: AuthDevice;
  readonly pool: pg.Pool;
  readonly sealer: Sealer;
  readonly nameHash: NameHash;
  readonly cache: KeyCache;
  /** Never the same twice. Of what was cached in an earlier opening nothing is known: another node may have had the device since. */
  readonly newOpening: () => number;
  readonly reads: {
    readonly keys: (deviceId: string, names: readonly Buffer[]) => Promise<readonly (Buffer | undefined)[]>;
    readonly credentials: (deviceId: string) => Promise<Buffer | undefined>;
  };
  /** It has something to write. Called once until that has ended. */
  readonly onReady: (device: WritingDevice) => void;
};

/** A device as the batches of all devices see it. */
export interface WritingDevice {
  /** All that it has to write now. */
  take(): DeviceRows;
  committed(): void;
  failed(error: unknown): void;
}

const NO_KEYS: Staged["keys"] = new Map();
const NO_INBOX: Staged["inbox"] = new Map();

export function createDeviceAuth({ device, pool, sealer, nameHash, cache, newOpening, reads, onReady }: DeviceAuthOptions): DeviceAuth {
  const { deviceId, nodeId } = device;
  let opening = newOpening();
  let lost: LostDevice | undefined;
  let taken: Staged["keys"] = NO_KEYS;

  const place = (name: string) => `${opening}/${name}`;
  const rowName = (name: string) => nameHash(`${deviceId}/${name}`);
  const sealedKey = (name: string, value: string | null) => {
    const hash = rowName(name);
    return { name: hash, sealed: value === null ? null : sealer.seal(Buffer.from(value, "latin1"), keyPlace(device, hash)) };
  };

  const writes = createDeviceWrites(() =>
    onReady({
      take() {
        const { credentials, keys, inbox } = writes.take();
        taken = keys;
        return {
          deviceId,
          nodeId,
          credentials: credentials === undefined ? undefined : sealer.seal(Buffer.from(credentials, "latin1"), credentialsPlace(device)),
          keys: Array.from(keys, ([name, value]) => sealedKey(name, value)),
          inbox: Array.from(inbox, ([messageId, entry]) => ({ messageId, sealed: sealer.seal(entry, inboxPlace(device, messageId)) })),
        };
      },
      committed() {
        for (const [name, value] of taken) cache.set(place(name), value ?? NOTHING);
        writes.committed();
      },
      failed(error) {
        if (error instanceof LostDevice) lost = error;
        // The answer to a commit may have been lost: what Postgres has now is to be read there.
        for (const name of taken.keys()) cache.delete(place(name));
        writes.failed(error);
      },
    }),
  );

  const stage = async (staged: Staged) => {
    if (lost) throw lost;
    await writes.stage(staged);
  };

  /** Undefined where only Postgres knows. */
  const known = (name: string): string | undefined => {
    const uncommitted = writes.key(name);
    return uncommitted === undefined ? cache.get(place(name)) : (uncommitted ?? NOTHING);
  };

  /** From Postgres, and into the cache. */
  const fetch = async (names: readonly string[]): Promise<string[]> => {
    const since = writes.staged();
    const hashes = names.map(rowName);
    const found = await reads.keys(deviceId, hashes);
    return names.map((name, index) => {
      const [sealed, hash] = [found[index], hashes[index]];
      const value = sealed && hash ? sealer.open(sealed, keyPlace(device, hash)).toString("latin1") : NOTHING;
      // Written meanwhile: what was read may be from before or after that.
      if (writes.staged() !== since) return known(name) ?? value;
      cache.set(place(name), value);
      return value;
    });
  };

  const get: DeviceKeys["get"] = async (type, ids) => {
    if (lost) throw lost;
    const values = new Map(ids.map((id) => [id, known(`${type}/${id}`)]));
    const missing = Array.from(values).flatMap(([id, value]) => (value === undefined ? [id] : []));
    if (missing.length > 0) {
      const fetched = await fetch(missing.map((id) => `${type}/${id}`));
      for (const [index, id] of missing.entries()) values.set(id, fetched[index]);
    }
    return Object.fromEntries(Array.from(values).flatMap(([id, value]) => (value ? [[id, decodeValue(type, value)]] : [])));
  };

  const load = async (): Promise<AuthenticationCreds | undefined> => {
    const uncommitted = writes.credentials();
    if (uncommitted !== undefined) return decodeCredentials(uncommitted);
    const sealed = await reads.credentials(deviceId);
    return sealed && decodeCredentials(sealer.open(sealed, credentialsPlace(device)).toString("latin1"));
  };

  const clear = async () => {
    // After all that is on its way.
    await stage({ credentials: undefined, keys: NO_KEYS, inbox: NO_INBOX });
    opening = newOpening();
    if (!(await forgetDevice(pool, deviceId, nodeId))) throw (lost = new LostDevice("another node holds the device, or it is gone"));
  };

  return {
    creds: { load, save: (creds) => stage({ credentials: encodeCredentials(creds), keys: NO_KEYS, inbox: NO_INBOX }) },
    keys: { get, set: (data) => stage({ credentials: undefined, ...encoded(data) }), failures: writes.failures },
    clear,
  };
}

function encoded({ inbox = {}, ...types }: KeyData): Pick<Staged, "keys" | "inbox"> {
  const keys = new Map<string, string | null>();
  for (const [type, values] of Object.entries(types)) {
    for (const [id, value] of Object.entries(values ?? {})) keys.set(`${type as KeyType}/${id}`, value == null ? null : encodeValue(type, value));
  }
  return { keys, inbox: new Map(Object.entries(inbox).map(([messageId, entry]) => [messageId, encodeEntry(entry)])) };
}
