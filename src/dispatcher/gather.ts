// Finds work for the devices that have time: claims and assigns in rounds, since who comes first in line may wait for a device that is busy.

import type pg from "pg";
import type { Clock } from "../lib/clock.ts";
import { type AssignableDevice, assign, type Assignment, type Horizon, takesOf } from "./assign.ts";
import { type ClaimedFlow, claimFlows } from "./claim.ts";
import type { RepliedClaim } from "./claim-replied.ts";
import type { DispatchObserver } from "./observer.ts";
import { loadForeignKeepers, loadShared, type SharedWorkspace, sharesOf } from "./shares.ts";
import { isWhole, WHOLE } from "./slices.ts";

/** Each round fills two thirds of the devices that the one before left empty, where all that is due waits for one device or another. */
const MAX_ROUNDS = 8;

export type GatherOptions = {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly observer: DispatchObserver;
  readonly nodeId: string;
  readonly claimReplied: RepliedClaim;
  /** The devices that can begin a flow before the next cycle. */
  readonly devices: readonly AssignableDevice[];
  readonly horizon: Horizon;
  /** At most so many flows. */
  readonly claimBatch: number;
  /** This node's devices that have their people to themselves, also those that have no time. */
  readonly keepers: readonly string[];
  readonly held: readonly string[];
  /** The flows of a workspace in this node's workers. */
  readonly processing: (workspaceId: string) => number;
};

/** The same with what Postgres told of the devices' workspaces. */
type Gathering = GatherOptions & {
  readonly workspaces: readonly SharedWorkspace[];
  /** Devices that this node does not hold, or not yet, and that have their people to themselves. */
  readonly foreign: readonly string[];
};

export async function gather(options: GatherOptions): Promise<Assignment<ClaimedFlow>[]> {
  const { pool, nodeId, devices } = options;
  const workspaces = await loadShared(pool, nodeId, [...new Set(devices.map((device) => device.workspaceId))]);
  const split = workspaces.filter(({ slice }) => !isWhole(slice)).map(({ id }) => id);
  const keepersElsewhere = split.length === 0 ? [] : await loadForeignKeepers(pool, nodeId, split);
  // What is bound to a restricted device waits for it, whoever holds it; it may be nobody.
  const gathering = { ...options, workspaces, foreign: keepersElsewhere.concat(workspaces.flatMap(({ restricted }) => restricted)) };

  const held = new Set(workspaces.filter(({ isHeld }) => isHeld).map(({ id }) => id));
  const isOpen = (device: AssignableDevice) => !device.isRestricted && !held.has(device.workspaceId);
  const assignments = await gatherOpen({ ...gathering, workspaces: workspaces.filter(({ isHeld }) => !isHeld), devices: devices.filter(isOpen) });
  const others = devices.filter((device) => !isOpen(device));
  return others.length === 0 ? assignments : assignments.concat(await gatherReplied({ ...gathering, devices: others }, assignments));
}

/** For the devices that may write to anybody. */
async function gatherOpen(options: Gathering): Promise<Assignment<ClaimedFlow>[]> {
  const { pool, clock, observer, devices, horizon, claimBatch, keepers, held, foreign } = options;
  let { workspaces } = options;
  let flows: readonly ClaimedFlow[] = [];
  let assignments: Assignment<ClaimedFlow>[] = [];

  for (let round = 0; round < MAX_ROUNDS; round++) {
    const left = leftAfter(devices, horizon, assignments);
    const shares = sharesOf(workspaces, left.takes, (id) => options.processing(id) + left.given(id), claimBatch - assignments.length);
    if (shares.length === 0) break;

    // Who reads all of a workspace's flows need not be told which are bound to its own devices.
    const free = shares.every(({ slice }) => isWhole(slice)) ? [] : keepers.filter((id) => left.isFree(id));
    const busy = keepers.filter((id) => !left.isFree(id)).concat(foreign);
    const from = clock.monotonic();
    const claim = await claimFlows(pool, shares, { free, busy }, held.concat(flows.map(({ id }) => id)));
    observer.claimed(clock.monotonic() - from, claim.flows.length);
    flows = flows.concat(claim.flows);
    const before = assignments.length;
    assignments = assign(flows, devices, horizon);
    if (claim.isMore && assignments.length > before) continue;
    // Of a workspace that several nodes share, what is left over in the slices of the others.
    if (workspaces.every(({ slice }) => isWhole(slice))) break;
    workspaces = workspaces.map((workspace) => ({ ...workspace, slice: WHOLE }));
  }
  return assignments;
}

/** For those that may write only to people who have written: the restricted ones, and all of a workspace whose first contacts are held. Once a cycle, since
 *  each device is read as many as it takes. Nodes that share a workspace may read the same ones: these are few, and a lost race costs little. */
async function gatherReplied(options: Gathering, before: readonly Assignment<ClaimedFlow>[]): Promise<Assignment<ClaimedFlow>[]> {
  const { workspaces, devices, horizon, claimBatch, keepers, held, foreign } = options;
  const given = Map.groupBy(before, ({ flow }) => flow.workspaceId);
  const left = leftAfter(devices, horizon, []);
  const shares = sharesOf(workspaces, left.takes, (id) => options.processing(id) + (given.get(id)?.length ?? 0), claimBatch - before.length);
  const shareOf = new Map(shares.map(({ workspaceId, flows }) => [workspaceId, flows]));
  const ready = devices.filter(({ workspaceId }) => shareOf.has(workspaceId)).map((device) => ({ ...device, takes: takesOf(device, horizon) }));
  const heldIds = workspaces.filter(({ id, isHeld }) => isHeld && shareOf.has(id)).map(({ id }) => id);
  const isOfHeld = ({ workspaceId }: AssignableDevice) => heldIds.includes(workspaceId);
  const flows = await options.claimReplied({
    sources: [
      ...heldIds.map((workspaceId) => ({ workspaceId, deviceId: null, flows: shareOf.get(workspaceId) ?? 0 })),
      ...ready.filter((device) => !isOfHeld(device)).map(({ id, workspaceId, takes }) => ({ workspaceId, deviceId: id, flows: takes })),
    ],
    takers: ready.filter(isOfHeld),
    busy: keepers.filter((id) => !left.isFree(id)).concat(foreign),
    held,
  });
  return assign(flows, devices, horizon);
}

/** What the devices can take on top of what they have been assigned. */
function leftAfter(devices: readonly AssignableDevice[], horizon: Horizon, assignments: readonly Assignment<ClaimedFlow>[]) {
  const given = new Map<string, number>();
  for (const { deviceId } of assignments) given.set(deviceId, (given.get(deviceId) ?? 0) + 1);
  const takes = new Map<string, number>();
  const givenTo = new Map<string, number>();
  const free = new Set<string>();
  for (const device of devices) {
    const has = given.get(device.id) ?? 0;
    const left = Math.max(0, takesOf(device, horizon) - has);
    takes.set(device.workspaceId, (takes.get(device.workspaceId) ?? 0) + left);
    givenTo.set(device.workspaceId, (givenTo.get(device.workspaceId) ?? 0) + has);
    if (left > 0) free.add(device.id);
  }
  return { takes, isFree: (deviceId: string) => free.has(deviceId), given: (workspaceId: string) => givenTo.get(workspaceId) ?? 0 };
}
