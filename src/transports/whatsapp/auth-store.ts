// What all devices of this process read and write of credentials and keys, gathered into one statement each few milliseconds. 500 messages a second over
// 3,000 devices would otherwise be some thousand transactions a second.

import type pg from "pg";
import { isDataError, isLockTimeout, retrying } from "../../db/transaction.ts";
import { createBatcher } from "../../lib/batcher.ts";
import { type Clock, SECOND_MS } from "../../lib/clock.ts";
import { inHalves } from "../../lib/halving.ts";
import { type NameHash, type Sealer, UnsealError } from "../../lib/sealing.ts";
import { type DeviceAuth, LostDevice } from "./auth-port.ts";
import { type DeviceRows, type KeyName, readCredentials, readInbox, readKeys, removeFromInbox, writeRows } from "./auth-rows.ts";
import { type AuthDevice, createDeviceAuth, type WritingDevice } from "./device-auth.ts";
import { decodeEntry, type InboxEntry } from "./inbox-entry.ts";
import { createKeyCache } from "./key-cache.ts";
import { inboxPlace } from "./places.ts";

/** Two statements at a time: more only stand in each other's way. */
const BATCHES = { waitMs: 3, most: 200, atOnce: 2, patienceMs: SECOND_MS };

/** A message can wait this little longer for its keys to be written, and a statement takes the more along. */
const WRITE_WAIT_MS = 10;

/** Postgres may be away as long before what is read or written fails: less than the time that a message has to reach the wire. */
const PERSISTENCE_MS = 8 * SECOND_MS;
const RETRY_MS = 200;

const CACHE_BYTES = 24 * 1024 * 1024;

export type AuthStoreOptions = {
  readonly pool: pg.Pool;
  readonly sealer: Sealer;
  readonly nameHash: NameHash;
  readonly clock: Clock;
  readonly cacheBytes?: number;
};

/** `entry` is null where it does not open: the row is kept for who has the key. */
export type Waiting = { readonly id: number; readonly workspaceId: string; readonly deviceId: string; readonly receivedAt: Date; readonly entry: InboxEntry | null };

export interface AuthStore {
  /** Of a device that this node holds, one at a time. */
  open(device: AuthDevice): DeviceAuth;
  /** What waits to be worked in for the devices of a node, oldest first. */
  takeInbox(nodeId: string, limit: number): Promise<Waiting[]>;
  removeInbox(ids: readonly number[]): Promise<void>;
}

export function createAuthStore({ pool, sealer, nameHash, clock, cacheBytes = CACHE_BYTES }: AuthStoreOptions): AuthStore {
  const cache = createKeyCache(cacheBytes);
  const readOfKeys = createReads((names: readonly KeyName[]) => readKeys(pool, names), clock, PERSISTENCE_MS);
  // Three thousand devices that are opened at the same time would otherwise have the dispatcher's own statements wait behind three thousand of theirs.
  const readOfDevices = createReads((deviceIds: readonly string[]) => readCredentials(pool, deviceIds), clock, 0);
  const reads = {
    keys: (deviceId: string, names: readonly Buffer[]) => readOfKeys(names.map((name) => ({ deviceId, name }))),
    credentials: async (deviceId: string) => (await readOfDevices([deviceId]))[0],
  };
  const write = createWrites(pool, clock);
  let openings = 0;

  const opened = ({ sealed, messageId, ...row }: Awaited<ReturnType<typeof readInbox>>[number]): Waiting => {
    try {
      return { ...row, entry: decodeEntry(sealer.open(sealed, inboxPlace(row, messageId))) };
    } catch (error) {
      // One row of another key must not hold up all that comes after it.
      if (error instanceof UnsealError) return { ...row, entry: null };
      throw error;
    }
  };

  return {
    open: (device) => createDeviceAuth({ device, pool, sealer, nameHash, cache, newOpening: () => (openings += 1), reads, onReady: write }),
    takeInbox: async (nodeId, limit) => (await readInbox(pool, nodeId, limit)).map(opened),
    removeInbox: (ids) => removeFromInbox(pool, ids),
  };
}

type Asked<N> = {
  readonly names: readonly N[];
  readonly since: number;
  readonly resolve: (sealed: readonly (Buffer | undefined)[]) => void;
  readonly reject: (error: unknown) => void;
};

function createReads<N>(readAll: (names: readonly N[]) => Promise<(Buffer | undefined)[]>, clock: Clock, persistenceMs: number) {
  const run = async (batch: readonly Asked<N>[]) => {
    try {
      const sealed = await retrying(() => readAll(batch.flatMap(({ names }) => names)));
      let from = 0;
      for (const { names, resolve } of batch) resolve(sealed.slice(from, (from += names.length)));
    } catch (error) {
      // A message that cannot be decrypted is asked for anew a few times only, and then it is lost.
      for (const asked of batch) {
        if (isLasting(error) || clock.monotonic() - asked.since >= persistenceMs) asked.reject(error);
        else clock.setTimeout(() => ask(asked), RETRY_MS);
      }
    }
  };
  const ask = createBatcher<Asked<N>>({ ...BATCHES, clock, run });
  return (names: readonly N[]) =>
    new Promise<readonly (Buffer | undefined)[]>((resolve, reject) => ask({ names, since: clock.monotonic(), resolve, reject }));
}

/** It would fail again. */
const isLasting = (error: unknown) => error instanceof LostDevice || isDataError(error);

type Writing = { readonly device: WritingDevice; readonly rows: DeviceRows; readonly since: number };

/** One device is to blame, not the connection: the others of the batch need not wait for it. */
const isOfOne = (error: unknown) => isDataError(error) || isLockTimeout(error);

function createWrites(pool: pg.Pool, clock: Clock) {
  const write = async (batch: readonly Writing[]): Promise<(undefined | LostDevice)[]> => {
    const held = await retrying(() => writeRows(pool, batch.map(({ rows }) => rows)));
    return batch.map(({ rows }) => (held.has(rows.deviceId) ? undefined : new LostDevice("another node holds the device, or it is gone")));
  };

  const end = (writing: Writing, error: Error | undefined) => {
    if (error === undefined) return writing.device.committed();
    if (isLasting(error) || clock.monotonic() - writing.since >= PERSISTENCE_MS) writing.device.failed(error);
    else clock.setTimeout(() => again(writing), RETRY_MS);
  };

  const runTaken = async (batch: readonly Writing[]) => {
    try {
      const results = await inHalves(batch, write, isOfOne);
      batch.forEach((writing, index) => end(writing, results[index]));
    } catch (error) {
      for (const writing of batch) end(writing, error instanceof Error ? error : new Error(String(error)));
    }
  };
  // Taken as late as may be: what a device has to write while it waits for its turn goes along.
  const add = createBatcher<WritingDevice>({ ...BATCHES, waitMs: WRITE_WAIT_MS, clock, run: (devices) => runTaken(devices.map((device) => ({ device, rows: device.take(), since: clock.monotonic() }))) });
  const again = createBatcher<Writing>({ ...BATCHES, clock, run: runTaken });
  return add;
}
