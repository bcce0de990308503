import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { loadScore } from "../../../src/devices/score.ts";

test.prop([fc.nat(800), fc.nat(150)])("the score is messagesHour * 0.7 + currentProcessing * 0.3", (messagesHour, currentProcessing) => {
  expect(loadScore({ messagesHour, currentProcessing })).toBeCloseTo(messagesHour * 0.7 + currentProcessing * 0.3);
});
