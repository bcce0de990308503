// Which node is to hold which devices. Pure: it counts devices per workspace and node, and says what to move.

export type PlacementNode = {
  readonly id: string;
  /** How many devices it can hold. */
  readonly capacity: number;
};

/** So many devices of a workspace that a node holds, or is being handed; null: nobody does. */
export type Holding = { readonly workspaceId: string; readonly nodeId: string | null; readonly devices: number };

export type Move = { readonly workspaceId: string; readonly from: string | null; readonly to: string; readonly devices: number };

/** Moves are made only where they leave the fuller node this much of its load lighter: a live device is not dropped for little. */
const WORTHWHILE = 0.1;

/** What to move so that every device is held, as far as there is room; each workspace's on one node as long as they fit; and the nodes evenly loaded
 *  by whole workspaces. Gives the same for the same input, and nothing once its moves are made. */
export function planMoves(nodes: readonly PlacementNode[], holdings: readonly Holding[]): Move[] {
  if (nodes.length === 0) return [];
  const plan = createPlan(nodes, holdings);
  for (const workspaceId of plan.workspaces()) plan.gather(workspaceId);
  for (const workspaceId of plan.workspaces()) plan.placeUnheld(workspaceId);
  plan.balance();
  return plan.moves();
}

function createPlan(given: readonly PlacementNode[], holdings: readonly Holding[]) {
  // By name: who gives to whom must not follow from the order in which the nodes were read.
  const nodes = given.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const known = new Map(nodes.map((node) => [node.id, node]));
  const before = new Map<string, number>();
  const now = new Map<string, number>();
  const key = (workspaceId: string, nodeId: string | null) => `${workspaceId} ${nodeId ?? ""}`;
  for (const { workspaceId, nodeId, devices } of holdings) {
    const holder = key(workspaceId, nodeId !== null && known.has(nodeId) ? nodeId : null);
    before.set(holder, (before.get(holder) ?? 0) + devices);
  }
  for (const [holder, devices] of before) now.set(holder, devices);
  const ids = [...new Set(holdings.map(({ workspaceId }) => workspaceId))].toSorted();
  const held = (workspaceId: string, nodeId: string | null) => now.get(key(workspaceId, nodeId)) ?? 0;
  const load = (node: PlacementNode) => ids.reduce((sum, id) => sum + held(id, node.id), 0);
  const free = (node: PlacementNode) => node.capacity - load(node);
  const size = (workspaceId: string) => nodes.reduce((sum, node) => sum + held(workspaceId, node.id), held(workspaceId, null));
  const shift = (workspaceId: string, from: string | null, to: string, devices: number) => {
    now.set(key(workspaceId, from), held(workspaceId, from) - devices);
    now.set(key(workspaceId, to), held(workspaceId, to) + devices);
  };
  const byMost = (value: (node: PlacementNode) => number) => nodes.toSorted((a, b) => value(b) - value(a) || (a.id < b.id ? -1 : 1));

  return {
    /** The largest first: they are the hardest to place. */
    workspaces: () => ids.toSorted((a, b) => size(b) - size(a) || (a < b ? -1 : 1)),

    /** A workspace that lies on several nodes and fits the one that has most of it goes there. */
    gather(workspaceId: string) {
      const [most, ...others] = byMost((node) => held(workspaceId, node.id)).filter((node) => held(workspaceId, node.id) > 0);
      const rest = others.reduce((sum, node) => sum + held(workspaceId, node.id), 0);
      if (most === undefined || rest === 0 || free(most) < rest + held(workspaceId, null)) return;
      for (const node of others) shift(workspaceId, node.id, most.id, held(workspaceId, node.id));
    },

    /** To who has others of the workspace, then to who has most room. */
    placeUnheld(workspaceId: string) {
      const holders = byMost((node) => held(workspaceId, node.id)).filter((node) => held(workspaceId, node.id) > 0);
      for (const node of [...holders, ...byMost(free)]) {
        const devices = Math.min(held(workspaceId, null), Math.max(0, free(node)));
        if (devices > 0) shift(workspaceId, null, node.id, devices);
      }
    },

    /** From a fuller node to the emptiest, a whole workspace at a time, as long as that evens them out. The fullest gives first, where it has one to give:
     *  it may hold nothing but a part of a workspace that is too large for a node. */
    balance() {
      for (let shifted = true; shifted; ) {
        const byLoad = byMost(load);
        const emptiest = byLoad.at(-1);
        if (emptiest === undefined) return;
        const best = byLoad.flatMap((giver) => {
          const gap = load(giver) - load(emptiest);
          const isGood = (devices: number) => devices > 0 && devices <= free(emptiest) && gap - devices >= Math.max(1, load(giver) * WORTHWHILE);
          return ids
            .map((id) => ({ id, giver, devices: held(id, giver.id) }))
            .filter(({ id, devices }) => devices === size(id) && isGood(devices))
            .toSorted((a, b) => b.devices - a.devices || (a.id < b.id ? -1 : 1));
        })[0];
        shifted = best !== undefined;
        if (best) shift(best.id, best.giver.id, emptiest.id, best.devices);
      }
    },

    moves(): Move[] {
      return ids.flatMap((workspaceId) => {
        const places = [null, ...nodes.map(({ id }) => id)];
        const change = (place: string | null) => held(workspaceId, place) - (before.get(key(workspaceId, place)) ?? 0);
        const givers = places.map((place) => ({ place, left: -change(place) })).filter(({ left }) => left > 0);
        const moves: Move[] = [];
        for (const to of nodes.map(({ id }) => id)) {
          let wanted = change(to);
          for (const giver of givers) {
            const devices = Math.min(wanted, giver.left);
            if (devices <= 0) continue;
            moves.push({ workspaceId, from: giver.place, to, devices });
            giver.left -= devices;
            wanted -= devices;
          }
        }
        return moves;
      });
    },
  };
}
