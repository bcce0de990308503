import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { seededRandom } from "../../../src/lib/random.ts";
import { countVariants, spin, type TextOf } from "../../../src/messages/spintax.ts";
import { parseTemplate, type Template } from "../../../src/messages/template.ts";

function templateOf(text: string): Template {
  const parsed = parseTemplate(text);
  if (!parsed.ok) throw new Error(parsed.problems.join(" "));
  return parsed.template;
}

const textOf: TextOf = (part) => (part.kind === "text" ? part.text : `<${part.name}>`);

/** Texts with choices in choices, small enough that all they can give is seen soon. */
const { choices } = fc.letrec<{ choices: string; piece: string }>((tie) => ({
  choices: fc.array(tie("piece"), { minLength: 1, maxLength: 2 }).map((pieces) => pieces.join("")),
  piece: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom("a", "b", "ab", "{{name}}"),
    fc.array(tie("choices"), { minLength: 2, maxLength: 3 }).map((alternatives) => `{${alternatives.join("|")}}`),
  ),
}));

describe("spin", () => {
  test("takes every alternative about equally often", () => {
    const template = templateOf("{a|b|c|d}");
    const seen = new Map<string, number>();
    for (let i = 0; i < 4000; i++) {
      const text = spin(template, textOf, seededRandom(`0198c7e2-0000-7000-8000-${String(i).padStart(12, "0")}`));
      seen.set(text, (seen.get(text) ?? 0) + 1);
    }
    expect([...seen.keys()].toSorted()).toEqual(["a", "b", "c", "d"]);
    for (const count of seen.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});

describe("countVariants", () => {
  test.each([
    ["Hi", 1],
    ["{a|b}", 2],
    ["{a|b}{a|b}", 4],
    ["{a|b} {{name}} {c|{d|e}}", 6],
    ["{a|a}", 1],
    ["{|a}{|a}", 3],
    ["{{name}} {{{name}}|you}", 2],
  ])("of %s is %i", (text, variants) => expect(countVariants(templateOf(text))).toBe(variants));

  test("stays a whole number that JSON holds exactly, however many there are", () => {
    expect(countVariants(templateOf("{a|b|c}".repeat(160)))).toBe(Number.MAX_SAFE_INTEGER);
  });

  test("counts a thousand long texts of many parts in good time", () => {
    const start = performance.now();
    expect(countVariants(templateOf(`{${"a|b|c|d|e|f|g|h|i|j}{".repeat(3).slice(0, -1)}${"|{{x}}".repeat(600)}`))).toBe(1000);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test.prop([choices])("is the number of texts that are seen when all choices are made", (text) => {
    const template = templateOf(text);
    const variants = countVariants(template);
    fc.pre(variants <= 40);
    const random = seededRandom(text);
    const seen = new Set(Array.from({ length: 6000 }, () => spin(template, textOf, random)));
    expect(seen.size).toBe(variants);
  });
});
