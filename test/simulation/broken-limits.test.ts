// The test of the test: limits that are counted in fixed hours let twice as much through within one, and must be caught.

import { expect, onTestFinished, test, vi } from "vitest";
import type { Limit } from "../../src/devices/limits.ts";
import { firstProblem } from "./caught.ts";
import { startSimulatedDatabase } from "./database.ts";

vi.mock(import("../../src/devices/limits.ts"), async (original) => {
  const real = await original();
  const inBucket = (attempts: readonly number[], { windowMs }: Limit, now: number) => attempts.filter((at) => Math.floor(at / windowMs) === Math.floor(now / windowMs)).length;
  const endOfBucket = (windowMs: number, now: number) => (Math.floor(now / windowMs) + 1) * windowMs;
  return {
    ...real,
    createAttemptWindow(sendDeadlineMs: number, history: readonly number[] = []) {
      const window = real.createAttemptWindow(sendDeadlineMs, history);
      const attempts = [...history];
      return {
        ...window,
        record(at: number) {
          attempts.push(at);
          window.record(at);
        },
        nextAttemptAt: (limits: readonly Limit[], now: number) => Math.max(now, ...limits.filter((limit) => inBucket(attempts, limit, now) >= limit.attempts).map((limit) => endOfBucket(limit.windowMs, now))),
        room: (limits: readonly Limit[], now: number) => Math.max(0, Math.min(...limits.map((limit) => limit.attempts - inBucket(attempts, limit, now)))),
      };
    },
  };
});

test("is caught: limits that are counted in fixed hours", { timeout: 600_000 }, async () => {
  const database = await startSimulatedDatabase();
  onTestFinished(() => database.stop());
  expect(await firstProblem(database, 1, {})).toEqual({ seed: expect.any(Number), problem: expect.stringMatching(/^P4: device/) });
});
