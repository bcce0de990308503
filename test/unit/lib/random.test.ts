import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { seededRandom } from "../../../src/lib/random.ts";

const draw = (seed: string, count: number) => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, random);
};

test.prop([fc.string()])("the same seed gives the same numbers, all from 0 to below 1", (seed) => {
  const numbers = draw(seed, 50);
  expect(draw(seed, 50)).toEqual(numbers);
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
});

test("seeds that differ in one character give other numbers", () => {
  const first = Array.from({ length: 1000 }, (_, n) => draw(`0190f000-0000-7000-8000-${String(n).padStart(12, "0")}`, 1)[0]);
  expect(new Set(first).size).toBeGreaterThan(990);
});

test("the numbers are spread evenly, over one seed and over the first of many", () => {
  for (const numbers of [draw("one", 20_000), Array.from({ length: 20_000 }, (_, n) => draw(`seed ${n}`, 1)[0] ?? 0)]) {
    const shares = Array.from({ length: 10 }, (_, tenth) => numbers.filter((number) => Math.floor(number * 10) === tenth).length);
    for (const share of shares) expect(Math.abs(share - 2000)).toBeLessThan(200);
  }
});
