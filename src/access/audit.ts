// Who has changed what: one entry for each call that was accepted, written in its own transaction. It names things and fields, and holds none of their values:
// what is erased is not to be found here either.

import { and, eq, getTableColumns, sql } from "drizzle-orm";
import { type Page, pageClauses, type Order, slicePage, type Slice } from "../db/pages.ts";
import { auditLog } from "../db/tables/workspaces.ts";
import type { Deed, WorkspaceDb } from "../db/workspace.ts";

export type AuditEntry = typeof auditLog.$inferSelect;

const ID = /^[A-Z][A-Za-z]+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MOST_SUBJECTS = 20;

/** A mutation as its entry has it: the ids that it was given, and the names of the fields. */
export function deedOf(operation: string, args: Readonly<Record<string, unknown>>): Deed {
  const { idempotencyKey: _key, input, ...rest } = args;
  const inner = typeof input === "object" && input !== null && !Array.isArray(input) ? Object.keys(input).filter((name) => name !== "idempotencyKey") : [];
  return { operation, subjects: [...new Set(idsIn(args))].slice(0, MOST_SUBJECTS), fields: [...Object.keys(rest), ...inner].filter((name) => name !== "id") };
}

function* idsIn(value: unknown): Generator<string> {
  if (typeof value === "string" && ID.test(value)) yield value;
  if (typeof value === "object" && value !== null) for (const part of Object.values(value)) yield* idsIn(part);
}

export const AUDIT_ORDER: Order & { readonly name: string } = { name: "ID", id: sql`${auditLog.id}`, descending: true };

/** The newest first. */
export async function listAuditLog(db: WorkspaceDb, page: Page): Promise<Slice<AuditEntry>> {
  const { where, orderBy, limit, value } = pageClauses(page, AUDIT_ORDER);
  const rows = await db.read((tx) =>
    tx
      .select({ ...getTableColumns(auditLog), value })
      .from(auditLog)
      .where(and(eq(auditLog.workspaceId, db.id), where))
      .orderBy(orderBy)
      .limit(limit),
  );
  return slicePage(rows, page);
}
