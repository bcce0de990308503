import { fc, test as property } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { type Devices, type Opening, planCapacity, type Stage } from "../../../src/sequences/capacity.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../../src/lib/clock.ts";

const START = Date.UTC(2030, 0, 1);
const HORIZON = START + 400 * DAY_MS;
const ALWAYS: readonly Opening[] = [{ from: -Infinity, until: Infinity }];
/** Every day at 09:00, for so many minutes. */
const daily = (minutes: number): Opening[] => Array.from({ length: 410 }, (_, day) => ({ from: START + day * DAY_MS + 9 * HOUR_MS, until: START + day * DAY_MS + 9 * HOUR_MS + minutes * MINUTE_MS }));

const stages = (count: number, more: Partial<Stage> = {}): Stage[] => {
  const openings = more.openings ?? ALWAYS;
  const first = openings[0]?.from === -Infinity ? START : (openings[0]?.from ?? 0);
  return Array.from({ length: count }, (_, n) => ({ sequenceId: "s", dueAt: first + n * DAY_MS, leastGapMs: HOUR_MS, paceMs: 20 * SECOND_MS, openings, isScheduled: openings !== ALWAYS, ...more }));
};
const fleet = (count: number, more: Partial<Devices> = {}): Devices => ({ count, hourlyLimit: 80 * count, dailyLimit: 800 * count, hourlyCeiling: null, ...more });

describe("without a window", () => {
  test("80 an hour and 800 a day and device are taken", () => {
    const { periods, finishesAt, missingDevices } = planCapacity(stages(1), 2000, fleet(1), START, HORIZON);
    expect(periods[0]).toMatchObject({ due: 2000, taken: 800, capacity: 800, missingDevices: 2 });
    expect(missingDevices).toBe(2);
    // 800, 800 and 400 at 80 an hour.
    const hours = ((finishesAt ?? 0) - START) / HOUR_MS;
    expect(hours).toBeGreaterThan(48 + 4);
    expect(hours).toBeLessThan(48 + 6);
  });

  test("the workspace's hourly ceiling is in the way of more devices", () => {
    const { finishesAt, isCeilingInTheWay } = planCapacity(stages(1), 2400, fleet(10, { hourlyCeiling: 50 }), START, HORIZON);
    expect(isCeilingInTheWay).toBe(true);
    expect(((finishesAt ?? 0) - START) / HOUR_MS).toBeGreaterThan(46);
  });

  test("those that were taken late get the next message late, and no closer than the least gap", () => {
    const two = stages(2).map((stage, n) => ({ ...stage, dueAt: START + n * HOUR_MS }));
    const { finishesAt } = planCapacity(two, 160, fleet(1), START, HORIZON);
    // 160 first messages take two hours, and so do the second ones, which have to stand in the same line.
    expect(((finishesAt ?? 0) - START) / HOUR_MS).toBeGreaterThan(3);
    expect(((finishesAt ?? 0) - START) / HOUR_MS).toBeLessThan(5);
  });
});

describe("in a window of ten minutes", () => {
  test("29 messages a device go out with 20 s between them, and the rest waits for the next day", () => {
    const { periods, finishesAt, missingDevices } = planCapacity(stages(1, { openings: daily(10) }), 100, fleet(1), START, HORIZON);
    expect(periods[0]).toMatchObject({ due: 100, taken: 29, capacity: 30 });
    expect(missingDevices).toBe(3);
    expect(Math.floor(((finishesAt ?? 0) - START) / DAY_MS)).toBe(3);
  });

  test("no more than the hour's limit, however long it is and quick they are", () => {
    const { periods } = planCapacity(stages(1, { openings: daily(50), paceMs: 0 }), 100, fleet(1), START, HORIZON);
    expect(periods[0]).toMatchObject({ due: 100, taken: 80, capacity: 80, missingDevices: 1 });
  });
});

test("without a device nothing ends, and what is missing is said", () => {
  expect(planCapacity(stages(3, { openings: daily(10) }), 100, fleet(0), START, HORIZON)).toMatchObject({ finishesAt: null, missingDevices: 4, periods: [{ due: 100, taken: 0, capacity: 0, missingDevices: 4 }] });
});

test("what does not end before the horizon has no finish date", () => {
  expect(planCapacity(stages(1, { openings: daily(10) }), 1_000_000, fleet(1), START, START + 30 * DAY_MS).finishesAt).toBeNull();
});

test("what ends after years, but before the horizon, has a finish date", () => {
  const { finishesAt } = planCapacity(stages(1), 1_200_000, fleet(1), START, START + 3650 * DAY_MS);
  // 800 a day.
  expect(Math.floor(((finishesAt ?? 0) - START) / DAY_MS)).toBe(1499);
});

test("of a way without messages there is nothing to do", () => {
  expect(planCapacity([], 100, fleet(1), START, HORIZON)).toEqual({ periods: [], finishesAt: null, missingDevices: 0, isCeilingInTheWay: false });
});

const plans = fc.record({
  count: fc.integer({ min: 1, max: 4 }),
  minutes: fc.constantFrom(null, 5, 10, 45, 90),
  devices: fc.integer({ min: 1, max: 5 }),
  leads: fc.integer({ min: 1, max: 3000 }),
  paceMs: fc.constantFrom(0, 5_000, 20_000, 120_000),
  ceiling: fc.constantFrom(null, 40, 500),
});

property.prop([plans], { numRuns: 60 })("every message is taken once, never more than the devices can, and with enough of them in time", ({ count, minutes, devices, leads, paceMs, ceiling }) => {
  const openings = minutes === null ? ALWAYS : daily(minutes);
  const way = stages(count, { openings, paceMs });
  const plan = planCapacity(way, leads, fleet(devices, { hourlyCeiling: ceiling }), START, HORIZON);
  for (const { taken, due, capacity } of plan.periods) {
    expect(taken).toBeLessThanOrEqual(due);
    // Each device begins anew at each step of the clock: one more for each of these, at most.
    if (minutes !== null) expect(taken).toBeLessThanOrEqual(capacity + devices * Math.ceil(minutes / 10));
  }
  if (plan.finishesAt === null) return;
  expect(plan.periods.reduce((sum, { taken }) => sum + taken, 0)).toBe(count * leads);
  expect(plan.finishesAt).toBeGreaterThanOrEqual(way.at(-1)?.dueAt ?? 0);
  if (plan.isCeilingInTheWay) return;
  const enough = planCapacity(way, leads, fleet(devices + plan.missingDevices + 1), START, HORIZON);
  const late = (enough.finishesAt ?? Infinity) - (way.at(-1)?.dueAt ?? 0);
  expect(late).toBeLessThanOrEqual(minutes === null ? DAY_MS : minutes * MINUTE_MS + DAY_MS);
});
