// The row of an import: made, kept alive, and ended, by whichever of those who may end it comes first.

import { and, eq, inArray, sql } from "drizzle-orm";
import type pg from "pg";
import { idempotent } from "../access/idempotency.ts";
import { textArray } from "../db/arrays.ts";
import { leadImports } from "../db/tables/leads.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import { ok, refused, type Result } from "../lib/errors.ts";
import { storable } from "../lib/text.ts";
import type { Consent } from "./input.ts";
import type { LeadDeps } from "./write.ts";

type Queryable = Pick<pg.ClientBase, "query">;

export type LeadImport = typeof leadImports.$inferSelect;

export const IMPORT_STATUSES = ["RUNNING", "COMPLETED", "FAILED", "CANCELLED"] as const;
export type ImportStatus = (typeof IMPORT_STATUSES)[number];

export type ImportCall = {
  readonly fileName: string;
  /** Null where the sender did not say. */
  readonly bytesTotal: number | null;
  /** For rows that name none. */
  readonly triggers?: readonly string[] | null | undefined;
  readonly consent?: Consent | null | undefined;
};

/** What is kept of the file itself. */
export type ImportFile = Pick<LeadImport, "delimiter" | "process"> & { readonly header: readonly string[] };

const MAX_FILE_NAME_LENGTH = 200;

/** `isRepeat`: the same call was made before, with the same key; the id is that of its import. */
export type CreatedImport = { readonly id: string; readonly isRepeat: boolean };

export async function createImport(
  db: WorkspaceDb,
  call: ImportCall,
  { header, ...file }: ImportFile,
  idempotencyKey: string | null | undefined,
): Promise<Result<CreatedImport>> {
  let isRepeat = true;
  const created = await db.write((tx) =>
    idempotent(tx, { key: idempotencyKey, operation: "importLeads", input: call }, async () => {
      const fileName = storable(call.fileName).slice(0, MAX_FILE_NAME_LENGTH) || "leads.csv";
      const values = { workspaceId: db.id, fileName, bytesTotal: call.bytesTotal, header: header.map(storable), ...file };
      const [row] = await tx.insert(leadImports).values(values).returning({ id: leadImports.id });
      isRepeat = false;
      return ok((row as { id: string }).id);
    }),
  );
  return created.ok ? ok({ id: created.value, isRepeat }) : created;
}

/** Does nothing where it was ended by others: cancelled, or given up as abandoned. */
export async function finishImport(pool: Queryable, id: string, status: "COMPLETED" | "FAILED"): Promise<void> {
  await pool.query("UPDATE lead_imports SET status = $2, finished_at = clock_timestamp() WHERE id = $1 AND status = 'RUNNING'", [id, status]);
}

/** Says that these are being worked on, also while their senders pause. Returns those of them that others have ended. */
export async function keepImportsAlive(pool: Queryable, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await pool.query<{ id: string }>(
    "UPDATE lead_imports SET progress_at = clock_timestamp() WHERE id = ANY ($1::uuid[]) AND status = 'RUNNING' RETURNING id",
    [textArray(ids)],
  );
  const alive = new Set(rows.map(({ id }) => id));
  return ids.filter((id) => !alive.has(id));
}

/** Which process imports; of others it can tell whether they have surely ended. */
export interface ImportingProcess {
  readonly name: string;
  isGone(name: string): boolean;
}

/** Ends the imports of processes that died: at once where that is known, and else after a minute of silence. Returns how many there were. What they
 *  had done stays, and is counted. */
export async function failAbandonedImports(pool: Queryable, { isGone }: ImportingProcess): Promise<number> {
  const { rows } = await pool.query<{ process: string }>("SELECT DISTINCT process FROM lead_imports WHERE status = 'RUNNING'");
  const gone = rows.map(({ process }) => process).filter((process) => isGone(process));
  const failed = await pool.query(
    `UPDATE lead_imports SET status = 'FAILED', finished_at = clock_timestamp()
      WHERE status = 'RUNNING' AND (progress_at < clock_timestamp() - interval '60 seconds' OR process = ANY ($1))`,
    [gone],
  );
  return failed.rowCount ?? 0;
}

/** It stops before its next batch. What was imported stays. */
export async function cancelImport({ db, bell }: LeadDeps, id: string): Promise<Result<string>> {
  const cancelled = await db.write(async (tx): Promise<Result<string>> => {
    const [row] = await tx.select({ status: leadImports.status }).from(leadImports).where(one(db.id, id)).for("update");
    if (!row) {
      return refused({ code: "NOT_FOUND", message: `There is no import LeadImport:${id}; the query leadImports lists them.`, field: ["id"] });
    }
    if (row.status !== "RUNNING") {
      const message = `This import is ${row.status.toLowerCase()} already; only one that is running can be cancelled.`;
      return refused({ code: "INVALID_STATE", message, field: ["id"] });
    }
    await tx.update(leadImports).set({ status: "CANCELLED", finishedAt: sql`clock_timestamp()` }).where(one(db.id, id));
    return ok(id);
  });
  if (cancelled.ok) bell.ring("imports");
  return cancelled;
}

export function importsById(db: WorkspaceDb, ids: readonly string[]): Promise<LeadImport[]> {
  return db.read((tx) => tx.select().from(leadImports).where(and(eq(leadImports.workspaceId, db.id), inArray(leadImports.id, [...ids]))));
}

const one = (workspaceId: string, id: string) => and(eq(leadImports.workspaceId, workspaceId), eq(leadImports.id, id));
