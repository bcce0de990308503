import { fc, test } from "@fast-check/vitest";
import { parse } from "csv-parse/sync";
import { describe, expect } from "vitest";
import { csvRow, harmless, restored } from "../../../src/leads/csv-cells.ts";

/** Any text, often with what matters at its beginning. */
const cells = fc.tuple(fc.stringMatching(/^['=+\-@\t\r\n ＝＋－＠\u00A0\u200B]{0,4}$/), fc.string({ unit: "binary" })).map(([start, rest]) => start + rest);

describe("harmless", () => {
  test.each(["=1+1", "+60123456789", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", " =1", "\u00A0=1", "\uFEFF=1", "\u200B=1", "＝1", "＋1", "－1", "＠x", "  ＝1", "'=1"])("takes %j for a formula", (cell) => {
    expect(harmless(cell)).toBe(`'${cell}`);
  });

  test.each(["", "Ali", "O'Brien", "'quoted'", "60123456789", "a=b", "x+y", "mail@example.com", "2026-10-01"])("leaves %j as it is", (cell) => {
    expect(harmless(cell)).toBe(cell);
  });

  test.prop([cells])("leaves nothing that begins like a formula", (cell) => {
    expect(harmless(cell)).not.toMatch(/^[\s\p{Cf}]*[=+\-@＝＋－＠]/u);
    expect(harmless(cell)).not.toMatch(/^[\t\r\n]/);
  });

  test.prop([cells])("is taken back by restored, whatever the cell", (cell) => {
    expect(restored(harmless(cell))).toBe(cell);
  });
});

describe("restored", () => {
  test.each(["", "Ali", "'Ali", "'quoted'", "+60123456789", "''"])("leaves %j, which harmless has not made", (cell) => {
    expect(restored(cell)).toBe(cell);
  });
});

describe("csvRow", () => {
  test.prop([fc.array(cells, { minLength: 2, maxLength: 6 }), fc.constantFrom(",", ";", "\t")])("is read back by any reader of CSV", (row, delimiter) => {
    const whole = row.map((cell) => cell.toWellFormed());
    expect(parse(csvRow(["x", ...whole], delimiter), { delimiter })).toEqual([["x", ...whole]]);
  });
});
