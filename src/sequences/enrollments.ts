import { and, eq, inArray, sql, type SQL } from "drizzle-orm";
import { isOneOf } from "../db/ids.ts";
import { textArray } from "../db/arrays.ts";
import { pagesByParent, type Order, type Page, type Slice } from "../db/pages.ts";
import { enrollments } from "../db/tables/sequences.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import { pauseEnrollments, resumeEnrollments } from "./pause.ts";
import { stopEnrollments } from "./stop.ts";

export type Enrollment = typeof enrollments.$inferSelect;

export const ENROLLMENT_STATUSES = ["ACTIVE", "PAUSED", "COMPLETED", "STOPPED"] as const;
export type EnrollmentStatus = (typeof ENROLLMENT_STATUSES)[number];

export const isOpen = ({ status }: Enrollment): boolean => status === "ACTIVE" || status === "PAUSED";

export const enrollmentsById = (db: WorkspaceDb, ids: readonly string[]): Promise<Enrollment[]> =>
  db.read((tx) =>
    tx
      .select()
      .from(enrollments)
      .where(and(eq(enrollments.workspaceId, db.id), isOneOf(enrollments.id, ids)))
      .prepare("enrollments_by_id")
      .execute(),
  );

/** The newest first. */
const enrollmentOrder: Order = { id: sql`${enrollments.id}`, descending: true };

export type EnrollmentPageArgs = { readonly page: Page; readonly status: readonly EnrollmentStatus[] | null };

const ofParent = (column: SQL, status: readonly EnrollmentStatus[] | null) => ({
  from: sql`${enrollments}`,
  where: status ? sql`${column} = parent.id AND ${inArray(enrollments.status, [...status])}` : sql`${column} = parent.id`,
});

export const enrollmentPagesOfSequences = (
  db: WorkspaceDb,
  sequenceIds: readonly string[],
  { page, status }: EnrollmentPageArgs,
): Promise<Map<string, Slice<string>>> =>
  db.read((tx) => pagesByParent(tx, sequenceIds, ofParent(sql`${enrollments.sequenceId}`, status), page, enrollmentOrder));

export const enrollmentPagesOfLeads = (
  db: WorkspaceDb,
  leadIds: readonly string[],
  { page, status }: EnrollmentPageArgs,
): Promise<Map<string, Slice<string>>> =>
  db.read((tx) => pagesByParent(tx, leadIds, ofParent(sql`${enrollments.leadId}`, status), page, enrollmentOrder));

/** How many enrolments each lead has; a person has few. */
export async function countEnrollmentsOfLeads(db: WorkspaceDb, leadIds: readonly string[]): Promise<number[]> {
  const { rows } = await db.read((tx) =>
    tx.execute<{ lead_id: string; total: number }>(
      sql`SELECT lead_id, count(*)::int AS total FROM enrollments WHERE lead_id = ANY (${textArray(leadIds)}::uuid[]) GROUP BY lead_id`,
    ),
  );
  const totals = new Map(rows.map((row) => [row.lead_id, row.total]));
  return leadIds.map((id) => totals.get(id) ?? 0);
}

/** Changes one enrolment by `change`, which is idempotent: one that stands where it is wanted already stays so. */
async function changeOpen(db: WorkspaceDb, id: string, wanted: string, change: (tx: Tx) => Promise<unknown>): Promise<Result<string>> {
  return db.write(async (tx) => {
    const [enrollment] = await tx
      .select()
      .from(enrollments)
      .where(and(eq(enrollments.workspaceId, db.id), eq(enrollments.id, id)));
    if (!enrollment) return refused({ code: "NOT_FOUND", message: "There is no enrolment with this id.", field: ["id"] });
    if (enrollment.status === wanted) return ok(id);
    if (!isOpen(enrollment)) {
      return refused({
        code: "INVALID_STATE",
        message: `The enrolment has ended (${enrollment.status}); enrol the lead anew instead.`,
        field: ["id"],
      });
    }
    await change(tx);
    return ok(id);
  });
}

export const pauseEnrollment = (db: WorkspaceDb, id: string): Promise<Result<string>> =>
  changeOpen(db, id, "PAUSED", (tx) => pauseEnrollments(tx.$client, [id]));

export const resumeEnrollment = (db: WorkspaceDb, id: string): Promise<Result<string>> =>
  changeOpen(db, id, "ACTIVE", (tx) => resumeEnrollments(tx.$client, [id]));

const MAX_NOTE_LENGTH = 500;

/** `note`: why, in the operator's own words. */
export async function stopEnrollment(db: WorkspaceDb, id: string, note: string | null): Promise<Result<string>> {
  const trimmed = note?.trim() || null;
  if (trimmed !== null && trimmed.length > MAX_NOTE_LENGTH) {
    return refused(invalid(`The reason has ${trimmed.length} characters; at most ${MAX_NOTE_LENGTH} are allowed.`, "reason"));
  }
  return changeOpen(db, id, "STOPPED", (tx) => stopEnrollments(tx.$client, [id], "OPERATOR", trimmed));
}
