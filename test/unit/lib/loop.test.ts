import { expect, test } from "vitest";
import { createLoop } from "../../../src/lib/loop.ts";
import { createManualClock } from "../../support/clocks.ts";

/** A loop whose cycles take `takesMs`. */
function rig({ takesMs = 0, fail = false } = {}) {
  const clock = createManualClock();
  const begun: number[] = [];
  const errors: unknown[] = [];
  let running = 0;
  let mostAtOnce = 0;
  const cycle = async () => {
    begun.push(clock.monotonic());
    mostAtOnce = Math.max(mostAtOnce, (running += 1));
    if (takesMs > 0) await new Promise<void>((resolve) => void clock.setTimeout(resolve, takesMs));
    running -= 1;
    if (fail) throw new Error("cycle");
  };
  return { clock, begun, errors, mostAtOnce: () => mostAtOnce, loop: createLoop({ cycle, intervalMs: 100, clock, onError: (error) => errors.push(error) }) };
}

test("runs at once, and then the interval after each cycle's end", async () => {
  const { clock, loop, begun } = rig({ takesMs: 30 });
  loop.start();
  loop.start();
  await clock.advance(270);
  expect(begun).toEqual([0, 130, 260]);
});

test("never runs two cycles at a time, and joins the one that runs", async () => {
  const { clock, loop, begun, mostAtOnce } = rig({ takesMs: 30 });
  loop.start();
  await clock.advance(10);
  const joined = Promise.all([loop.runOnce(), loop.runOnce()]);
  await clock.advance(20);
  await joined;
  expect([begun, mostAtOnce()]).toEqual([[0], 1]);
});

test("tells of a cycle that fails, and runs the next", async () => {
  const { clock, loop, begun, errors } = rig({ fail: true });
  loop.start();
  await clock.advance(100);
  expect(begun).toEqual([0, 100]);
  expect(errors).toHaveLength(2);
  await loop.runOnce();
  expect(errors).toHaveLength(3);
});

test("stops at once where it waits, and after the cycle where one runs; stopping twice is no matter", async () => {
  const { clock, loop, begun } = rig({ takesMs: 30 });
  loop.start();
  await clock.advance(10);
  let stopped = false;
  const stopping = Promise.all([loop.stop(), loop.stop()]).then(() => (stopped = true));
  await clock.advance(19);
  expect(stopped).toBe(false);
  await clock.advance(1);
  await stopping;
  await clock.advance(1000);
  expect([begun, clock.pending()]).toEqual([[0], 0]);
});

test("is woken out of its wait, once for many calls", async () => {
  const { clock, loop, begun } = rig();
  loop.start();
  await clock.advance(40);
  loop.wake();
  loop.wake();
  await clock.advance(10);
  expect(begun).toEqual([0, 40]);
});

test("runs once more where it is woken during a cycle: that may have looked before the news came", async () => {
  const { clock, loop, begun } = rig({ takesMs: 30 });
  loop.start();
  await clock.advance(10);
  loop.wake();
  await clock.advance(30);
  expect(begun).toEqual([0, 30]);
});

test("is not woken once it is stopped", async () => {
  const { clock, loop, begun } = rig();
  loop.start();
  await clock.advance(0);
  await loop.stop();
  loop.wake();
  await clock.advance(1000);
  expect(begun).toEqual([0]);
});

test.each(Array.from({ length: 12 }, (_, turns) => turns))("hears of news at its cycle's end, %i turns after it", async (turns) => {
  const clock = createManualClock();
  let cycles = 0;
  const wakeLater = async () => {
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    loop.wake();
  };
  const cycle = async () => {
    cycles += 1;
    if (cycles === 1) void wakeLater();
  };
  const loop = createLoop({ cycle, intervalMs: 100, clock, onError: () => {} });
  loop.start();
  await clock.advance(50);
  expect(cycles).toBe(2);
});
