import { expect, test } from "vitest";
import { createBatcher } from "../../../src/lib/batcher.ts";
import { createManualClock } from "../../support/clocks.ts";

function rig(run: (items: readonly number[]) => Promise<readonly (number | Error)[]> = async (items) => items.map((item) => item * 10)) {
  const clock = createManualClock();
  const batches: (readonly number[])[] = [];
  const ask = createBatcher<number, number>({ clock, waitMs: 5, most: 3, atOnce: 2, patienceMs: 100, run: (items) => (batches.push(items), run(items)) });
  return { clock, batches, ask };
}

test("gathers what comes within its wait into one batch, and gives each its own result", async () => {
  const { clock, batches, ask } = rig();
  const first = ask(1);
  await clock.advance(4);
  const second = ask(2);
  expect(batches).toEqual([]);
  await clock.advance(1);
  expect(await Promise.all([first, second])).toEqual([10, 20]);
  expect(batches).toEqual([[1, 2]]);
});

test("begins a new wait with what comes after that", async () => {
  const { clock, batches, ask } = rig();
  void ask(1);
  await clock.advance(5);
  void ask(2);
  await clock.advance(4);
  expect(batches).toEqual([[1]]);
  await clock.advance(1);
  expect(batches).toEqual([[1], [2]]);
  expect(clock.pending()).toBe(0);
});

test("runs no more than the most in one batch, and another beside it; the rest when one of them has ended", async () => {
  const ends: (() => void)[] = [];
  const { clock, batches, ask } = rig((items) => new Promise((resolve) => ends.push(() => resolve(items))));
  for (let item = 1; item <= 7; item++) void ask(item);
  await clock.advance(5);
  expect(batches).toEqual([[1, 2, 3], [4, 5, 6]]);
  const eighth = ask(8);
  ends[1]?.();
  await expect.poll(() => batches).toEqual([[1, 2, 3], [4, 5, 6], [7, 8]]);
  ends[2]?.();
  expect(await eighth).toBe(8);
});

test("what comes when a batch has ended waits for company again", async () => {
  const { clock, batches, ask } = rig();
  const first = [1, 2, 3, 4].map(ask);
  await clock.advance(5);
  await Promise.all(first);
  void ask(5);
  await clock.advance(4);
  expect(batches).toEqual([[1, 2, 3], [4]]);
  await clock.advance(1);
  expect(batches).toEqual([[1, 2, 3], [4], [5]]);
  await clock.advance(0);
  expect(clock.pending()).toBe(0);
});

test("batches that are stuck hold up nobody for long, and take nobody's place when they end", async () => {
  const ends: (() => void)[] = [];
  const { clock, batches, ask } = rig((items) => new Promise((resolve) => ends.push(() => resolve(items))));
  for (let item = 1; item <= 7; item++) void ask(item);
  await clock.advance(104);
  expect(batches).toHaveLength(2);
  await clock.advance(1);
  expect(batches).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
  for (const end of ends) end();
  await expect.poll(() => clock.pending()).toBe(0);
  for (let item = 8; item <= 16; item++) void ask(item);
  await clock.advance(5);
  expect(batches.slice(3)).toEqual([[8, 9, 10], [11, 12, 13]]);
});

test("rejects only the item whose result is an error", async () => {
  const bad = new Error("bad");
  const { clock, ask } = rig(async (items) => items.map((item) => (item === 2 ? bad : item)));
  const asked = Promise.allSettled([ask(1), ask(2), ask(3)]);
  await clock.advance(5);
  expect(await asked).toEqual([
    { status: "fulfilled", value: 1 },
    { status: "rejected", reason: bad },
    { status: "fulfilled", value: 3 },
  ]);
});

test("rejects all of a batch that rejects, and none of another", async () => {
  const lost = new Error("lost");
  const { clock, ask } = rig(async (items) => (items.includes(1) ? Promise.reject(lost) : items));
  const asked = Promise.allSettled([1, 2, 3, 4].map(ask));
  await clock.advance(5);
  expect((await asked).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected", "fulfilled"]);
});
