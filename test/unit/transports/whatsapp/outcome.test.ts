import { expect, test } from "vitest";
import { isRestriction, outcomeOfAck } from "../../../../src/transports/whatsapp/outcome.ts";

const at = new Date("2026-11-25T10:00:00Z");

test("an acknowledgement without an error is the server's word that it has the message", () => {
  expect(outcomeOfAck(undefined, at)).toEqual({ kind: "accepted", at });
});

test.each([
  ["463", "DEVICE_RESTRICTED"],
  ["429", "RATE_LIMITED"],
  ["479", "REJECTED"],
  ["500", "REJECTED"],
])("%s is a refusal: %s", (error, code) => {
  expect(outcomeOfAck(error, at)).toMatchObject({ kind: "refused", code });
});

test("463 alone is a restriction", () => {
  expect(["463", "429", "479", "500", undefined].filter(isRestriction)).toEqual(["463"]);
});
