// The rows of a CSV file, from cells to leads. A row that is wrong is refused alone, with a reason that says what would be right.

import { z } from "zod";
import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import { excerpt } from "../lib/text.ts";
import { isTimeZone } from "../lib/time-zone.ts";
import { isPlaceholderName } from "../messages/template.ts";
import { restored } from "./csv-cells.ts";
import { parsePhone } from "./phone.ts";
import { joinTriggers, parseTriggers } from "./triggers.ts";

const FIELDS = ["phone", "name", "niche", "trigger", "time_zone", "consent_source", "consent_at"] as const;
type Field = (typeof FIELDS)[number];

/** A remark is ours, on a row that was refused: it stands in a download of rejects and means nothing when the mended file comes back. */
type Column = { readonly kind: "field"; readonly field: Field } | { readonly kind: "attribute"; readonly name: string } | { readonly kind: "remark" };

/** What each column of the file means, in its order. */
export type Columns = readonly Column[];

export type ImportedLead = {
  /** E.164 digits. */
  readonly phone: string;
  readonly name: string | null;
  readonly niche: string | null;
  readonly triggers: readonly string[];
  readonly timeZone: string | null;
  readonly consentSource: string | null;
  /** ISO 8601 in UTC. */
  readonly consentAt: string | null;
  readonly attributes: Readonly<Record<string, string>>;
};

/** What holds for rows that do not say otherwise. */
export type RowDefaults = {
  readonly defaultCountry: string;
  readonly triggers: readonly string[];
  readonly consent: { readonly source: string; readonly at: string } | null;
};

type ReadRow = { readonly ok: true; readonly lead: ImportedLead } | { readonly ok: false; readonly reason: string };

const MAX_ATTRIBUTE_COLUMNS = 50;
const MAX_ATTRIBUTE_LENGTH = 1000;
const MAX_LENGTHS = { name: 200, niche: 100, consent_source: 200 } as const;

/** The first columns of a download of rejects; by them the mended file is known again. */
export const REMARKS = ["line", "reason"] as const;

const RIGHT_HEADER = "Right would be: phone,name,niche,trigger";

/** The meaning of the file's first line. Case and blanks are forgiven; what is no field of a lead becomes an attribute, spelt as it
 *  stands there. */
export function readHeader(names: readonly string[]): Result<Columns> {
  // Some spreadsheets begin the file with a byte order mark.
  const cleaned = names.map((name) => name.replace(/^\uFEFF/, "").trim().replace(/\s+/g, " "));
  const remarks = hasRemarks(cleaned) ? REMARKS.length : 0;
  const own = cleaned.slice(remarks).map((name) => (remarks > 0 ? restored(name) : name));
  const columns = [...cleaned.slice(0, remarks).map((): Column => ({ kind: "remark" })), ...own.map(columnOf)];
  const problem = headerProblem(own, columns);
  return problem ? refused(invalid(`The first line must name the columns; ${problem}. ${RIGHT_HEADER}`, "file")) : ok(columns);
}

/** Whether the file is a download of rejects. */
export const hasRemarks = (names: readonly string[]): boolean => REMARKS.every((remark, index) => names[index]?.replace(/^\uFEFF/, "").trim().toLowerCase() === remark);

function columnOf(name: string): Column {
  const field = FIELDS.find((known) => known === keyOf(name));
  return field ? { kind: "field", field } : { kind: "attribute", name };
}

/** Time Zone and time_zone are the same column. */
const keyOf = (name: string) => name.toLowerCase().replace(/[ -]/g, "_");

function headerProblem(names: readonly string[], columns: Columns): string | undefined {
  const keys = names.map(keyOf);
  const empty = keys.indexOf("");
  if (names.some((name) => name.includes("\uFFFD"))) return "it is not UTF-8 text; save the file as CSV in UTF-8";
  if (!keys.includes("phone")) return "'phone' is missing";
  if (empty !== -1) return `column ${empty + 1} has no name`;
  const repeated = keys.findIndex((key, index) => keys.indexOf(key) !== index);
  if (repeated !== -1) return `'${excerpt(names[repeated] ?? "", 40)}' is there twice`;
  const attributes = columns.flatMap((column) => (column.kind === "attribute" ? [column.name] : []));
  if (attributes.length > MAX_ATTRIBUTE_COLUMNS) {
    return `${attributes.length} columns would become attributes, and at most ${MAX_ATTRIBUTE_COLUMNS} can`;
  }
  const unusable = attributes.find((name) => !isPlaceholderName(name));
  if (unusable === undefined) return undefined;
  const rule = "names have letters, digits, blanks, '_', '.' and '-', and at most 100 of them";
  return `'${excerpt(unusable, 40)}' could not be used in a message: ${rule}`;
}

/** The lead of one row. Empty cells, and those that a short row lacks, mean "not given". */
export function readRow(columns: Columns, cells: readonly string[], defaults: RowDefaults): ReadRow {
  const refuse = (reason: string): ReadRow => ({ ok: false, reason });
  if (cells.length > columns.length) {
    // Commonly a comma in a name: all cells after it stand in the wrong column.
    return refuse(`The row has ${cells.length} cells, the first line ${columns.length}; put a cell that holds a comma between quotes`);
  }
  const fields: Partial<Record<Field, string>> = {};
  const attributes: [string, string][] = [];
  const isMended = columns[0]?.kind === "remark";
  for (const [index, column] of columns.entries()) {
    const cell = (isMended ? restored(cells[index] ?? "") : (cells[index] ?? "")).trim();
    if (cell === "" || column.kind === "remark") continue;
    const problem = cellProblem(column, cell);
    if (problem) return refuse(problem);
    if (column.kind === "field") fields[column.field] = cell;
    else attributes.push([column.name, cell]);
  }

  const phone = parsePhone(fields.phone ?? "", defaults.defaultCountry);
  if (!phone.ok) return refuse(phone.reason);
  const triggers = parseTriggers(fields.trigger ?? defaults.triggers);
  const joined = joinTriggers(triggers);
  if (!joined.ok) return refuse(joined.errors.map((error) => error.message).join(" "));
  const consent = consentOf(fields, defaults);
  if ("problem" in consent) return refuse(consent.problem);

  return {
    ok: true,
    lead: {
      phone: phone.phone,
      name: fields.name ?? null,
      niche: fields.niche ?? null,
      triggers,
      timeZone: fields.time_zone ?? null,
      consentSource: consent.source,
      consentAt: consent.at,
      // As own properties, also one that is called __proto__.
      attributes: Object.fromEntries(attributes),
    },
  };
}

function cellProblem(column: Exclude<Column, { kind: "remark" }>, cell: string): string | undefined {
  const name = column.kind === "field" ? column.field : column.name;
  // Bytes that are no UTF-8 arrive as U+FFFD, UTF-16 as NULs. Taken as they are, people would be greeted by a broken name.
  if (/[\0\uFFFD]/.test(cell) || !cell.isWellFormed()) return `The cell '${name}' is not UTF-8 text; save the file as CSV in UTF-8`;
  const most = column.kind === "attribute" ? MAX_ATTRIBUTE_LENGTH : (MAX_LENGTHS as Partial<Record<Field, number>>)[column.field];
  if (most !== undefined && cell.length > most) return `The cell '${name}' has ${cell.length} characters; at most ${most} are allowed`;
  if (name === "time_zone" && !isTimeZone(cell)) return `'${excerpt(cell, 40)}' is not a time zone; write it like Asia/Kuala_Lumpur`;
  return undefined;
}

type ReadConsent = { readonly source: string | null; readonly at: string | null } | { readonly problem: string };

function consentOf({ consent_source: source, consent_at: written }: Partial<Record<Field, string>>, { consent }: RowDefaults): ReadConsent {
  if (source === undefined && written === undefined) return { source: consent?.source ?? null, at: consent?.at ?? null };
  // Half of it is no record, and the file's default must not be mixed into what this row says.
  if (source === undefined) return { problem: "consent_at needs a consent_source; write where the person agreed, such as web form" };
  if (written === undefined) return { problem: "consent_source needs a consent_at; write when the person agreed, such as 2026-10-01" };
  const at = instantOf(written);
  const right = "write a date from 1970 to 2100 like 2026-10-01, or a time with its zone like 2026-10-01T09:30:00+08:00";
  return at === undefined ? { problem: `consent_at '${excerpt(written, 40)}' is not a time; ${right}` } : { source, at };
}

const ISO_TIME = z.union([z.iso.date(), z.iso.datetime({ offset: true })]);

/** A date means its midnight in UTC. A time without a zone is refused: whose time it is, nobody could say. */
function instantOf(written: string): string | undefined {
  if (!ISO_TIME.safeParse(written).success) return undefined;
  const at = new Date(written);
  return at.getUTCFullYear() >= 1970 && at.getUTCFullYear() <= 2100 ? at.toISOString() : undefined;
}
