// Devices as lists and loads show them: a second old at most, and never older than a change that the reader has made or heard of.

import type { Cache } from "../cache/cache.ts";
import type { Count, Order, Page, Slice } from "../db/pages.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import { devicesGroup } from "./cache-group.ts";
import { countDevices, type Device, type DeviceFilter, type DeviceLoad, deviceLoads, listDevices } from "./service.ts";

export type CachedReads = { readonly db: WorkspaceDb; readonly cache: Cache };

/** Attempts in the last 60 minutes and 24 hours, both rolling, in the order of `ids`. */
export const cachedLoads = ({ cache, db }: CachedReads, ids: readonly string[]): Promise<DeviceLoad[]> =>
  cache.readMany(devicesGroup(db.id), ids, (unknown) => deviceLoads(db, unknown));

export const cachedList = ({ cache, db }: CachedReads, filter: DeviceFilter, order: Order & { readonly name: string }, page: Page): Promise<Slice<Device>> =>
  cache.read(devicesGroup(db.id), JSON.stringify([filter, order.name, page]), () => listDevices(db, filter, order, page));

export const cachedCount = ({ cache, db }: CachedReads, filter: DeviceFilter): Promise<Count> =>
  cache.read(devicesGroup(db.id), JSON.stringify(filter), () => countDevices(db, filter));
