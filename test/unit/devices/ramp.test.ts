import { fc, test as property } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { rampedLimit, rampEndsAt } from "../../../src/devices/ramp.ts";
import { DAY_MS } from "../../../src/lib/clock.ts";

const BEGAN = new Date("2026-11-01T12:00:00Z");
const day = (days: number) => BEGAN.getTime() + days * DAY_MS;

describe("a device's limits", () => {
  test("grow as much more each day, to the whole", () => {
    const ramp = { rampDays: 9, rampBeganAt: BEGAN };
    expect([0, 0.99, 1, 4, 8.99, 9, 100].map((days) => rampedLimit(80, ramp, day(days)))).toEqual([8, 8, 16, 40, 72, 80, 80]);
    expect([0, 8.99, 9].map((days) => rampEndsAt(ramp, day(days)))).toEqual([new Date(day(9)), new Date(day(9)), null]);
  });

  test("are those of its first day until it has been online, and whole where there is no ramp", () => {
    expect(rampedLimit(80, { rampDays: 9, rampBeganAt: null }, day(50))).toBe(8);
    expect(rampEndsAt({ rampDays: 9, rampBeganAt: null }, day(50))).toBeNull();
    expect(rampedLimit(80, { rampDays: 0, rampBeganAt: null }, day(0))).toBe(80);
    expect(rampEndsAt({ rampDays: 0, rampBeganAt: BEGAN }, day(0))).toBeNull();
  });

  property.prop([fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 0, max: 90 }), fc.integer({ min: -10 * DAY_MS, max: 200 * DAY_MS }), fc.nat(30 * DAY_MS)])(
    "never shrink, and are from one to the whole, whatever the clock does",
    (limit, rampDays, age, later) => {
      const ramp = { rampDays, rampBeganAt: BEGAN };
      const [before, after] = [age, age + later].map((ms) => rampedLimit(limit, ramp, BEGAN.getTime() + ms));
      expect(before).toBeGreaterThanOrEqual(1);
      expect(after).toBeLessThanOrEqual(limit);
      expect(after).toBeGreaterThanOrEqual(before as number);
    },
  );
});
