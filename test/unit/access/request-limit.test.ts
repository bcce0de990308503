import { fc, test as property } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { createRequestLimit } from "../../../src/access/request-limit.ts";
import { MINUTE_MS } from "../../../src/lib/clock.ts";
import { createManualClock } from "../../support/clocks.ts";

test("a minute's worth may be asked at once, then at that pace; each token for itself", async () => {
  const clock = createManualClock();
  const limit = createRequestLimit(clock, 60);
  expect(await Promise.all(Array.from({ length: 61 }, () => limit.take("a")))).toEqual([...Array(60).fill(null), 1]);
  expect(await limit.take("b")).toBeNull();
  await clock.advance(999);
  expect(await limit.take("a")).toBe(1);
  await clock.advance(1);
  expect([await limit.take("a"), await limit.take("a")]).toEqual([null, 1]);
});

property.prop([fc.integer({ min: 1, max: 200 }), fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 300 })])("never more than two minutes' worth in a minute, and who waits as long as is said may ask", async (perMinute, pauses) => {
  const clock = createManualClock();
  const limit = createRequestLimit(clock, perMinute);
  const allowed: number[] = [];
  for (const pause of pauses) {
    await clock.advance(pause);
    const seconds = await limit.take("a");
    if (seconds === null) allowed.push(clock.monotonic());
    else {
      await clock.advance(1000 * seconds);
      expect(await limit.take("a")).toBeNull();
      allowed.push(clock.monotonic());
    }
  }
  for (const from of allowed) expect(allowed.filter((at) => at >= from && at < from + MINUTE_MS).length).toBeLessThanOrEqual(2 * perMinute);
});
