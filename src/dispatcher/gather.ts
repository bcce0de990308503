// Finds work for the devices that have time: claims and assigns in rounds, since who comes first in line may wait for a device that is busy.

import type pg from "pg";
import { type AssignableDevice, assign, type Assignment, type Horizon } from "./assign.ts";
import { type ClaimedFlow, claimFlows } from "./claim.ts";
import { loadForeignKeepers, loadShared, sharesOf } from "./shares.ts";
import { isWhole, WHOLE } from "./slices.ts";

/** Each round fills two thirds of the devices that the one before left empty, where all that is due waits for one device or another. */
const MAX_ROUNDS = 8;

export type GatherOptions = {
  readonly pool: pg.Pool;
  readonly nodeId: string;
  /** The devices that can begin a flow before the next cycle, and how many. */
  readonly devices: readonly (AssignableDevice & { readonly takes: number })[];
  readonly horizon: Horizon;
  /** At most so many flows. */
  readonly claimBatch: number;
  /** This node's devices that have their people to themselves, also those that have no time. */
  readonly keepers: readonly string[];
  readonly held: readonly string[];
  /** What counts for a workspace's hourly ceiling already. */
  readonly hourLoad: (workspaceId: string) => number;
};

export type Work = { readonly flows: readonly ClaimedFlow[]; readonly assignments: readonly Assignment[] };

export async function gather({ pool, nodeId, devices, horizon, claimBatch, keepers, held, hourLoad }: GatherOptions): Promise<Work> {
  let workspaces = await loadShared(pool, nodeId, [...new Set(devices.map((device) => device.workspaceId))]);
  const split = workspaces.filter(({ slice }) => !isWhole(slice)).map(({ id }) => id);
  const foreign = split.length === 0 ? [] : await loadForeignKeepers(pool, nodeId, split);
  const flows: ClaimedFlow[] = [];
  let assignments: Assignment[] = [];

  for (let round = 0; round < MAX_ROUNDS; round++) {
    const left = leftAfter(devices, assignments);
    const load = (workspaceId: string) => hourLoad(workspaceId) + left.given(workspaceId);
    const shares = sharesOf(workspaces, left.takes, load, claimBatch - assignments.length);
    if (shares.length === 0) break;

    const free = keepers.filter((id) => left.isFree(id));
    const busy = [...keepers.filter((id) => !left.isFree(id)), ...foreign];
    const claim = await claimFlows(pool, shares, { free, busy }, [...held, ...flows.map(({ id }) => id)]);
    flows.push(...claim.flows);
    const before = assignments.length;
    assignments = assign(flows, devices, horizon);
    if (claim.isMore && assignments.length > before) continue;
    // Of a workspace that several nodes share, what is left over in the slices of the others.
    if (workspaces.every(({ slice }) => isWhole(slice))) break;
    workspaces = workspaces.map((workspace) => ({ ...workspace, slice: WHOLE }));
  }
  return { flows, assignments };
}

/** What the devices can take on top of what they have been assigned. */
function leftAfter(devices: GatherOptions["devices"], assignments: readonly Assignment[]) {
  const given = new Map<string, number>();
  for (const { deviceId } of assignments) given.set(deviceId, (given.get(deviceId) ?? 0) + 1);
  const takes = new Map<string, number>();
  const givenTo = new Map<string, number>();
  const free = new Set<string>();
  for (const device of devices) {
    const has = given.get(device.id) ?? 0;
    const left = Math.max(0, device.takes - has);
    takes.set(device.workspaceId, (takes.get(device.workspaceId) ?? 0) + left);
    givenTo.set(device.workspaceId, (givenTo.get(device.workspaceId) ?? 0) + has);
    if (left > 0) free.add(device.id);
  }
  return { takes, isFree: (deviceId: string) => free.has(deviceId), given: (workspaceId: string) => givenTo.get(workspaceId) ?? 0 };
}
