import { expect, test } from "vitest";
import { createBatcher } from "../../../src/lib/batcher.ts";
import { createManualClock } from "../../support/clocks.ts";

function rig(run: () => Promise<void> = async () => {}) {
  const clock = createManualClock();
  const batches: (readonly number[])[] = [];
  const add = createBatcher<number>({ clock, waitMs: 5, most: 3, atOnce: 2, patienceMs: 100, run: (batch) => (batches.push(batch), run()) });
  return { clock, batches, add };
}

/** Batches that end when they are told to. */
function heldRig() {
  const ends: (() => void)[] = [];
  return { ...rig(() => new Promise((resolve) => ends.push(resolve))), ends };
}

test("gathers what comes within its wait into one batch", async () => {
  const { clock, batches, add } = rig();
  add(1);
  await clock.advance(4);
  add(2);
  expect(batches).toEqual([]);
  await clock.advance(1);
  expect(batches).toEqual([[1, 2]]);
});

test("begins a new wait with what comes after that", async () => {
  const { clock, batches, add } = rig();
  add(1);
  await clock.advance(5);
  add(2);
  await clock.advance(4);
  expect(batches).toEqual([[1]]);
  await clock.advance(1);
  expect(batches).toEqual([[1], [2]]);
  expect(clock.pending()).toBe(0);
});

test("runs no more than the most in one batch, and another beside it; the rest when one of them has ended", async () => {
  const { clock, batches, add, ends } = heldRig();
  for (let item = 1; item <= 7; item++) add(item);
  await clock.advance(5);
  expect(batches).toEqual([[1, 2, 3], [4, 5, 6]]);
  add(8);
  ends[1]?.();
  await clock.advance(0);
  expect(batches).toEqual([[1, 2, 3], [4, 5, 6], [7, 8]]);
});

test("what comes when a batch has ended waits for company again", async () => {
  const { clock, batches, add } = rig();
  for (let item = 1; item <= 4; item++) add(item);
  await clock.advance(5);
  add(5);
  await clock.advance(4);
  expect(batches).toEqual([[1, 2, 3], [4]]);
  await clock.advance(1);
  expect(batches).toEqual([[1, 2, 3], [4], [5]]);
  await clock.advance(0);
  expect(clock.pending()).toBe(0);
});

test("batches that are stuck hold up nobody for long, and take nobody's place when they end", async () => {
  const { clock, batches, add, ends } = heldRig();
  for (let item = 1; item <= 7; item++) add(item);
  await clock.advance(104);
  expect(batches).toHaveLength(2);
  await clock.advance(1);
  expect(batches).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
  for (const end of ends) end();
  await expect.poll(() => clock.pending()).toBe(0);
  for (let item = 8; item <= 16; item++) add(item);
  await clock.advance(5);
  expect(batches.slice(3)).toEqual([[8, 9, 10], [11, 12, 13]]);
});
