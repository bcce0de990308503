import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { type Holding, type Move, planMoves, type PlacementNode } from "../../../src/dispatcher/placement.ts";

const anyNodes = fc
  .array(fc.integer({ min: 1, max: 30 }), { maxLength: 5 })
  .map((all) => all.map((capacity, index): PlacementNode => ({ id: `n${index}`, capacity })));

const anyHoldings = fc
  .array(fc.record({ workspaceId: fc.constantFrom("a", "b", "c", "d", "e"), nodeId: fc.constantFrom(null, "n0", "n1", "n2", "n3", "gone"), devices: fc.integer({ min: 1, max: 15 }) }), { maxLength: 12 })
  .map((all) => [...Map.groupBy(all, ({ workspaceId, nodeId }) => `${workspaceId} ${nodeId}`).values()].flatMap((same) => same.slice(0, 1)));

/** What is held once the moves are made. What a node that is gone holds, nobody does. */
function after(nodes: readonly PlacementNode[], holdings: readonly Holding[], moves: readonly Move[]): Holding[] {
  const known = new Set(nodes.map(({ id }) => id));
  const held = new Map<string, Holding>();
  const add = (workspaceId: string, holder: string | null, devices: number) => {
    const nodeId = holder !== null && known.has(holder) ? holder : null;
    const key = `${workspaceId} ${nodeId}`;
    held.set(key, { workspaceId, nodeId, devices: (held.get(key)?.devices ?? 0) + devices });
  };
  for (const { workspaceId, nodeId, devices } of holdings) add(workspaceId, nodeId, devices);
  for (const { workspaceId, from, to, devices } of moves) {
    add(workspaceId, from, -devices);
    add(workspaceId, to, devices);
  }
  return [...held.values()].filter(({ devices }) => devices !== 0);
}

const loadOf = (holdings: readonly Holding[], nodeId: string | null) => holdings.reduce((sum, each) => (each.nodeId === nodeId ? sum + each.devices : sum), 0);

describe("whatever is held by whom,", () => {
  test.prop([anyNodes, anyHoldings])("no node is given more than it can hold, and what is left over is so because all are full", (nodes, holdings) => {
    const held = after(nodes, holdings, planMoves(nodes, holdings));
    expect(held.filter(({ devices }) => devices < 0)).toEqual([]);
    for (const { id, capacity } of nodes) expect(loadOf(held, id)).toBeLessThanOrEqual(Math.max(capacity, loadOf(holdings, id)));
    if (loadOf(held, null) > 0) expect(nodes.filter(({ id, capacity }) => loadOf(held, id) < capacity)).toEqual([]);
  });

  test.prop([anyNodes, anyHoldings])("once the moves are made there is nothing more to move", (nodes, holdings) => {
    let held = after(nodes, holdings, planMoves(nodes, holdings));
    for (let round = 0; round < 3; round++) held = after(nodes, held, planMoves(nodes, held));
    expect(planMoves(nodes, held)).toEqual([]);
  });

  test.prop([anyNodes, anyHoldings])("the same input gives the same plan, in whatever order it comes", (nodes, holdings) => {
    expect(planMoves(nodes.toReversed(), holdings.toReversed()).toSorted(byAll)).toEqual(planMoves(nodes, holdings).toSorted(byAll));
  });
});

const byAll = (a: Move, b: Move) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
const two: PlacementNode[] = [
  { id: "n0", capacity: 100 },
  { id: "n1", capacity: 100 },
];

test("a workspace stays together as long as it fits", () => {
  expect(planMoves(two, [{ workspaceId: "a", nodeId: null, devices: 90 }])).toEqual([{ workspaceId: "a", from: null, to: "n0", devices: 90 }]);
  const split: Holding[] = [
    { workspaceId: "a", nodeId: "n0", devices: 10 },
    { workspaceId: "a", nodeId: "n1", devices: 30 },
  ];
  expect(planMoves(two, split)).toEqual([{ workspaceId: "a", from: "n0", to: "n1", devices: 10 }]);
});

test("two nodes that each take from another are served in the order of their names, not in the order in which they were read", () => {
  const nodes = [1, 6, 5, 5].map((capacity, index): PlacementNode => ({ id: `n${index}`, capacity }));
  const holdings: Holding[] = [
    { workspaceId: "e", nodeId: "n2", devices: 1 },
    { workspaceId: "e", nodeId: null, devices: 1 },
    { workspaceId: "e", nodeId: "n1", devices: 1 },
    { workspaceId: "a", nodeId: null, devices: 14 },
  ];
  expect(planMoves(nodes.toReversed(), holdings.toReversed())).toEqual(planMoves(nodes, holdings));
});

test("one that is larger than a node lies on two", () => {
  expect(planMoves(two, [{ workspaceId: "a", nodeId: "n1", devices: 100 }, { workspaceId: "a", nodeId: null, devices: 50 }])).toEqual([
    { workspaceId: "a", from: null, to: "n0", devices: 50 },
  ]);
});

test("a node that joins is given whole workspaces, and a single one is not moved to it", () => {
  const many = ["a", "b", "c", "d"].map((workspaceId): Holding => ({ workspaceId, nodeId: "n0", devices: 10 }));
  expect(planMoves(two, many).map(({ to, devices }) => [to, devices])).toEqual([["n1", 10], ["n1", 10]]);
  expect(planMoves(two, many.slice(0, 1))).toEqual([]);
});

test("a difference that is not worth dropping live devices for is left alone", () => {
  const nearly: Holding[] = [
    { workspaceId: "a", nodeId: "n0", devices: 50 },
    { workspaceId: "b", nodeId: "n0", devices: 2 },
    { workspaceId: "c", nodeId: "n1", devices: 48 },
  ];
  expect(planMoves(two, nearly)).toEqual([]);
});

test("an empty node is given a workspace by the next fullest where the fullest has only a part of one", () => {
  const three: PlacementNode[] = ["n0", "n1", "n2"].map((id) => ({ id, capacity: 40 }));
  const holdings: Holding[] = [
    { workspaceId: "large", nodeId: "n0", devices: 40 },
    { workspaceId: "large", nodeId: "n1", devices: 4 },
    ...["a", "b", "c"].map((workspaceId) => ({ workspaceId, nodeId: "n1", devices: 10 })),
  ];
  expect(planMoves(three, holdings)).toEqual(["a", "b"].map((workspaceId) => ({ workspaceId, from: "n1", to: "n2", devices: 10 })));
});
