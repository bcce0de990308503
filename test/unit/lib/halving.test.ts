import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { inHalves } from "../../../src/lib/halving.ts";

class DataError extends Error {}
const isDataError = (error: unknown) => error instanceof DataError;

test.prop([fc.array(fc.boolean(), { maxLength: 200 })])("of any batch the bad items alone fail, each in its place, and the good ones run once", async (bad) => {
  const ran: number[] = [];
  const items = bad.map((isBad, index) => ({ isBad, index }));
  const results = await inHalves(
    items,
    async (some) => {
      if (some.some(({ isBad }) => isBad)) throw new DataError("bad");
      ran.push(...some.map(({ index }) => index));
      return some.map(({ index }) => index);
    },
    isDataError,
  );
  expect(results.map((result) => (result instanceof DataError ? "bad" : result))).toEqual(items.map(({ isBad, index }) => (isBad ? "bad" : index)));
  expect(ran.toSorted((a, b) => a - b)).toEqual(items.filter(({ isBad }) => !isBad).map(({ index }) => index));
});

test("finds one bad item of 2,000 in a few runs", async () => {
  let runs = 0;
  const items = Array.from({ length: 2000 }, (_, n) => n);
  const results = await inHalves(
    items,
    async (some) => {
      runs += 1;
      if (some.includes(1234)) throw new DataError("bad");
      return some;
    },
    isDataError,
  );
  expect(results.filter((result) => result instanceof Error)).toHaveLength(1);
  expect(runs).toBeLessThan(25);
});

test("an error that is not the data's rejects the whole batch", async () => {
  const lost = new Error("connection lost");
  await expect(inHalves([1, 2, 3], async () => Promise.reject(lost), isDataError)).rejects.toBe(lost);
});
