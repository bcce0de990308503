// The refused rows of an import as a CSV file that can be mended and imported again: line and reason, then the row's own cells under the file's own
// first line.

import { and, asc, eq, gt } from "drizzle-orm";
import { leadImportRejects } from "../db/tables/leads.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import { hasRemarks, REMARKS } from "./csv.ts";
import { csvRow, harmless, restored } from "./csv-cells.ts";
import { cellsOf } from "./csv-stream.ts";
import { importsById, type LeadImport } from "./import-state.ts";

export type RejectsFile = { readonly fileName: string; readonly content: AsyncIterable<string> };

/** Rows can be 64 KB long. */
const ROWS_AT_A_TIME = 250;

/** Without it spreadsheets read UTF-8 as something else, and what they save then is broken. */
const BYTE_ORDER_MARK = "\uFEFF";

/** Null where there is no such import. The content is read as it is taken, some hundred rows at a time. */
export async function rejectsFile(db: WorkspaceDb, importId: string): Promise<RejectsFile | null> {
  const [found] = await importsById(db, [importId]);
  return found ? { fileName: `${found.fileName.replace(/\.csv$/i, "")}.rejects.csv`, content: contentOf(db, found) } : null;
}

async function* contentOf(db: WorkspaceDb, { id, header, delimiter }: LeadImport): AsyncGenerator<string> {
  const row = (cells: readonly string[]) => csvRow(cells.map(harmless), delimiter);
  // Of a mended file that was refused again, the old remarks are left out and its cells are what they stood for.
  const isMended = hasRemarks(header);
  const own = (cells: readonly string[]) => (isMended ? cells.slice(REMARKS.length).map(restored) : cells);
  yield BYTE_ORDER_MARK + row([...REMARKS, ...own(header)]);
  for (let after = 0; ; ) {
    const rejects = await readRejects(db, id, after);
    const last = rejects.at(-1);
    if (!last) return;
    after = last.id;
    const parsed = cellsOf(rejects.map(({ raw }) => raw), delimiter);
    yield rejects.flatMap(({ line, reason }, nth) => parsed[nth]?.map((cells, index) => row([String(line + index), reason, ...own(cells)])) ?? []).join("");
  }
}

function readRejects(db: WorkspaceDb, importId: string, after: number) {
  const { id, line, reason, raw } = leadImportRejects;
  return db.read((tx) =>
    tx
      .select({ id, line, reason, raw })
      .from(leadImportRejects)
      .where(and(eq(leadImportRejects.workspaceId, db.id), eq(leadImportRejects.importId, importId), gt(id, after)))
      .orderBy(asc(id))
      .limit(ROWS_AT_A_TIME),
  );
}
