// A CSV file as a stream of rows, in memory that does not grow with it.

import { CsvError, parse, type Options } from "csv-parse";
import { parse as parseWhole } from "csv-parse/sync";

export type RawRow = {
  readonly cells: readonly string[];
  /** Where it begins; the header is line 1. */
  readonly line: number;
  readonly raw: string;
  /** Begins with a quote that was not closed where its cell ends; it may have taken in the rows after it. */
  readonly hasStrayQuote: boolean;
};

/** What was sent is no text in UTF-8 from its first bytes on. The message says what it is, and what would be right. */
export class NotCsvError extends Error {
  override name = "NotCsvError";
}

/** The file cannot be read past this line: what follows a quote that is never closed could be anything. */
export class BrokenCsvError extends Error {
  override name = "BrokenCsvError";
  readonly line: number;
  readonly raw: string;
  constructor(message: string, line: number, raw: string) {
    super(message);
    this.line = line;
    this.raw = raw;
  }
}

export type CsvStream = {
  /** Empty where the file is. */
  readonly header: readonly string[];
  /** What separates its cells. */
  readonly delimiter: string;
  /** The rows after the header, as many at a time as came with one piece of the file. Throws BrokenCsvError after the last good row. */
  readonly rows: AsyncGenerator<readonly RawRow[]>;
  /** Lets go of the source. */
  close(): Promise<void>;
};

/** Longer than any row that a person would write; one quote that is not closed must not take in the whole file. */
const MAX_ROW_LENGTH = 64 * 1024;
const DELIMITERS = [",", ";", "\t"];
const NEWLINE = 10;

/** Reads as far as the header. `source` is read no faster than the rows are taken. */
export async function openCsv(source: AsyncIterable<Uint8Array>): Promise<CsvStream> {
  const chunks = source[Symbol.asyncIterator]();
  const close = async () => void (await chunks.return?.());
  try {
    const first = await readFirstLine(chunks);
    const problem = bytesProblem(first);
    if (problem) throw new NotCsvError(problem);
    const delimiter = delimiterOf(first);
    const parser = createParser(delimiter);
    let read = await feed(parser, first);
    while (parser.rows.length === 0 && read === "more") read = await feedNext(parser, chunks);
    const header = parser.rows.shift();
    if (!header && read instanceof BrokenCsvError) throw read;
    return { header: header?.cells ?? [], delimiter, rows: rowsOf(chunks, parser, read), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function* rowsOf(chunks: AsyncIterator<Uint8Array>, parser: RowParser, begun: Fed): AsyncGenerator<readonly RawRow[]> {
  for (let read = begun; ; read = await feedNext(parser, chunks)) {
    if (parser.rows.length > 0) yield parser.rows.splice(0);
    if (read === "ended") return;
    if (read !== "more") throw read;
  }
}

/** Rows that came before a broken one, in the same piece of the file, are good: what is wrong is thrown after they are taken. */
type Fed = "more" | "ended" | BrokenCsvError;

async function feedNext(parser: RowParser, chunks: AsyncIterator<Uint8Array>): Promise<Fed> {
  const next = await chunks.next();
  return feed(parser, next.done ? null : next.value);
}

async function feed(parser: RowParser, chunk: Uint8Array | null): Promise<Fed> {
  try {
    await parser.feed(chunk);
    return chunk === null ? "ended" : "more";
  } catch (error) {
    if (error instanceof BrokenCsvError) return error;
    throw error;
  }
}

async function readFirstLine(chunks: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let read = Buffer.alloc(0);
  while (!read.includes(NEWLINE) && read.length < MAX_ROW_LENGTH) {
    const next = await chunks.next();
    if (next.done) break;
    read = Buffer.concat([read, next.value]);
  }
  return read;
}

/** What people send instead of a CSV file in UTF-8, by its first bytes. */
const SIGNATURES: readonly (readonly [bytes: readonly number[], what: string])[] = [
  [[0xff, 0xfe], "UTF-16 text"],
  [[0xfe, 0xff], "UTF-16 text"],
  [[0x50, 0x4b, 0x03, 0x04], "a spreadsheet (.xlsx, .ods) or another ZIP file"],
  [[0xd0, 0xcf, 0x11, 0xe0], "a spreadsheet (.xls)"],
  [[0x1f, 0x8b], "compressed by gzip"],
  [[0x25, 0x50, 0x44, 0x46], "a PDF file"],
];

function bytesProblem(start: Buffer): string | undefined {
  const known = SIGNATURES.find(([bytes]) => bytes.every((byte, index) => start[index] === byte))?.[1];
  // UTF-16 without its mark has a zero in every other byte of what is written in Latin letters.
  const what = known ?? (lineOf(start).includes("\0") ? "UTF-16 text, or no text at all" : undefined);
  return what && `The file is ${what}. Save it as CSV in UTF-8 ("CSV UTF-8 (comma delimited)" in Excel) and send that.`;
}

const lineOf = (start: Buffer): string => start.toString("latin1").split("\n", 1)[0] ?? "";

/** Spreadsheets of countries that write 1,5 separate cells by semicolons. */
function delimiterOf(start: Buffer): string {
  const header = lineOf(start).replace(/"[^"]*"/g, "");
  const counts = DELIMITERS.map((delimiter) => header.split(delimiter).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ",";
}

const optionsFor = (delimiter: string): Options => ({
  delimiter,
  max_record_size: MAX_ROW_LENGTH,
  relax_column_count: true,
  // Names such as Mohd "Mat" Ali are common; a quote that belongs to nothing is taken as it stands.
  relax_quotes: true,
  skip_empty_lines: true,
});

type Rows = readonly (readonly string[])[];

/** The cells of each row's raw text; where a quote is opened and not closed, each line is a row of its own, with its quotes as they stand. */
export function cellsOf(raws: readonly string[], delimiter: string): readonly Rows[] {
  // A parser for each row takes 20 µs, and memory: 80 MB for a million. Those without quotes need none, all others share one.
  const quoted = raws.filter((raw) => raw.includes('"'));
  const together = parsedTogether(quoted, delimiter);
  const parsed = new Map(quoted.map((raw, index) => [raw, together?.[index] ?? parsedAlone(raw, delimiter)]));
  return raws.map((raw) => parsed.get(raw) ?? [raw.split(delimiter)]);
}

/** Undefined where one of them has taken in the next: then they are not what they were. */
function parsedTogether(raws: readonly string[], delimiter: string): readonly Rows[] | undefined {
  try {
    const parsed: unknown = parseWhole(raws.join("\n"), { ...optionsFor(delimiter), record_delimiter: "\n", raw: true });
    const rows = parsed as { raw: string; record: string[] }[];
    const isWhole = rows.length === raws.length && rows.every(({ raw, record }, index) => raw.replace(OUTER_BREAKS, "") === raws[index] && !record.some(isStray));
    return isWhole ? rows.map(({ record }) => [record]) : undefined;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return undefined;
  }
}

function parsedAlone(raw: string, delimiter: string): Rows {
  return parsedTogether([raw], delimiter)?.[0] ?? raw.split(/\r\n|\r|\n/).map((line) => line.split(delimiter));
}

type RowParser = {
  /** What was parsed and not taken yet. */
  readonly rows: RawRow[];
  /** Null ends the file. */
  feed(chunk: Uint8Array | null): Promise<void>;
};

function createParser(delimiter: string): RowParser {
  const rows: RawRow[] = [];
  let line = 1;
  const parser = parse({
    ...optionsFor(delimiter),
    bom: true,
    raw: true,
    // Taken from here and not from the stream's far end, which throws away what it holds when a later row turns out broken.
    // With `raw`, a record is more than the library's types say.
    on_record: (parsed: unknown) => {
      const { record, raw } = parsed as { record: string[]; raw: string };
      const text = raw.replace(OUTER_BREAKS, "");
      rows.push({ cells: record, line: line + leadingBreaks(raw), raw: text, hasStrayQuote: record.some(isStray) });
      line += lineBreaks(raw);
      return null;
    },
  });
  // Errors come through `feed`; without a listener the stream would also throw them at the process.
  parser.on("error", () => {}).resume();

  return {
    rows,
    feed: (chunk) =>
      new Promise((resolve, reject) => {
        const settle = (error?: Error | null) => (error ? reject(explained(error, line)) : resolve());
        if (chunk === null) parser.once("error", settle).end(() => settle());
        else parser.write(chunk, settle);
      }),
  };
}

function explained(error: Error, lineReached: number): Error {
  if (!(error instanceof CsvError)) return error;
  const raw = typeof error["raw"] === "string" ? error["raw"] : "";
  return new BrokenCsvError(
    "A quote is opened here and not closed. Close it, or write it twice where it belongs to the text.",
    lineReached + leadingBreaks(raw),
    raw.replace(OUTER_BREAKS, ""),
  );
}

/** What relax_quotes makes of "Ali,KL and the next line's "Bob": one cell that still has its quote. */
const isStray = (cell: string) => cell.startsWith('"') && /[\r\n]/.test(cell);

/** The library's own line numbers count a CRLF within quotes twice. */
const lineBreaks = (text: string) => text.match(/\r\n|\r|\n/g)?.length ?? 0;
/** Empty lines before a row are part of its raw text. */
const leadingBreaks = (raw: string) => lineBreaks(/^[\r\n]*/.exec(raw)?.[0] ?? "");
const OUTER_BREAKS = /^[\r\n]+|[\r\n]+$/g;
