import { expect, test } from "vitest";
import { leadsToFeed, MAX_QUEUED, partsOf } from "../../../src/campaigns/plan.ts";

const supply = { devices: 10, minDelaySeconds: 5, maxDelaySeconds: 15, hourlyCeiling: null, claimBatch: 10_000 };
const empty = { queued: 0, free: 0, kept: [] };

test("the queue is filled up to what the devices can send in half a minute", () => {
  expect(leadsToFeed(supply, empty)).toBe(30);
  expect(leadsToFeed(supply, { ...empty, queued: 20, free: 20 })).toBe(10);
  expect(leadsToFeed(supply, { ...empty, queued: 40, free: 40 })).toBe(0);
});

test("nobody is fed to a fleet that can't send", () => {
  expect(leadsToFeed({ ...supply, devices: 0 }, empty)).toBe(0);
});

test("never more than two cycles of the dispatcher take, nor more than the hour has room for", () => {
  expect(leadsToFeed({ ...supply, devices: 3000, minDelaySeconds: 0, maxDelaySeconds: 0 }, empty)).toBe(20_000);
  expect(leadsToFeed({ ...supply, hourlyCeiling: 600 }, empty)).toBe(5);
});

test("what a device has to itself counts as far as it can send it", () => {
  expect(leadsToFeed(supply, { queued: 500, free: 0, kept: [500] })).toBe(27);
});

test("what can't go now does not fill the queue without bound", () => {
  expect(leadsToFeed(supply, { queued: MAX_QUEUED, free: 0, kept: [] })).toBe(0);
});

test("zones get their parts by whom they have to come, and never more", () => {
  expect(partsOf([{ laneId: 1, unfed: 90 }, { laneId: 2, unfed: 10 }], 20)).toEqual([{ laneId: 1, leads: 18 }, { laneId: 2, leads: 2 }]);
  expect(partsOf([{ laneId: 1, unfed: 3 }, { laneId: 2, unfed: 1 }], 20)).toEqual([{ laneId: 1, leads: 3 }, { laneId: 2, leads: 1 }]);
  expect(partsOf([{ laneId: 1, unfed: 3 }], 0)).toEqual([]);
});
