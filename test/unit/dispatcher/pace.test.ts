import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { averageGapMs, gapMs } from "../../../src/dispatcher/pace.ts";
import { seededRandom } from "../../../src/lib/random.ts";

const paces = fc
  .tuple(fc.nat(86_400), fc.nat(86_400))
  .map(([a, b]) => ({ minDelaySeconds: Math.min(a, b), maxDelaySeconds: Math.max(a, b) }));

describe("gapMs", () => {
  test.prop([paces, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })])("lies between minimum and maximum", (pace, random) => {
    const gap = gapMs(pace, () => random);
    expect(Number.isInteger(gap)).toBe(true);
    expect(gap).toBeGreaterThanOrEqual(pace.minDelaySeconds * 1000);
    expect(gap).toBeLessThanOrEqual(pace.maxDelaySeconds * 1000);
  });

  test("reaches both ends", () => {
    const pace = { minDelaySeconds: 10, maxDelaySeconds: 30 };
    expect([gapMs(pace, () => 0), gapMs(pace, () => 1 - 2 ** -32)]).toEqual([10_000, 30_000]);
  });

  test.prop([fc.string()])("is spread evenly", (seed) => {
    const random = seededRandom(seed);
    const pace = { minDelaySeconds: 5, maxDelaySeconds: 15 };
    const gaps = Array.from({ length: 4000 }, () => gapMs(pace, random));
    for (const from of [5000, 7500, 10_000, 12_500]) {
      expect(Math.abs(gaps.filter((gap) => gap >= from && gap < from + 2500).length - 1000)).toBeLessThan(200);
    }
    expect(Math.abs(gaps.reduce((sum, gap) => sum + gap) / gaps.length - averageGapMs(pace))).toBeLessThan(250);
  });
});
