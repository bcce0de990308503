import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { readHeader, type RowDefaults } from "../../../src/leads/csv.ts";
import { createBatch, rejected } from "../../../src/leads/import-batch.ts";

const defaults: RowDefaults = { defaultCountry: "MY", triggers: [], consent: null };

function newBatch() {
  const columns = readHeader(["phone", "name", "trigger"]);
  if (!columns.ok) throw new Error("no header");
  return createBatch(columns.value, defaults);
}

const rowOf = (cells: readonly string[], line: number) => ({ cells, line, raw: cells.join(","), hasStrayQuote: false });

const phone = fc.constantFrom("012-345 6701", "+60123456701", "60123456702", "+60123456703", "12", "");
const rows = fc.array(fc.tuple(phone, fc.constantFrom("", "Ali", "Siti"), fc.constantFrom("", "a", "b", "a b")), { maxLength: 40 });

describe("a batch", () => {
  test.prop([rows])("counts every row once: as a part of one lead, or as refused", (given) => {
    const batch = newBatch();
    for (const [index, cells] of given.entries()) batch.add(rowOf(cells, index + 2));
    const merged = batch.leads().flatMap(({ rows }) => rows.map(({ line }) => line));
    const refused = batch.rejects().map(({ line }) => line);
    expect([...merged, ...refused].toSorted((a, b) => a - b)).toEqual(given.map((_, index) => index + 2));
    expect(batch.rowsRead()).toBe(given.length);
  });

  test.prop([rows])("has one lead for each number, with the last name given, and all of its triggers", (given) => {
    const batch = newBatch();
    for (const [index, cells] of given.entries()) batch.add(rowOf(cells, index + 2));
    const leads = batch.leads();
    expect(new Set(leads.map(({ lead }) => lead.phone)).size).toBe(leads.length);
    for (const { lead, rows: parts } of leads) {
      expect(lead.name).toBe(parts.map(({ cells }) => cells[1]).findLast((name) => name !== "") ?? null);
      expect(new Set(lead.triggers)).toEqual(new Set(parts.flatMap(({ cells }) => cells[2] || [])));
    }
  });

  test("is full with few rows where they are long", () => {
    const batch = newBatch();
    const long = rowOf(["12", "x".repeat(60_000), ""], 2);
    let added = 0;
    for (; !batch.isFull(); added++) batch.add(long);
    expect(added).toBe(34);
  });

  test("keeps a refused row whole, as far as Postgres can", () => {
    expect(rejected({ line: 2, raw: `${"x".repeat(60_000)}\0\uD800` }, "why").raw).toBe(`${"x".repeat(60_000)}\uFFFD`);
  });
});
