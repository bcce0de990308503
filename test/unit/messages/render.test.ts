import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { previewTemplate, renderTemplate, type TemplateLead } from "../../../src/messages/render.ts";

const aisha: TemplateLead = {
  name: "Aisha",
  phone: "60123456789",
  niche: "fitness",
  attributes: { city: "Ipoh", age: 31, member: true, none: null, list: [1], blank: "  ", Plan: "gold" },
};

const render = (text: string, lead: Partial<TemplateLead> = {}, seed = "seed") => renderTemplate(text, { ...aisha, ...lead }, seed);

describe("renderTemplate", () => {
  test.each([
    ["Hi {{name}} ({{phone}}), {{niche}}", "Hi Aisha (+60123456789), fitness"],
    ["{name} {recipient_name} {{ Name }}", "Aisha Aisha Aisha"],
    ["{{city|your city}} {{town|your town}} {{town|}}.", "Ipoh your town ."],
    ["{{age}} {{member}} {{plan}} {{PLAN}}", "31 true gold gold"],
    ["[{{none}}{{list}}{{blank}}{{constructor}}{{__proto__}}{{unknown}}]", "[]"],
    ["{{blank|x}}{{none|y}}", "xy"],
    ["{Hi {{name}}|Hi {{name}}}!", "Hi Aisha!"],
    ["a | b", "a | b"],
  ])("makes of %s: %s", (text, expected) => expect(render(text)).toEqual({ text: expected }));

  test("gives an error for a text that is broken, or empty once it is filled in", () => {
    expect(render("Hi {city}")).toEqual({ error: expect.stringContaining("write {{city}}") });
    expect(render("{{name}} ", { name: null })).toEqual({ error: expect.stringContaining("empty") });
  });

  test("is bounded, however often however long a value is named", () => {
    const start = performance.now();
    const rendered = render("{{city}}".repeat(500), { attributes: { city: "x".repeat(1_000_000) } });
    expect(rendered).toEqual({ error: expect.stringContaining("longer than 8192") });
    expect(performance.now() - start).toBeLessThan(500);
  });

  const name = fc.constantFrom("name", "phone", "niche", "city", "nothing");
  const { template } = fc.letrec<{ template: string; piece: string }>((tie) => ({
    template: fc.array(tie("piece"), { maxLength: 4 }).map((pieces) => `!${pieces.join("")}`),
    piece: fc.oneof(
      { maxDepth: 3 },
      fc.string({ unit: "grapheme" }).map((text) => text.replace(/[{}|\0]/g, "")),
      name.map((placeholder) => `{{${placeholder}}}`),
      name.map((placeholder) => `{{${placeholder}|instead}}`),
      fc.array(tie("template"), { minLength: 2, maxLength: 3 }).map((alternatives) => `{${alternatives.join("|")}}`),
    ),
  }));
  const value = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("{a|b}", "{{name}}", "}", "\0", "\ud800"));
  const lead = fc.record({
    name: fc.option(value),
    phone: fc.stringMatching(/^[1-9]\d{7}$/),
    niche: fc.option(value),
    attributes: fc.dictionary(fc.string(), fc.jsonValue()),
  });

  test.prop([template, lead, fc.uuid()])("gives the same text for the same seed, fit to be stored", (text, anyone, seed) => {
    const rendered = renderTemplate(text, anyone, seed);
    expect(renderTemplate(text, anyone, seed)).toEqual(rendered);
    const given = "error" in rendered ? rendered.error : rendered.text;
    expect(given).not.toContain("\0");
    expect(given.isWellFormed()).toBe(true);
  });

  test.prop([template, fc.uuid()])("leaves no brace of its own", (text, seed) => {
    const rendered = renderTemplate(text, { name: "A", phone: "601", niche: null, attributes: {} }, seed);
    expect("text" in rendered && /[{}]/.test(rendered.text)).toBe(false);
  });

  test.prop([fc.string({ unit: "grapheme" }).filter((text) => text.trim() !== "" && !text.includes("\0"))])(
    "puts values in as they are, whatever they look like",
    (text) => {
      expect(render("<{{name}}>{{city}}", { name: text, attributes: { city: text } })).toEqual({ text: `<${text}>${text}` });
    },
  );
});

describe("previewTemplate", () => {
  test("shows the text that will be sent, the number of texts, and what is missing", () => {
    const text = "{Hi|Hello} {{name}}, {{town}} {{street|here}} {x {{town}}|y {{zip}}}";
    expect(previewTemplate(text, aisha, "seed")).toEqual({ ...render(text), variants: 4, missing: ["town", "street", "zip"] });
  });

  test("can be made without a lead", () => {
    const nobody = { name: null, phone: "", niche: null, attributes: {} };
    const preview = previewTemplate("{{name}}{{phone}}{{niche}}", nobody, "");
    expect(preview).toEqual({ text: "", variants: 1, missing: ["name", "phone", "niche"] });
  });

  test("names a missing value once, in the text's order, also where a default stands in", () => {
    expect(previewTemplate("{{x|1}} {{y}} {{y}} {{y|2}}", aisha, "")).toMatchObject({ missing: ["x", "y"] });
  });

  test("gives the problems of a broken text", () => {
    expect(previewTemplate("{", aisha, "")).toEqual({ error: expect.stringContaining("never closed") });
  });
});
