import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { checkGreetings, formOfAddressProblem, isUsableName, templatesAt, timeOfDay } from "../../../src/messages/greeting.ts";

const morning = { from: "05:00", templates: ["Selamat pagi"] };
const noon = { from: "12:00", templates: ["Hi", "Hello"] };

describe("templatesAt", () => {
  test.each([
    ["05:00", morning],
    ["11:59", morning],
    ["12:00", noon],
    ["23:59", noon],
    ["00:00", noon],
    ["04:59", noon],
  ])("at %s gives those that hold", (time, greeting) => {
    expect(templatesAt([morning, noon], time)).toEqual(greeting.templates);
    expect(templatesAt([noon, morning], time)).toEqual(greeting.templates);
  });

  test("gives the only ones at any time", () => {
    expect(templatesAt([noon], "03:00")).toEqual(noon.templates);
  });
});

const time = fc.nat(24 * 60 - 1).map((minutes) => new Date(minutes * 60_000).toISOString().slice(11, 16));

test.prop([fc.uniqueArray(time, { minLength: 1, maxLength: 24 }), time])("templatesAt gives the last that began, today or yesterday", (times, at) => {
  const minutes = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
  const since = (from: string) => (minutes(at) - minutes(from) + 1440) % 1440;
  const newest = times.reduce((best, from) => (since(from) < since(best) ? from : best));
  expect(templatesAt(times.map((from) => ({ from, templates: [from] })), at)).toEqual([newest]);
});

const aDay = fc.date({ min: new Date("2020-01-01T00:00:00Z"), max: new Date("2040-01-01T00:00:00Z"), noInvalidDate: true });

test.prop([aDay, fc.constantFrom(["UTC", 0] as const, ["Asia/Kuala_Lumpur", 8] as const, ["Asia/Kolkata", 5.5] as const, ["America/Bogota", -5] as const, ["Pacific/Kiritimati", 14] as const)])(
  "timeOfDay is what a clock in that zone shows",
  (date, [timeZone, hours]) => {
    const clock = new Intl.DateTimeFormat("en", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    expect(timeOfDay(date.getTime(), hours * 3600)).toBe(clock.format(date));
  },
);

describe("isUsableName", () => {
  test.each(["Aisha", "陈", "A", "Tel 0123456789", "🌸", " 50 Sen"])("takes %j", (name) => expect(isUsableName(name)).toBe(true));
  test.each(["", " ", "+60 12-345 6789", "60123456789", "٠١٢٣٤٥٦٧٨٩", "\u202a+60123456789\u202c", "\u200b", "-", "."])("takes %j for none", (name) =>
    expect(isUsableName(name)).toBe(false),
  );
});

describe("checkGreetings", () => {
  const problems = (...greetings: Parameters<typeof checkGreetings>[0]) => {
    const checked = checkGreetings(greetings, "input", "greetings");
    return checked.ok ? [] : checked.errors.map(({ message, field }) => [field?.slice(2).join("."), message]);
  };
  const with1 = (...templates: string[]) => problems({ from: "05:00", templates });

  test("keeps them in the order of the day", () => {
    expect(checkGreetings([noon, morning])).toEqual({ ok: true, value: [morning, noon] });
  });

  test("says which one is wrong, and what would be right", () => {
    expect(problems()).toEqual([["", "At least one greeting must remain; a sequence that is not to greet has greeting: false."]]);
    expect(problems(...Array.from({ length: 25 }, () => noon))).toEqual([["", "25 greetings are too many; at most 24 are allowed."]]);
    expect(problems(morning, noon, { ...morning, templates: [] })).toEqual([
      ["2.from", "Greeting 3 (from 05:00) begins when greeting 1 does; put the templates of both into one."],
      ["2.templates", "Greeting 3 (from 05:00) has no templates; write at least one, such as 'Selamat pagi {{name}}'."],
    ]);
    expect(with1(...Array.from({ length: 21 }, () => "Hi"))).toEqual([["0.templates", "Greeting 1 (from 05:00) has 21 templates; at most 20 are allowed."]]);
    expect(with1("Hi", " ")).toEqual([["0.templates.1", "Greeting 1 (from 05:00), template 2: It is empty; write a greeting, such as 'Selamat pagi {{name}}'."]]);
    expect(with1("a".repeat(201))).toEqual([
      ["0.templates.0", `Greeting 1 (from 05:00), template 1: '${"a".repeat(30)}…' has 201 characters; at most 200 are allowed.`],
    ]);
    expect(with1("Hi {city}")).toEqual([["0.templates.0", expect.stringContaining("template 1: '{city}' at character 4 is neither a placeholder nor a choice")]]);
    expect(with1("{a|".repeat(11) + "}".repeat(11))).toEqual([["0.templates.0", expect.stringContaining("nests braces more than 10 deep; flatten it.")]]);
  });
});

describe("formOfAddressProblem", () => {
  test.each(["Cik", "Tuan/Puan", " Kawan "])("finds nothing wrong with %j", (text) => expect(formOfAddressProblem(text)).toBeUndefined());
  test.each([
    ["  ", "A form of address has 1 to 50 characters, not 0; write one such as Cik."],
    ["a".repeat(51), "A form of address has 1 to 50 characters, not 51; write one such as Cik."],
    ["Cik\nPuan", "A form of address may hold no control characters, such as line breaks, and no half of an emoji."],
  ])("says of %j what would be right", (text, problem) => expect(formOfAddressProblem(text)).toBe(problem));
});
