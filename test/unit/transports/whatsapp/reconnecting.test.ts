import { describe, expect, test } from "vitest";
import { SECOND_MS } from "../../../../src/lib/clock.ts";
import { seededRandom } from "../../../../src/lib/random.ts";
import { createConnectGate } from "../../../../src/transports/whatsapp/connect-gate.ts";
import { createReconnecting } from "../../../../src/transports/whatsapp/reconnecting.ts";
import { createManualClock } from "../../../support/clocks.ts";

const BACKOFF = { firstMs: 2 * SECOND_MS, longestMs: 30 * SECOND_MS };

function rig() {
  const clock = createManualClock();
  const gate = createConnectGate(clock, 20);
  let connects = 0;
  const reconnecting = createReconnecting({ clock, random: seededRandom("x"), gate, connect: () => (connects += 1) });
  return { clock, gate, reconnecting, connects: () => connects };
}

describe("the gate", () => {
  test("lets twenty a second through, and the last of three thousand within two and a half minutes", async () => {
    const { clock, gate } = rig();
    const at: number[] = [];
    for (let n = 0; n < 3000; n++) gate.enter(() => at.push(clock.monotonic()));
    await clock.advance(SECOND_MS);
    expect(at.length).toBeGreaterThanOrEqual(20);
    expect(at.length).toBeLessThanOrEqual(21);
    await clock.advance(149 * SECOND_MS);
    expect(at).toHaveLength(3000);
  });

  test("makes up for half a second that its process was late, and for no more of it", async () => {
    const clock = createManualClock();
    let lateMs = 0;
    const gate = createConnectGate({ ...clock, monotonic: () => clock.monotonic() + lateMs }, 20);
    let entered = 0;
    for (let n = 0; n < 100; n++) gate.enter(() => (entered += 1));
    await clock.advance(SECOND_MS - 1);
    expect(entered).toBe(20);
    lateMs = 10 * SECOND_MS; // the timer that fires now should have fired ten seconds ago
    await clock.advance(1);
    expect(entered).toBe(20 + 1 + 10);
  });

  test("forgets who has left the line", async () => {
    const { clock, gate } = rig();
    const entered: string[] = [];
    gate.enter(() => entered.push("a"));
    const leave = gate.enter(() => entered.push("b"));
    gate.enter(() => entered.push("c"));
    leave();
    await clock.advance(SECOND_MS);
    expect(entered).toEqual(["a", "c"]);
  });
});

describe("a device", () => {
  test("waits longer after each failure, and like a first one after a connection that stood", async () => {
    const { clock, reconnecting } = rig();
    const waits = [1, 2, 3, 4].map(() => reconnecting.again(BACKOFF));
    for (const [index, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual(1000 * 2 ** index);
      expect(wait).toBeLessThanOrEqual(2000 * 2 ** index);
    }
    reconnecting.opened();
    await clock.advance(31 * SECOND_MS);
    expect(reconnecting.again(BACKOFF)).toBeLessThanOrEqual(2000);
  });

  test("whose connections end as soon as they are open is not taken for one that works", () => {
    const { reconnecting } = rig();
    reconnecting.again(BACKOFF);
    reconnecting.opened();
    expect(reconnecting.again(BACKOFF)).toBeGreaterThan(1999);
  });

  test("that is asked to connect anew does so at once, and a fourth time after a while", () => {
    const { reconnecting } = rig();
    expect([1, 2, 3].map(() => reconnecting.again("at once"))).toEqual([0, 0, 0]);
    expect(reconnecting.again("at once")).toBeGreaterThan(5 * SECOND_MS);
  });

  test("connects once, however often it was told to", async () => {
    const { clock, reconnecting, connects } = rig();
    reconnecting.again(BACKOFF);
    reconnecting.again(BACKOFF);
    reconnecting.now();
    await clock.advance(60 * SECOND_MS);
    expect(connects()).toBe(1);
  });

  test("does not connect any more once it is told not to, waiting or in line", async () => {
    const { clock, gate, reconnecting, connects } = rig();
    reconnecting.again(BACKOFF);
    reconnecting.cancel();
    for (let n = 0; n < 100; n++) gate.enter(() => {});
    reconnecting.now();
    reconnecting.cancel();
    await clock.advance(60 * SECOND_MS);
    expect(connects()).toBe(0);
  });
});
