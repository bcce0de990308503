import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { attemptsWithin, createAttemptWindow, limitsOf, nextAttemptAt, type Limit } from "../../../src/devices/limits.ts";
import { DAY_MS, HOUR_MS, SECOND_MS } from "../../../src/lib/clock.ts";

const DEADLINE_MS = 10 * SECOND_MS;

type Wish = { readonly at: number; readonly lateMs: number };

/** Wishes come in bursts, and some sends take as long as they may: that is when limits are broken. */
const wishes = fc.array(
  fc.record({
    at: fc.oneof(fc.nat(DAY_MS), fc.nat(60 * SECOND_MS)),
    lateMs: fc.oneof(fc.constantFrom(0, DEADLINE_MS), fc.nat(DEADLINE_MS)),
  }),
  { maxLength: 300 },
);

/** Attempts each wish as soon as the limits allow; when each of them reached the wire. */
function sendAll(all: readonly Wish[], limits: readonly Limit[]): number[] {
  const window = createAttemptWindow(DEADLINE_MS);
  let now = 0;
  return all
    .toSorted((a, b) => a.at - b.at)
    .map(({ at, lateMs }) => {
      now = window.nextAttemptAt(limits, Math.max(now, at));
      window.record(now);
      return now + lateMs;
    });
}

function mostInAnyWindow(times: readonly number[], windowMs: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return Math.max(0, ...sorted.map((time) => sorted.filter((other) => other >= time && other < time + windowMs).length));
}

describe("nextAttemptAt", () => {
  test.prop([wishes, fc.integer({ min: 1, max: 80 }), fc.integer({ min: 1, max: 100 })])(
    "never lets more than the limits onto the wire in any window, however late each send is",
    (all, hourlyLimit, dailyLimit) => {
      const wire = sendAll(all, limitsOf({ hourlyLimit, dailyLimit }));
      expect(wire).toHaveLength(all.length);
      expect(mostInAnyWindow(wire, HOUR_MS)).toBeLessThanOrEqual(hourlyLimit);
      expect(mostInAnyWindow(wire, DAY_MS)).toBeLessThanOrEqual(dailyLimit);
    },
  );

  test("waits until the attempt that fills the window has left it, and the send deadline on top", () => {
    const limit = { attempts: 2, windowMs: HOUR_MS };
    expect(nextAttemptAt([], limit, DEADLINE_MS, 5)).toBe(5);
    expect(nextAttemptAt([1], limit, DEADLINE_MS, 5)).toBe(5);
    expect(nextAttemptAt([1, 2, 3], limit, DEADLINE_MS, 5)).toBe(2 + HOUR_MS + DEADLINE_MS);
  });

  test("never comes for a limit of 0", () => {
    expect(nextAttemptAt([1], { attempts: 0, windowMs: HOUR_MS }, DEADLINE_MS, 5)).toBe(Infinity);
  });
});

describe("attemptsWithin", () => {
  test.prop([fc.array(fc.nat(1000)), fc.nat(500), fc.nat(1000)])("counts what looking at each counts", (times, windowMs, now) => {
    const sorted = times.toSorted((a, b) => a - b);
    expect(attemptsWithin(sorted, windowMs, now)).toBe(times.filter((time) => time > now - windowMs).length);
  });
});

describe("createAttemptWindow", () => {
  const limits = limitsOf({ hourlyLimit: 3, dailyLimit: 5 });
  const time = fc.nat(2 * DAY_MS);

  test.prop([fc.array(time), time])("has room exactly when the next attempt may be made at once", (history, now) => {
    const window = createAttemptWindow(DEADLINE_MS, history);
    expect(window.room(limits, now) > 0).toBe(window.nextAttemptAt(limits, now) === now);
  });

  test.prop([fc.array(time), time])("lets exactly as many attempts follow each other as it has room for", (history, now) => {
    const window = createAttemptWindow(DEADLINE_MS, history);
    const room = window.room(limits, now);
    for (let i = 0; i < room; i++) {
      expect(window.nextAttemptAt(limits, now)).toBe(now);
      window.record(now);
    }
    expect(window.nextAttemptAt(limits, now)).toBeGreaterThan(now);
  });

  test.prop([fc.array(fc.nat(DAY_MS))])("is the same however its attempts came: as a history, or one by one in any order", (times) => {
    const whole = createAttemptWindow(DEADLINE_MS, times);
    const grown = createAttemptWindow(DEADLINE_MS);
    for (const time of times) grown.record(time);
    const seen = ({ messagesHour, messagesToday, nextAttemptAt: next }: typeof whole) =>
      [messagesHour(DAY_MS), messagesToday(DAY_MS), next(limits, DAY_MS)];
    expect(seen(grown)).toEqual(seen(whole));
  });

  test("counts the last 60 minutes and 24 hours", () => {
    const window = createAttemptWindow(DEADLINE_MS, [0, 23.5 * HOUR_MS, 24 * HOUR_MS]);
    expect([window.messagesHour(24 * HOUR_MS), window.messagesToday(24 * HOUR_MS)]).toEqual([2, 2]);
  });

  test("forgets one attempt of that time, and nothing else", () => {
    const window = createAttemptWindow(DEADLINE_MS, [1, 2, 2]);
    window.forget(2);
    window.forget(7);
    expect(window.messagesHour(3)).toBe(2);
  });

  test("frees nothing when the clock is set back", () => {
    const window = createAttemptWindow(DEADLINE_MS, [HOUR_MS, HOUR_MS, HOUR_MS]);
    expect(window.room(limits, 0)).toBe(0);
  });
});
