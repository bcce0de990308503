import { expect, test } from "vitest";
import { createDeadline } from "../../../src/lib/deadline.ts";
import { createManualClock } from "../../support/clocks.ts";

test("passes when its time is over, and not before", async () => {
  const clock = createManualClock();
  const deadline = createDeadline(clock, 1000);
  await clock.advance(999);
  expect(deadline.hasPassed()).toBe(false);
  await clock.advance(1);
  expect(deadline.hasPassed()).toBe(true);
});

test("passes by the wall clock alone: a suspended machine stops the monotonic one", () => {
  const clock = createManualClock();
  const deadline = createDeadline(clock, 1000);
  clock.setWall(1000);
  expect(deadline.hasPassed()).toBe(true);
});

test("is not put off by a wall clock that is set back", async () => {
  const clock = createManualClock();
  const deadline = createDeadline(clock, 1000);
  clock.setWall(-3_600_000);
  await clock.advance(1000);
  expect(deadline.hasPassed()).toBe(true);
});
