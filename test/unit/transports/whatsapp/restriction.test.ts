import { expect, test } from "vitest";
import { DAY_MS, HOUR_MS } from "../../../../src/lib/clock.ts";
import { createRestriction } from "../../../../src/transports/whatsapp/restriction.ts";
import { createManualClock } from "../../../support/clocks.ts";

function rig(inMs: number | null = null) {
  const clock = createManualClock();
  let ended = 0;
  const at = (ms: number) => new Date(clock.now() + ms);
  const restriction = createRestriction({ clock, until: inMs === null ? null : at(inMs), onEnd: () => (ended += 1) });
  return { clock, restriction, at, ended: () => ended };
}

test("one that was known before lasts, and its end is told once", async () => {
  const { clock, restriction, ended } = rig(HOUR_MS);
  expect(restriction.until()).not.toBeNull();
  await clock.advance(HOUR_MS + 2);
  expect(restriction.until()).toBeNull();
  expect(ended()).toBe(1);
});

test("one that is over when it is read is none", async () => {
  const { clock, restriction, ended } = rig(-1);
  expect(restriction.until()).toBeNull();
  await clock.advance(DAY_MS);
  expect(ended()).toBe(0);
});

test("WhatsApp's own word moves its end, and takes it away", async () => {
  const { clock, restriction, at, ended } = rig(HOUR_MS);
  restriction.set(at(3 * HOUR_MS));
  await clock.advance(2 * HOUR_MS);
  expect([restriction.until() !== null, ended()]).toEqual([true, 0]);
  restriction.set(null);
  expect(restriction.until()).toBeNull();
  await clock.advance(DAY_MS);
  expect(ended()).toBe(0);
});

test("one whose length is not known is taken to last a day, and shortens none that is known", async () => {
  const { clock, restriction, at } = rig();
  restriction.assume();
  expect(restriction.until()).toEqual(at(DAY_MS));
  await clock.advance(DAY_MS + 1);
  const month = at(30 * DAY_MS);
  restriction.set(month);
  restriction.assume();
  expect(restriction.until()).toEqual(month);
});

test("one of months ends at its time, though no timer is that long", async () => {
  const { clock, ended } = rig(60 * DAY_MS);
  await clock.advance(59 * DAY_MS);
  expect(ended()).toBe(0);
  await clock.advance(2 * DAY_MS);
  expect(ended()).toBe(1);
});
