import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { seededRandom } from "../../../src/lib/random.ts";
import { drawVariation, inSmall, punctuate, PUNCTUATIONS, UNVARIED, type Variation } from "../../../src/messages/variation.ts";
import { parseTemplate } from "../../../src/messages/template.ts";

const STOP: Variation = { ...UNVARIED, hasFullStop: true };
const COMMA: Variation = { ...UNVARIED, hasComma: true };
const BOTH: Variation = { ...STOP, hasComma: true };

test("a full stop is drawn for 30 % of the flows, a comma for 20 %, a small letter for 20 %, each whatever the others are", () => {
  const flows = 20_000;
  const share = (counts: (variation: Variation) => boolean) => drawn.filter(counts).length / flows;
  const drawn = Array.from({ length: flows }, (_, n) => drawVariation(seededRandom(`0198c7e2-0000-7000-8000-${String(n).padStart(12, "0")} variation`)));
  expect(share(({ hasFullStop }) => hasFullStop)).toBeCloseTo(0.3, 1);
  expect(share(({ hasComma }) => hasComma)).toBeCloseTo(0.2, 1);
  expect(share(({ isSmall }) => isSmall)).toBeCloseTo(0.2, 1);
  expect(share(({ hasFullStop, hasComma }) => hasFullStop && hasComma)).toBeCloseTo(0.06, 1);
  expect(share(({ hasFullStop, hasComma, isSmall }) => hasFullStop && hasComma && isSmall)).toBeGreaterThan(0.006);
});

describe("punctuate", () => {
  test.each([
    [STOP, "See you", "See you."],
    [STOP, "See you at 8", "See you at 8."],
    [STOP, "Jumpa lagi, Cik Nor'ain", "Jumpa lagi, Cik Nor'ain."],
    [STOP, "See you!", "See you!"],
    [STOP, "See you 😀", "See you 😀"],
    [STOP, "*See you*", "*See you*"],
    [STOP, "See https://kedai.my/a", "See https://kedai.my/a"],
    [STOP, "See kedai.my", "See kedai.my"],
    [STOP, "Write to me@kedai", "Write to me@kedai"],
    [STOP, "", ""],
    [COMMA, "Hi Aisha\n\nSee you", "Hi Aisha,\n\nSee you"],
    [COMMA, "Hi Aisha\r\n\r\nSee you", "Hi Aisha,\r\n\r\nSee you"],
    [COMMA, "Hi Aisha!\n\nSee you", "Hi Aisha!\n\nSee you"],
    [COMMA, "See kedai.my\n\nnow", "See kedai.my\n\nnow"],
    [COMMA, "Hi Aisha\nSee you", "Hi Aisha\nSee you"],
    [COMMA, "Menu\nnasi\n\nSee you", "Menu\nnasi\n\nSee you"],
    [COMMA, "See you", "See you"],
    [BOTH, "Hi Aisha\n\nSee you", "Hi Aisha,\n\nSee you."],
    [UNVARIED, "Hi Aisha\n\nSee you", "Hi Aisha\n\nSee you"],
  ])("with %j makes of %j: %j", (variation, text, expected) => expect(punctuate(text, variation)).toBe(expected));

  const line = fc.string({ unit: fc.oneof(fc.constantFrom("a", "é", "9", " ", ".", ",", "/", "😀", "\n", "\n\n", "\r\n"), fc.string({ unit: "grapheme", maxLength: 1 })) });

  test.prop([line, fc.constantFrom(...PUNCTUATIONS)])("adds one comma and one full stop at most, and nothing else", (text, variation) => {
    const varied = punctuate(text, variation);
    const stop = variation.hasFullStop && varied.endsWith(".") && !text.endsWith(".");
    const rest = stop ? varied.slice(0, -1) : varied;
    if (rest === text) return;
    const at = [...text].findIndex((_, index) => [...rest][index] !== [...text][index]);
    expect([...rest][at]).toBe(",");
    expect([...rest].toSpliced(at, 1).join("")).toBe(text);
    expect(variation.hasComma).toBe(true);
  });

  test.each(["a", "a ", " ", "a.", "\n", "a\n", "\r\n", "aé9"])("reads 8,192 characters of %j in linear time", (piece) => {
    const text = piece.repeat(8192).slice(0, 8192);
    const start = performance.now();
    for (let i = 0; i < 20; i++) punctuate(text, BOTH);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe("inSmall", () => {
  test.each([
    ["Selamat pagi", "selamat pagi"],
    ["☀️ Selamat", "☀️ selamat"],
    ["{Hi|Hello|{Hai|APA}} {{name}}", "{hi|hello|{hai|APA}} {{name}}"],
    ["{{name}}, Hi", "{{name}}, Hi"],
    ["selamat Pagi", "selamat Pagi"],
    ["SELAMAT", "SELAMAT"],
    ["A friend", "a friend"],
    ["İyi günler", "İyi günler"],
  ])("makes of %s: %s", (text, expected) => {
    const templateOf = (of: string) => {
      const parsed = parseTemplate(of);
      return parsed.ok ? parsed.template : [];
    };
    expect(inSmall(templateOf(text))).toEqual(templateOf(expected));
  });
});
