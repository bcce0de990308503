import { expect, test } from "vitest";
import { reactionTo } from "../../../../src/transports/whatsapp/disconnects.ts";

test.each([
  [401, "LOGGED_OUT", "never"],
  [403, "BANNED", "never"],
  [405, "OFFLINE", "never"],
  [440, "REPLACED", "never"],
  [515, "OFFLINE", "at once"],
])("%i makes it %s, and it connects again %s", (code, status, reconnect) => {
  expect(reactionTo(code)).toMatchObject({ status, reconnect });
});

test.each([408, 428, 429, 500, 503, 599])("%i is waited out, and the pairing is kept", (code) => {
  const { status, reconnect } = reactionTo(code);
  expect(status).toBe("OFFLINE");
  expect(reconnect).toEqual({ firstMs: expect.any(Number), longestMs: expect.any(Number) });
});

test("only an outdated client is so for all devices", () => {
  const all = Array.from({ length: 600 }, (_, code) => code);
  expect(all.filter((code) => reactionTo(code).isForAll)).toEqual([405]);
});

test("a broken network is tried again sooner than a service that asks for rest", () => {
  const first = (code: number) => {
    const { reconnect } = reactionTo(code);
    return typeof reconnect === "string" ? NaN : reconnect.firstMs;
  };
  expect(first(428)).toBeLessThan(first(503));
  expect(first(503)).toBeLessThan(first(429));
});
