import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { loadScore } from "../../../src/devices/score.ts";
import { assign, type AssignableDevice, type AssignableFlow } from "../../../src/dispatcher/assign.ts";

const options = { horizonMs: 10_000, sendMs: 500 };
const FAR = { horizonMs: 1e9, sendMs: 500 };

const device = (id: string, over: Partial<AssignableDevice> = {}): AssignableDevice => ({
  id,
  workspaceId: "w",
  messagesHour: 0,
  currentProcessing: 0,
  room: 50,
  freeInMs: 0,
  gapMs: 0,
  isRestricted: false,
  ...over,
});

const flow = (id: number, over: Partial<AssignableFlow> = {}): AssignableFlow => ({
  id: `f${id}`,
  workspaceId: "w",
  boundDeviceId: null,
  repliedDeviceId: null,
  minDelaySeconds: 10,
  maxDelaySeconds: 30,
  ...over,
});

const flowsOf = (count: number, over: Partial<AssignableFlow> = {}) => Array.from({ length: count }, (_, id) => flow(id, over));

const workspaceIds = fc.constantFrom("w", "x", "y");

const anyDevices = fc
  .array(
    fc.record({
      workspaceId: workspaceIds,
      messagesHour: fc.nat(60),
      currentProcessing: fc.nat(50),
      room: fc.nat(6),
      freeInMs: fc.nat(12_000),
      isRestricted: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  .map((all) => all.map((each, index) => device(`d${index}`, each)));

const anyFlows = fc
  .array(
    fc.record({
      workspaceId: workspaceIds,
      boundDeviceId: fc.option(fc.nat(14).map((index) => `d${index}`)),
      repliedDeviceId: fc.option(fc.nat(14).map((index) => `d${index}`)),
      minDelaySeconds: fc.nat(2),
      maxDelaySeconds: fc.integer({ min: 2, max: 5 }),
    }),
    { maxLength: 80 },
  )
  .map((all) => all.map((each, index) => flow(index, each)));

/** The same by looking at every device for every flow. */
function assignSlowly(flows: readonly AssignableFlow[], devices: readonly AssignableDevice[]) {
  const states = devices.map((each) => ({ ...each, given: 0 }));
  return flows.flatMap((each) => {
    const mine = states.filter((state) => state.workspaceId === each.workspaceId && state.given < state.room);
    const own = states.find((state) => state.workspaceId === each.workspaceId && state.id === each.boundDeviceId);
    if (own?.isRestricted && (each.repliedDeviceId !== own.id || own.given >= own.room)) return [];
    const bound = mine.find((state) => state === own && (state.isRestricted || state.messagesHour + state.given < 50));
    const score = (state: (typeof states)[number]) => loadScore({ ...state, currentProcessing: state.currentProcessing + state.given });
    const [least] = mine
      .filter((state) => state.freeInMs < options.horizonMs && !state.isRestricted)
      .toSorted((a, b) => score(a) - score(b) || a.freeInMs - b.freeInMs || (a.id < b.id ? -1 : 1));
    const chosen = bound ?? least;
    if (!chosen || chosen.freeInMs >= options.horizonMs) return [];
    chosen.given += 1;
    chosen.freeInMs += ((each.minDelaySeconds + each.maxDelaySeconds) / 2) * 1000 + options.sendMs;
    return [{ flow: each, deviceId: chosen.id }];
  });
}

describe("assign", () => {
  test.prop([anyFlows, anyDevices])("does what looking at every device for every flow does", (flows, devices) => {
    expect(assign(flows, devices, options)).toEqual(assignSlowly(flows, devices));
  });

  test.prop([anyFlows, anyDevices])("gives no flow twice, none to another workspace, no device more than its room", (flows, devices) => {
    const assigned = assign(flows, devices, options);
    expect(new Set(assigned.map(({ flow: { id } }) => id)).size).toBe(assigned.length);
    for (const { id, workspaceId, room } of devices) {
      const given = assigned.filter(({ deviceId }) => deviceId === id);
      expect(given.length).toBeLessThanOrEqual(room);
      for (const { flow: { workspaceId: its } } of given) expect(its).toBe(workspaceId);
    }
  });

  test.prop([anyFlows, anyDevices])("gives a restricted device nothing but what is bound to it, of people who have written to it, and that to nobody else", (flows, devices) => {
    const restricted = new Set(devices.filter(({ isRestricted }) => isRestricted).map(({ id, workspaceId }) => `${workspaceId} ${id}`));
    for (const { flow: { workspaceId, boundDeviceId, repliedDeviceId }, deviceId } of assign(flows, devices, options)) {
      if (restricted.has(`${workspaceId} ${deviceId}`)) expect([boundDeviceId, repliedDeviceId]).toEqual([deviceId, deviceId]);
      if (restricted.has(`${workspaceId} ${boundDeviceId}`)) expect(deviceId).toBe(boundDeviceId);
    }
  });

  const deviceCounts = fc.integer({ min: 1, max: 20 });

  test.prop([fc.nat(200), deviceCounts, fc.boolean()])("spreads flows evenly over equal devices", (count, devices, isFar) => {
    const assigned = assign(flowsOf(count), Array.from({ length: devices }, (_, id) => device(`d${id}`)), isFar ? FAR : options);
    const counts = Array.from({ length: devices }, (_, id) => assigned.filter(({ deviceId }) => deviceId === `d${id}`).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  test.prop([anyFlows, anyDevices])("does not depend on the order of the devices", (flows, devices) => {
    expect(assign(flows, devices.toReversed(), options)).toEqual(assign(flows, devices, options));
  });

  test("keeps a lead's flows on its device until that has 50 messages in the hour, with those given here", () => {
    const devices = [device("bound", { messagesHour: 48 }), device("other")];
    const assigned = assign(flowsOf(3, { boundDeviceId: "bound" }), devices, FAR);
    expect(assigned.map(({ deviceId }) => deviceId)).toEqual(["bound", "bound", "other"]);
  });

  test("does not move on what is bound to a restricted device, at 50 messages in the hour either", () => {
    const devices = [device("bound", { isRestricted: true, messagesHour: 60, room: 1 }), device("other")];
    const assigned = assign(flowsOf(2, { boundDeviceId: "bound", repliedDeviceId: "bound" }), devices, FAR);
    expect(assigned.map(({ flow: { id }, deviceId }) => [id, deviceId])).toEqual([["f0", "bound"]]);
    expect(assign(flowsOf(2, { boundDeviceId: "bound", repliedDeviceId: "other" }), devices, FAR)).toEqual([]);
    expect(assign([flow(1)], devices, FAR).map(({ deviceId }) => deviceId)).toEqual(["other"]);
  });

  test("gives a bound flow to another device where its own is gone, full, or another workspace's", () => {
    const devices = [device("full", { room: 0 }), device("theirs", { workspaceId: "x" }), device("other", { messagesHour: 9 })];
    const flows = ["full", "theirs", "gone"].map((boundDeviceId, id) => flow(id, { boundDeviceId }));
    expect(assign(flows, devices, FAR).map(({ deviceId }) => deviceId)).toEqual(["other", "other", "other"]);
  });

  test("lets a bound flow wait for its device where that is merely busy until the next cycle", () => {
    const devices = [device("bound", { freeInMs: 10_000 }), device("other")];
    expect(assign([flow(1, { boundDeviceId: "bound" })], devices, options)).toEqual([]);
  });

  test("gives a device no more than it can send before the next cycle, and one where it is free before", () => {
    const devices = [device("d", { freeInMs: 9_999 })];
    expect(assign(flowsOf(5), devices, options)).toHaveLength(1);
    expect(assign(flowsOf(5, { minDelaySeconds: 2, maxDelaySeconds: 2 }), [device("d")], options)).toHaveLength(4);
  });

  test("gives to the lowest score, then to the one that is free first", () => {
    const free = [device("b", { freeInMs: 5 }), device("c", { freeInMs: 4 })];
    const loaded = [device("a", { messagesHour: 1 }), device("d", { currentProcessing: 1 })];
    expect(assign(flowsOf(5), [...loaded, ...free], FAR).map(({ deviceId }) => deviceId)).toEqual(["c", "b", "d", "c", "b"]);
  });

  test("gives 10,000 flows to 3,000 devices within a cycle", () => {
    const devices = Array.from({ length: 3000 }, (_, id) => device(`d${id}`, { messagesHour: id % 40 }));
    const flows = Array.from({ length: 10_000 }, (_, id) => flow(id, { boundDeviceId: id % 3 ? `d${id % 3000}` : null }));
    const start = performance.now();
    expect(assign(flows, devices, FAR)).toHaveLength(10_000);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
