import { expect, test } from "vitest";
import { SECOND_MS } from "../../../../src/lib/clock.ts";
import { createAcknowledgements } from "../../../../src/transports/whatsapp/acknowledgements.ts";
import { createManualClock } from "../../../support/clocks.ts";

const at = new Date(0);

function rig() {
  const clock = createManualClock();
  let overdue = 0;
  const acknowledgements = createAcknowledgements(clock, () => (overdue += 1));
  return { clock, acknowledgements, overdue: () => overdue };
}

test("an answer that comes before the write has ended counts", async () => {
  const { acknowledgements } = rig();
  const { outcome } = acknowledgements.expect("a");
  expect(acknowledgements.settle("a", { kind: "accepted", at })).toBe(true);
  acknowledgements.written("a");
  expect(await outcome).toEqual({ kind: "accepted", at });
});

test("half a minute after the write without an answer the outcome is unknown, and the connection suspect", async () => {
  const { clock, acknowledgements, overdue } = rig();
  const { outcome } = acknowledgements.expect("a");
  acknowledgements.written("a");
  await clock.advance(29 * SECOND_MS);
  expect(overdue()).toBe(0);
  await clock.advance(2 * SECOND_MS);
  expect(await outcome).toMatchObject({ kind: "unknown" });
  expect(overdue()).toBe(1);
  expect(acknowledgements.settle("a", { kind: "accepted", at })).toBe(false);
});

test("what was answered in time raises no suspicion later", async () => {
  const { clock, acknowledgements, overdue } = rig();
  acknowledgements.expect("a");
  acknowledgements.written("a");
  acknowledgements.settle("a", { kind: "accepted", at });
  await clock.advance(60 * SECOND_MS);
  expect(overdue()).toBe(0);
});

test("with the connection all that waits ends as unknown, but not what was never written", async () => {
  const { acknowledgements } = rig();
  const first = acknowledgements.expect("a");
  const second = acknowledgements.expect("b");
  second.forget();
  acknowledgements.written("a");
  acknowledgements.endAll("It broke.");
  expect(await first.outcome).toEqual({ kind: "unknown", message: "It broke." });
  expect(await Promise.race([second.outcome, Promise.resolve("nothing")])).toBe("nothing");
});
