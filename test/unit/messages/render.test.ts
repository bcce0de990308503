import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { previewTemplate, renderTemplate, type Style, type TemplateLead } from "../../../src/messages/render.ts";

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
    expect(performance.now() - start).toBeLessThan(2000);
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

describe("renderTemplate with a greeting", () => {
  const greets = (...templates: string[]): Style => ({ greeting: { templates, formOfAddress: "Cik" }, isVaried: false });
  const pagi = greets("Selamat pagi {{name}}");
  const greeted = (style: Style, lead: Partial<TemplateLead> = {}, text = "Day 2") => renderTemplate(text, { ...aisha, ...lead }, "seed", style);

  test("begins with it, then has a blank line, then the message", () => {
    expect(greeted(pagi)).toEqual({ text: "Selamat pagi Aisha\n\nDay 2" });
  });

  test.each([null, "", "  ", "+60 12-345 6789", "60123456789"])("calls a person whose name is %j by the form of address, in the greeting alone", (name) => {
    expect(greeted(greets("Hi {name}, {{recipient_name}}"), { name })).toEqual({ text: "Hi Cik, Cik\n\nDay 2" });
    expect(greeted(pagi, { name }, "For {{name|you}}")).toEqual({ text: `Selamat pagi Cik\n\nFor ${name?.trim() ? name : "you"}` });
  });

  test("takes a default of the greeting's own before the form of address", () => {
    expect(greeted(greets("Hi {{name|friend}}"), { name: "60123456789" })).toEqual({ text: "Hi friend\n\nDay 2" });
  });

  test("leaves out one that is empty once it is filled in, but never sends one alone", () => {
    expect(greeted(greets("{{nickname}}"))).toEqual({ text: "Day 2" });
    expect(greeted(pagi, { name: "A" }, "{{none}}")).toEqual({ error: expect.stringContaining("empty") });
  });

  test("gives an error for one that is broken: SQL may have written it", () => {
    expect(greeted(greets("Hi", "{Hi"))).toEqual({ error: expect.stringContaining("The workspace's greeting '{Hi' is wrong:") });
  });

  test("is bounded as a whole", () => {
    const city = "x".repeat(5000);
    expect(greeted(greets("{{city}}"), { attributes: { city } }, "{{city}}")).toEqual({ error: expect.stringContaining("longer than 8192") });
  });

  test("takes every template about equally often", () => {
    const seen = Map.groupBy(Array.from({ length: 3000 }, (_, n) => renderTemplate("x", aisha, `0198c7e2-0000-7000-8000-${String(n).padStart(12, "0")}`, greets("a", "b", "c"))), (it) => "text" in it && it.text);
    for (const text of ["a\n\nx", "b\n\nx", "c\n\nx"]) expect(Math.abs((seen.get(text)?.length ?? 0) - 1000)).toBeLessThan(150);
  });

  test.prop([fc.uuid()])("leaves the message's own choices as they are without", (seed) => {
    const text = "{a|b|c|d} {e|f|g}";
    const plain = renderTemplate(text, aisha, seed);
    expect(renderTemplate(text, aisha, seed, pagi)).toEqual({ text: `Selamat pagi Aisha\n\n${"text" in plain && plain.text}` });
  });
});

describe("renderTemplate with variation", () => {
  const varied: Style = { greeting: { templates: ["Selamat pagi {{name}}"], formOfAddress: "Cik" }, isVaried: true };
  const small = "selamat pagi Aisha";
  const parts = fc.array(fc.constantFrom("Hi", "see you", "{a|B}", "{{name}}", "{{city}}", "https://kedai.my", "!", ".", " ", "\n", "\n\n"), { minLength: 1, maxLength: 5 });

  test.prop([parts.map((some) => `X${some.join("")}`), fc.uuid()])("gives the same text for the same flow, that differs by nothing but what is allowed", (text, seed) => {
    const rendered = renderTemplate(text, aisha, seed, varied);
    expect(renderTemplate(text, aisha, seed, varied)).toEqual(rendered);
    const plain = renderTemplate(text, aisha, seed, { ...varied, isVaried: false });
    if ("error" in rendered || "error" in plain) throw new Error("it renders");
    const bare = plain.text.slice("Selamat pagi Aisha".length);
    const allowed = ["Selamat pagi Aisha", small].flatMap((greeting) => ["", ","].flatMap((comma) => ["", "."].map((stop) => greeting + comma + bare + stop)));
    expect(allowed).toContain(rendered.text);
  });

  test("varies all that it may, over many flows", () => {
    const seen = new Set(Array.from({ length: 2000 }, (_, n) => renderTemplate("See you", aisha, `flow ${n}`, varied)).map((it) => "text" in it && it.text));
    const all = ["Selamat pagi Aisha", small].flatMap((greeting) => ["", ","].flatMap((comma) => ["", "."].map((stop) => `${greeting}${comma}\n\nSee you${stop}`)));
    expect([...seen].toSorted()).toEqual(all.toSorted());
  });
});

describe("previewTemplate", () => {
  const style: Style = { greeting: { templates: ["Hi {{name}}", "Hello {{nick}}"], formOfAddress: "Cik" }, isVaried: true };

  test.prop([fc.uuid()])("shows what is sent with the same greeting and variation", (seed) => {
    const text = "{a|b} {{city}}";
    expect(previewTemplate(text, aisha, seed, style)).toMatchObject({ ...renderTemplate(text, aisha, seed, style) });
  });

  test.each([
    ["See you", { ...style, isVaried: false }, 2],
    ["See you", style, 16],
    ["See you!", style, 8],
    ["{See you|See you!}", style, 24],
    ["See {{name}}", { ...style, greeting: null }, 2],
    ["Hi\n\nSee you", { ...style, greeting: null }, 4],
    ["{a|b}", { greeting: null, isVaried: false }, 2],
  ])("counts the texts of %j with %j: %i", (text, style, variants) => expect(previewTemplate(text, aisha, "", style)).toMatchObject({ variants }));

  test("counts no less than can be seen", () => {
    const text = "{a|b}";
    const seen = new Set(Array.from({ length: 8000 }, (_, n) => renderTemplate(text, { ...aisha, attributes: { nick: "Ai" } }, `flow ${n}`, style)).map((it) => "text" in it && it.text));
    expect(previewTemplate(text, aisha, "", style)).toMatchObject({ variants: seen.size });
  });

  test("names what is missing in the greeting first; a name that is only a number is missing there", () => {
    expect(previewTemplate("{{zip}} {{name}}", { ...aisha, name: "60123456789" }, "", style)).toMatchObject({ missing: ["name", "nick", "zip"] });
  });

  test("of the largest text and the largest greetings is made in good time, and its number is one that JSON holds", () => {
    const big = `{${"|ab".repeat(66)}}`.slice(0, 200).replace(/.$/, "}");
    const templates = Array.from({ length: 20 }, () => big);
    const start = performance.now();
    const preview = previewTemplate(`{${"a|b|c|d|e|f|g|h|i|j}{".repeat(50).slice(0, -1)}${" word".repeat(600)}`, aisha, "", { greeting: { templates, formOfAddress: "Cik" }, isVaried: true });
    expect(preview).toMatchObject({ variants: Number.MAX_SAFE_INTEGER });
    expect(performance.now() - start).toBeLessThan(1000);
  });

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
