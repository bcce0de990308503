import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { isPlaceholderName, parseTemplate, templateProblems } from "../../../src/messages/template.ts";

const neither = "is neither a placeholder nor a choice; write {{city}} for a value of the lead, or {Hi|Hello} for a choice.";
const naming = "a name has letters, digits, blanks, '_', '.' and '-', and at most 100 of them.";

describe("templateProblems", () => {
  test.each([
    "Hi {{name}}, {{city|your city}}!",
    "{name}, {recipient_name}",
    "{Hi|Hello|Hai} {{ name }}",
    "{Hi|{Hello|Hai} {{name|friend}}}",
    "{{a|b}|c}",
    "{{{name}}|you}",
    "{|please} come",
    "a | b",
    "{{name|}}",
    "{{First Name}} {{größe-1.2}}",
  ])("finds nothing wrong with %s", (text) => expect(templateProblems(text)).toEqual([]));

  test.each([
    ["Hi {city}", `'{city}' at character 4 ${neither}`],
    ["Hi {a, b}", `'{a, b}' at character 4 ${neither}`],
    ["{Hi|Hello", "'{Hi|Hello' at character 1 opens a brace that is never closed; add the missing '}'."],
    ["{{name}", "'{{name}' at character 1 opens a brace that is never closed; add the missing '}'."],
    ["Hi}", "The '}' at character 3 closes nothing; remove it, or open it with '{' before, as in {Hi|Hello}."],
    ["{{}}", "'{{}}' at character 1 names no value; write {{name}} or an attribute, as in {{city}}."],
    ["{{|x}}", "'{{|x}}' at character 1 names no value; write {{name}} or an attribute, as in {{city}}."],
    ["{{a/b}}", `'{{a/b}}' at character 1 cannot be the name of a value; ${naming}`],
    [" \n", "The message is empty; write what is to be sent."],
    ["a\0", "The message holds a NUL character at character 2; remove it."],
    ["a\ud83d", "The message holds half of an emoji or other character; write that character anew."],
    ["a".repeat(4097), "The message is longer than 4096 characters; shorten it."],
    ["{a|".repeat(11) + "}".repeat(11), "'{a|}}}}}}}}}}}' at character 31 nests braces more than 10 deep; flatten it."],
    [`{${"|".repeat(500)}}`, "The message has 501 alternatives; at most 500 are allowed."],
  ])("says of %j what would be right", (text, problem) => expect(templateProblems(text)).toEqual([problem]));

  test("names several mistakes at once, and never more than ten", () => {
    expect(templateProblems("{a} and }")).toHaveLength(2);
    expect(templateProblems("{a}".repeat(1000))).toHaveLength(10);
  });

  test("counts an emoji as one character, as Postgres does", () => {
    expect(templateProblems("😀".repeat(4096))).toEqual([]);
    expect(templateProblems("😀".repeat(4097))).toHaveLength(1);
  });

  const braces = fc.string({ unit: fc.constantFrom("{", "}", "|", "{{", "}}", "name", "a", " ", "😀"), maxLength: 2000 });

  test.prop([braces])("lets no brace pass that is none of the language", (text) => {
    const parsed = parseTemplate(text);
    if (parsed.ok) expect(JSON.stringify(parsed.template).match(/"text":"[^"]*[{}]/)).toBeNull();
    else expect(parsed.problems.length).toBeGreaterThan(0);
  });

  const pieces = ["{", "}", "{{", "{{a", "{{a|", "{a|", "{}", "|", "{{a}", "{{{a}}|b}"];

  test.each(pieces)("reads 4,096 characters of %j in linear time", (piece) => {
    const text = piece.repeat(4096).slice(0, 4096);
    const start = performance.now();
    for (let i = 0; i < 20; i++) parseTemplate(text);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe("isPlaceholderName", () => {
  test.each(["city", "First Name", "größe", "名前"])("takes %j", (name) => expect(isPlaceholderName(name)).toBe(true));
  test.each(["", " a", "a|b", "a}", "a".repeat(101)])("refuses %j", (name) => expect(isPlaceholderName(name)).toBe(false));
});
