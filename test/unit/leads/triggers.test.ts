import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { joinTriggers, parseTriggers, triggerProblem } from "../../../src/leads/triggers.ts";

describe("parseTriggers", () => {
  test("forgives blanks and repeats, and keeps the order", () => {
    expect(parseTriggers(" b, a ,,b,\tc\n,")).toEqual(["b", "a", "c"]);
    expect(parseTriggers(["b ", "a", "", "b"])).toEqual(["b", "a"]);
    expect(parseTriggers("")).toEqual([]);
  });

  test.prop([fc.string()])("has no word twice, none empty, none with blanks around it", (text) => {
    const words = parseTriggers(text);
    expect(new Set(words).size).toBe(words.length);
    for (const word of words) expect([word, word.trim()]).toEqual([word.trim() || "a word", word]);
  });
});

describe("joinTriggers", () => {
  const anyWords = fc.array(fc.string({ unit: "grapheme", maxLength: 120 }));

  test.prop([anyWords])("gives a text that reads back as the same words, or says what is wrong", (words) => {
    const joined = joinTriggers(words, "input", "triggers");
    if (joined.ok) {
      expect(parseTriggers(joined.value)).toEqual(parseTriggers(words));
      expect(joined.value.length).toBeLessThanOrEqual(1000);
    } else for (const error of joined.errors) expect(error.field).toEqual(["input", "triggers"]);
  });

  test.each([
    [["a,b"], "The trigger 'a,b' holds a comma, which separates triggers; write a single word such as fitness_start."],
    [["a b"], "The trigger 'a b' holds a blank or a control character; write a single word such as fitness_start."],
    [["a".repeat(101)], `The trigger '${"a".repeat(100)}…' has 101 characters; at most 100 are allowed.`],
    [
      Array.from({ length: 11 }, (_, i) => `${i}`.padStart(92, "x")),
      "The triggers have 1022 characters together; a lead holds at most 1000, commas counted.",
    ],
  ])("refuses %j", (words, message) => expect(joinTriggers(words)).toMatchObject({ ok: false, errors: [{ message }] }));
});

test.prop([fc.stringMatching(/^[\p{L}\d_.-]{1,100}$/u).filter((word) => word.length <= 100)])("a plain word has no problem", (word) => {
  expect(triggerProblem(word)).toBeUndefined();
});
