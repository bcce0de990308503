import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { backoffMs } from "../../../src/lib/backoff.ts";
import { seededRandom } from "../../../src/lib/random.ts";

const anyBackoff = fc.record({ firstMs: fc.integer({ min: 1, max: 60_000 }), longestMs: fc.integer({ min: 60_000, max: 3_600_000 }) });

test.prop([anyBackoff, fc.integer({ min: 1, max: 1000 }), fc.string()])("no wait is longer than the longest, or shorter than half of the first", (backoff, failures, seed) => {
  const ms = backoffMs(backoff, failures, seededRandom(seed));
  expect(ms).toBeGreaterThanOrEqual(backoff.firstMs / 2);
  expect(ms).toBeLessThanOrEqual(backoff.longestMs);
});

test.prop([anyBackoff, fc.integer({ min: 1, max: 40 })])("it grows with each failure", (backoff, failures) => {
  const last = () => 0.999;
  expect(backoffMs(backoff, failures + 1, last)).toBeGreaterThanOrEqual(backoffMs(backoff, failures, last));
});

test("thousands that failed together come back spread out", () => {
  const random = seededRandom("a cut");
  const waits = Array.from({ length: 3000 }, () => backoffMs({ firstMs: 2000, longestMs: 30_000 }, 1, random));
  const perTenth = Map.groupBy(waits, (ms) => Math.floor(ms / 100));
  expect(perTenth.size).toBe(10);
  for (const group of perTenth.values()) expect(group.length).toBeLessThan(400);
});
