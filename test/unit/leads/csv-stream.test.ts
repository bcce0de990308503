import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { csvRow } from "../../../src/leads/csv-cells.ts";
import { cellsOf, NotCsvError, openCsv } from "../../../src/leads/csv-stream.ts";

async function* pieces(file: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < file.length; from += size) yield file.subarray(from, from + size);
}

async function readAll(file: string | Buffer, pieceSize = 64 * 1024) {
  const { header, delimiter, rows } = await openCsv(pieces(Buffer.from(file), pieceSize));
  const read = [];
  for await (const some of rows) read.push(...some);
  return { header, delimiter, rows: read };
}

const cellsIn = async (file: string | Buffer, pieceSize?: number) => {
  const { header, rows } = await readAll(file, pieceSize);
  return [header, ...rows.map(({ cells }) => cells)];
};

const THREE = [["phone", "name", "city"], ["+60123456701", "Ali", "Ipoh"], ["+60123456702", "Siti", ""]];

describe("openCsv", () => {
  test.each([
    ["commas", "phone,name,city\n+60123456701,Ali,Ipoh\n+60123456702,Siti,\n"],
    ["semicolons", "phone;name;city\n+60123456701;Ali;Ipoh\n+60123456702;Siti;\n"],
    ["tabs", "phone\tname\tcity\n+60123456701\tAli\tIpoh\n+60123456702\tSiti\t\n"],
    ["a byte order mark", "\uFEFFphone,name,city\n+60123456701,Ali,Ipoh\n+60123456702,Siti,\n"],
    ["a byte order mark, quotes and semicolons", '\uFEFF"phone";"name";"city"\n"+60123456701";"Ali";"Ipoh"\n"+60123456702";"Siti";""\n'],
    ["line ends of Windows", "phone,name,city\r\n+60123456701,Ali,Ipoh\r\n+60123456702,Siti,\r\n"],
    ["line ends of old Macs", "phone,name,city\r+60123456701,Ali,Ipoh\r+60123456702,Siti,\r"],
    ["no line end at its end", "phone,name,city\n+60123456701,Ali,Ipoh\n+60123456702,Siti,"],
    ["empty lines", "phone,name,city\n\n+60123456701,Ali,Ipoh\n\n\n+60123456702,Siti,\n\n"],
  ])("reads a file with %s", async (_what, file) => {
    expect(await cellsIn(file)).toEqual(THREE);
    expect(await cellsIn(file, 1)).toEqual(THREE);
  });

  test("knows the delimiter by the first line outside its quotes", async () => {
    expect((await readAll('phone;"a,b,c,d";name\n1;2;3\n')).delimiter).toBe(";");
    expect((await readAll("phone\n1\n")).delimiter).toBe(",");
  });

  test("a line break between quotes belongs to the cell, and the lines after it are counted truly", async () => {
    const { rows } = await readAll('phone,name\n1,"a\nb"\n2,"c\r\nd\r\ne"\n3,f\n');
    expect(rows.map(({ cells, line }) => [line, ...cells])).toEqual([[2, "1", "a\nb"], [4, "2", "c\r\nd\r\ne"], [7, "3", "f"]]);
  });

  test.each([
    ["UTF-16 of Windows", Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from("phone,name\n", "utf16le")]), "UTF-16 text"],
    ["UTF-16 the other way round", Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from("phone,name\n", "utf16le").swap16()]), "UTF-16 text"],
    ["UTF-16 without its mark", Buffer.from("phone,name\n", "utf16le"), "UTF-16 text, or no text at all"],
    ["a workbook", Buffer.from("PK\u0003\u0004rest"), "a spreadsheet (.xlsx, .ods) or another ZIP file"],
    ["an old workbook", Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 0xa1]), "a spreadsheet (.xls)"],
    ["a compressed file", Buffer.from([0x1f, 0x8b, 8, 0]), "compressed by gzip"],
  ])("refuses %s, and says what would be right", async (_what, file, problem) => {
    const message = `The file is ${problem}. Save it as CSV in UTF-8 ("CSV UTF-8 (comma delimited)" in Excel) and send that.`;
    await expect(readAll(file)).rejects.toEqual(new NotCsvError(message));
  });

  const cell = fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => text.replace(/^'+|\uFEFF/g, ""));
  test.prop([fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 8 }), fc.constantFrom(",", ";", "\t"), fc.boolean(), fc.integer({ min: 1, max: 40 })])(
    "gives back what was written, whatever the delimiter, the mark and the pieces that it comes in",
    async (rows, delimiter, hasMark, pieceSize) => {
      const file = (hasMark ? "\uFEFF" : "") + [["phone", "name"], ...rows.map((row) => ["x", ...row])].map((row) => csvRow(row, delimiter)).join("");
      expect(await cellsIn(file, pieceSize)).toEqual([["phone", "name"], ...rows.map((row) => ["x", ...row])]);
    },
  );
});

describe("cellsOf", () => {
  test("is what the stream made of the rows", async () => {
    const { rows, delimiter } = await readAll('phone;name\n1;"a; ""b"""\n2;Mohd "Mat" Ali\n3;"x\r\ny";more;cells\n4;plain\n4;plain\n');
    expect(cellsOf(rows.map(({ raw }) => raw), delimiter)).toEqual(rows.map(({ cells }) => [cells]));
  });

  test("takes each line by itself where a quote is opened and not closed, and lets it spoil no other row", () => {
    const raws = ['1,"Ali,\n2,"Bob"', '3,"ok, too"', '4,"Ali', '5,"x"', "", "6,y"];
    expect(cellsOf(raws, ",")).toEqual([[["1", '"Ali', ""], ["2", '"Bob"']], [["3", "ok, too"]], [["4", '"Ali']], [["5", "x"]], [[""]], [["6", "y"]]]);
  });

  const raw = fc.array(fc.constantFrom("a", '"', ",", ";", "\n", "\r\n", "\r", " ", "\uFEFF"), { maxLength: 12 }).map((parts) => parts.join("").replace(/^[\r\n]+|[\r\n]+$/g, ""));
  test.prop([fc.array(raw, { maxLength: 6 }), fc.constantFrom(",", ";")])("gives for each row what it gives for it alone", (raws, delimiter) => {
    expect(cellsOf(raws, delimiter)).toEqual(raws.flatMap((one) => cellsOf([one], delimiter)));
  });
});
