import { describe, expect, test as plain } from "vitest";
import { fc, test } from "@fast-check/vitest";
import { estimatedFinish, fairShares, type DeviceGroup, type Outlook } from "../../../src/campaigns/estimate.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../../src/lib/clock.ts";

const ALWAYS = [[-Infinity, Infinity]] as const;
const fresh = (devices: number, limits: Partial<DeviceGroup> = {}): DeviceGroup => ({ devices, hourlyLimit: 80, dailyLimit: 800, attempts: new Map(), ...limits });
const outlook = (leads: number, devices: number, rest: Partial<Outlook> = {}): Outlook => ({
  from: 0,
  lanes: [{ leads, openings: ALWAYS }],
  groups: [fresh(devices)],
  periodMs: 10 * SECOND_MS,
  hourlyCeiling: null,
  rivals: [],
  ...rest,
});
const hours = (given: Outlook) => (estimatedFinish(given) ?? NaN) / HOUR_MS;

describe("a campaign ends", () => {
  plain("when its devices have paused between all of their messages, as long as no limit is reached", () => {
    expect(estimatedFinish(outlook(60, 1))).toBeCloseTo(10 * MINUTE_MS, -3);
    expect(estimatedFinish(outlook(45, 3))).toBeCloseTo(150 * SECOND_MS, -3);
  });

  plain("after an hour for each further 80 of a device", () => {
    expect(hours(outlook(160, 1))).toBeCloseTo(1 + 80 / 360, 1);
    expect(hours(outlook(800, 2))).toBeCloseTo(4 + 80 / 360, 1);
  });

  plain("after a day for each further 800 of a device", () => {
    expect(hours(outlook(1600, 1))).toBeCloseTo(24 + 9.2, 0);
  });

  plain("later, where the devices have sent before", () => {
    const attempts = new Map([[10, 80]]); // all that the hour has room for, ten minutes ago
    expect(hours(outlook(80, 1, { groups: [fresh(1, { attempts })] }))).toBeCloseTo((50 * MINUTE_MS + 800 * SECOND_MS) / HOUR_MS, 1);
  });

  plain("by the hourly ceiling, where that is lower than the devices' limits", () => {
    expect(hours(outlook(1000, 100, { hourlyCeiling: 100 }))).toBeCloseTo(9, 0);
  });

  plain("after the quiet hours", () => {
    const openings = [
      [-Infinity, 5 * MINUTE_MS],
      [8 * HOUR_MS, 20 * HOUR_MS],
    ] as const;
    expect(hours(outlook(60, 1, { lanes: [{ leads: 60, openings }] }))).toBeCloseTo(8 + 5 / 60, 1);
  });

  plain("while people of another zone sleep, with the others at all devices' pace", () => {
    const later = [[2 * HOUR_MS, Infinity]] as const;
    expect(hours(outlook(0, 1, { lanes: [{ leads: 30, openings: ALWAYS }, { leads: 30, openings: later }] }))).toBeCloseTo(2 + 5 / 60, 1);
  });

  plain("in twice the time beside another that is as large, and sooner beside one that is soon done", () => {
    const alone = hours(outlook(600, 20));
    expect(hours(outlook(600, 20, { rivals: [600] }))).toBeCloseTo(2 * alone, 1);
    expect(hours(outlook(600, 20, { rivals: [60] }))).toBeCloseTo(1.1 * alone, 1);
  });

  plain("never without a device, or without a time to send", () => {
    expect(estimatedFinish(outlook(1, 0))).toBeNull();
    expect(estimatedFinish(outlook(1, 1, { lanes: [{ leads: 1, openings: [] }] }))).toBeNull();
  });

  plain("beyond what is played forward at the average that it has come to", () => {
    expect(hours(outlook(800 * 365, 1)) / 24).toBeCloseTo(365, -1);
  });

  plain("at once where nobody waits", () => {
    expect(estimatedFinish(outlook(0, 1))).toBe(0);
  });
});

/** Message by message, each device by itself, at its exact limits. */
function played(leads: number, devices: number, periodMs: number): number {
  const attempts: number[][] = Array.from({ length: devices }, () => []);
  let last = 0;
  for (let n = 0; n < leads; n++) {
    const next = attempts.map((made) => Math.max((made.at(-1) ?? -periodMs) + periodMs, (made.at(-80) ?? -Infinity) + HOUR_MS, (made.at(-800) ?? -Infinity) + DAY_MS));
    const first = next.indexOf(Math.min(...next));
    attempts[first]?.push(next[first] ?? 0);
    last = Math.max(last, next[first] ?? 0);
  }
  return last + periodMs;
}

test.prop([fc.integer({ min: 1, max: 2500 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1000, max: 60_000 })])(
  "is within a twentieth, or two minutes, of what devices do that keep to each limit message by message",
  (leads, devices, periodMs) => {
    const truth = played(leads, devices, periodMs);
    const estimate = estimatedFinish(outlook(leads, devices, { periodMs })) ?? NaN;
    expect(Math.abs(estimate - truth)).toBeLessThan(Math.max(truth / 20, 2 * MINUTE_MS + periodMs));
  },
);

test.prop([fc.double({ min: 0, max: 1000, noNaN: true }), fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 1, maxLength: 6 })])(
  "shares give no more than there is or is wanted, and leave nothing over while anybody wants",
  (room, wants) => {
    const shares = fairShares(room, wants);
    const total = shares.reduce((sum, share) => sum + share, 0);
    expect(total).toBeCloseTo(Math.min(room, wants.reduce((sum, want) => sum + want, 0)), 3);
    shares.forEach((share, index) => expect(share).toBeLessThanOrEqual((wants[index] ?? 0) + 1e-6));
  },
);
