import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { areQuietThroughout } from "../../../src/sequences/schedule.ts";

const DAY = 1440;
const timeOf = (minute: number) => [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, "0")).join(":");
const minute = fc.integer({ min: 0, max: DAY - 1 });

describe("areQuietThroughout", () => {
  test.prop([minute, fc.integer({ min: 1, max: DAY }), minute, minute])(
    "is true exactly where each minute of the window is a quiet one",
    (time, tolerance, start, end) => {
      fc.pre(start !== end);
      const isQuiet = (at: number) => (start < end ? at >= start && at < end : at >= start || at < end);
      const window = Array.from({ length: tolerance }, (_, n) => (time + n) % DAY);
      const quiet = { start: timeOf(start), end: timeOf(end) };
      expect(areQuietThroughout(timeOf(time), tolerance, quiet)).toBe(window.every(isQuiet));
    },
  );

  test("counts seconds, which only SQL can write", () => {
    expect(areQuietThroughout("07:50:00", 10, { start: "22:00:00", end: "08:00:00" })).toBe(true);
    expect(areQuietThroughout("07:50:30", 10, { start: "22:00:00", end: "08:00:00" })).toBe(false);
  });
});
