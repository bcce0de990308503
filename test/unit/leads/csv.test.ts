import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { readHeader, readRow, type Columns, type RowDefaults } from "../../../src/leads/csv.ts";

const defaults: RowDefaults = { defaultCountry: "MY", triggers: [], consent: null };

function columnsOf(header: string): Columns {
  const columns = readHeader(header.split(","));
  if (!columns.ok) throw new Error(columns.errors[0]?.message);
  return columns.value;
}

const read = (header: string, cells: readonly string[], over: Partial<RowDefaults> = {}) =>
  readRow(columnsOf(header), cells, { ...defaults, ...over });

describe("readHeader", () => {
  test("knows the fields of a lead, forgiving case and blanks, and takes the rest as attributes", () => {
    expect(columnsOf("\uFEFF Phone ,NAME,Time Zone,consent-at, Home  City ")).toEqual([
      { kind: "field", field: "phone" },
      { kind: "field", field: "name" },
      { kind: "field", field: "time_zone" },
      { kind: "field", field: "consent_at" },
      { kind: "attribute", name: "Home City" },
    ]);
  });

  test.each([
    ["name,niche", "'phone' is missing"],
    ["", "'phone' is missing"],
    ["phone,,name", "column 2 has no name"],
    ["phone,name,Phone", "'Phone' is there twice"],
    ["phone,City,city", "'city' is there twice"],
    ["phone,Pr\uFFFDnom", "it is not UTF-8 text; save the file as CSV in UTF-8"],
    ["line,reason,name", "'phone' is missing"],
    ["phone,a{b", "'a{b' could not be used in a message: names have letters, digits, blanks, '_', '.' and '-', and at most 100 of them"],
    [`phone,${Array.from({ length: 51 }, (_, i) => `a${i}`).join(",")}`, "51 columns would become attributes, and at most 50 can"],
  ])("refuses %s", (header, problem) => {
    const message = `The first line must name the columns; ${problem}. Right would be: phone,name,niche,trigger`;
    expect(readHeader(header.split(","))).toEqual({ ok: false, errors: [{ code: "INVALID", message, field: ["file"] }] });
  });

  test.prop([fc.array(fc.string({ unit: "binary" }), { maxLength: 60 })])("never throws, and finds a phone column or refuses", (names) => {
    const columns = readHeader(names);
    if (columns.ok) expect(columns.value.filter((column) => column.kind === "field" && column.field === "phone")).toHaveLength(1);
  });
});

describe("a mended download of rejects", () => {
  test("is known by its first two columns, which mean nothing; its own may have the same names", () => {
    expect(columnsOf("\uFEFFline,reason,phone,line")).toEqual([{ kind: "remark" }, { kind: "remark" }, { kind: "field", field: "phone" }, { kind: "attribute", name: "line" }]);
    expect(columnsOf("phone,line,reason").map(({ kind }) => kind)).toEqual(["field", "attribute", "attribute"]);
  });

  test("has its cells as they were before they were made harmless", () => {
    const row = read("line,reason,phone,name,city", ["7", "'=too short", "'+60123456789", "'=Ali", "O'Brien"]);
    expect(row).toMatchObject({ ok: true, lead: { phone: "60123456789", name: "=Ali", attributes: { city: "O'Brien" } } });
  });

  test("no other file loses an apostrophe", () => {
    expect(read("phone,name", ["+60123456789", "'=Ali"])).toMatchObject({ ok: true, lead: { name: "'=Ali" } });
  });
});

describe("readRow", () => {
  test("reads a whole row", () => {
    const header = "phone,name,niche,trigger,time_zone,consent_source,consent_at,city,__proto__";
    const cells = ["012-345 6789", " Aisha ", "fitness", "a, b,a", "Asia/Tokyo", "web form", "2026-10-01T09:30:00+08:00", "Ipoh", "x"];
    expect(read(header, cells)).toEqual({
      ok: true,
      lead: {
        phone: "60123456789",
        name: "Aisha",
        niche: "fitness",
        triggers: ["a", "b"],
        timeZone: "Asia/Tokyo",
        consentSource: "web form",
        consentAt: "2026-10-01T01:30:00.000Z",
        attributes: Object.fromEntries([["city", "Ipoh"], ["__proto__", "x"]]),
      },
    });
  });

  test("takes empty and absent cells as not given", () => {
    const nothing = { name: null, niche: null, triggers: [], timeZone: null, consentSource: null, consentAt: null, attributes: {} };
    const row = read("phone,name,city,trigger", ["0123456789", " ", ""]);
    expect(row).toEqual({ ok: true, lead: { phone: "60123456789", ...nothing } });
  });

  test("lets the file's triggers and consent hold for rows that name none", () => {
    const over = { triggers: ["t"], consent: { source: "fair", at: "2026-01-01T00:00:00.000Z" } };
    const header = "phone,trigger,consent_source,consent_at";
    expect(read(header, ["0123456789"], over)).toMatchObject({
      lead: { triggers: ["t"], consentSource: "fair", consentAt: "2026-01-01T00:00:00.000Z" },
    });
    expect(read(header, ["0123456789", "own", "shop", "2026-10-01"], over)).toMatchObject({
      lead: { triggers: ["own"], consentSource: "shop", consentAt: "2026-10-01T00:00:00.000Z" },
    });
  });

  const right = "write a date from 1970 to 2100 like 2026-10-01, or a time with its zone like 2026-10-01T09:30:00+08:00";
  test.each([
    ["phone", ["123"], "'123' is too short for a phone number of Malaysia (MY); write it like +60123456789"],
    ["name,phone", ["Aisha", ""], "The phone number is empty; write it like +60123456789"],
    ["phone,name", ["0123456789", "Ali", "Baba"], "The row has 3 cells, the first line 2; put a cell that holds a comma between quotes"],
    ["phone,name", ["0123456789", "x".repeat(201)], "The cell 'name' has 201 characters; at most 200 are allowed"],
    ["phone,niche", ["0123456789", "x".repeat(101)], "The cell 'niche' has 101 characters; at most 100 are allowed"],
    ["phone,city", ["0123456789", "x".repeat(1001)], "The cell 'city' has 1001 characters; at most 1000 are allowed"],
    ["phone,name", ["0123456789", "Jos\uFFFD"], "The cell 'name' is not UTF-8 text; save the file as CSV in UTF-8"],
    ["phone,name", ["0123456789", "J\0o"], "The cell 'name' is not UTF-8 text; save the file as CSV in UTF-8"],
    ["phone,time_zone", ["0123456789", "+08:00"], "'+08:00' is not a time zone; write it like Asia/Kuala_Lumpur"],
    [
      "phone,trigger",
      ["0123456789", "fitness start"],
      "The trigger 'fitness start' holds a blank or a control character; write a single word such as fitness_start.",
    ],
    ["phone,consent_source", ["0123456789", "web"], "consent_source needs a consent_at; write when the person agreed, such as 2026-10-01"],
    [
      "phone,consent_at",
      ["0123456789", "2026-10-01"],
      "consent_at needs a consent_source; write where the person agreed, such as web form",
    ],
  ])("refuses of %s: %j", (header, cells, reason) => expect(read(header, cells)).toEqual({ ok: false, reason }));

  const notTimes = ["yesterday", "2026-02-29", "01/10/2026", "2026-10-01T09:30:00", "0000-01-01", "9999-12-31T23:59:59-14:00"];

  test.each(notTimes)("refuses a consent at %s", (at) => {
    const row = read("phone,consent_source,consent_at", ["0123456789", "web", at]);
    expect(row).toEqual({ ok: false, reason: `consent_at '${at}' is not a time; ${right}` });
  });

  const goodCell = fc.constantFrom("0123456789", "", "2026-10-01", "Asia/Tokyo", "a,b");
  const cell = fc.oneof(fc.string({ unit: "binary", maxLength: 1200 }), goodCell);

  test.prop([fc.array(cell, { maxLength: 9 })])("never throws; what it gives or says can be stored", (cells) => {
    const row = read("phone,name,niche,trigger,time_zone,consent_source,consent_at,city", ["+60123456789", ...cells]);
    expect(JSON.stringify(row)).not.toMatch(/\\u0000|\\ud[89a-f]/);
  });
});
