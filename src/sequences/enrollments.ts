import { and, eq, inArray, sql, type SQL } from "drizzle-orm";
import { idempotent } from "../access/idempotency.ts";
import { textArray } from "../db/arrays.ts";
import { pagesByParent, type Order, type Page, type Slice } from "../db/pages.ts";
import { enrollments, sequences } from "../db/tables/sequences.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import { enrolLeads } from "./enrol.ts";
import { pauseEnrollments, resumeEnrollments } from "./pause.ts";
import { stopEnrollments } from "./stop.ts";

export type Enrollment = typeof enrollments.$inferSelect;

export const ENROLLMENT_STATUSES = ["ACTIVE", "PAUSED", "COMPLETED", "STOPPED"] as const;
export type EnrollmentStatus = (typeof ENROLLMENT_STATUSES)[number];

export const isOpen = ({ status }: Enrollment): boolean => status === "ACTIVE" || status === "PAUSED";

export const enrollmentsById = (db: WorkspaceDb, ids: readonly string[]): Promise<Enrollment[]> =>
  db.read((tx) => tx.select().from(enrollments).where(and(eq(enrollments.workspaceId, db.id), inArray(enrollments.id, [...ids]))));

/** The newest first. */
export const enrollmentOrder: Order = { id: sql`${enrollments.id}`, descending: true };

export type EnrollmentPageArgs = { readonly page: Page; readonly status: readonly EnrollmentStatus[] | null };

const ofParent = (column: SQL, status: readonly EnrollmentStatus[] | null) => ({
  from: sql`${enrollments}`,
  where: status ? sql`${column} = parent.id AND ${inArray(enrollments.status, [...status])}` : sql`${column} = parent.id`,
});

export const enrollmentPagesOfSequences = (db: WorkspaceDb, sequenceIds: readonly string[], { page, status }: EnrollmentPageArgs): Promise<Map<string, Slice<string>>> =>
  db.read((tx) => pagesByParent(tx, sequenceIds, ofParent(sql`${enrollments.sequenceId}`, status), page, enrollmentOrder));

export const enrollmentPagesOfLeads = (db: WorkspaceDb, leadIds: readonly string[], { page, status }: EnrollmentPageArgs): Promise<Map<string, Slice<string>>> =>
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

/** At most 1,000 leads in one statement, so that no lock is held for long; more in one call would hold the connection for minutes. */
const MAX_ENROLLED_AT_ONCE = 1000;
const MAX_ENROLLED = 100_000;

export type EnrollRequest = {
  readonly sequenceId: string;
  readonly limit: number | null | undefined;
  readonly idempotencyKey: string | null | undefined;
  /** What the leads are chosen by, as the caller wrote it: part of what an idempotency key stands for. */
  readonly filter: unknown;
  /** The leads that match, at most so many. */
  readonly select: (tx: Tx, limit: number) => Promise<readonly string[]>;
};

/** Enrols leads by an operator's own choice, whatever their triggers. */
export async function enrollMatching(db: WorkspaceDb, request: EnrollRequest): Promise<Result<{ enrolled: number; skipped: number }>> {
  const { sequenceId, limit, idempotencyKey, filter, select } = request;
  if (limit != null && (limit < 1 || limit > MAX_ENROLLED)) {
    return refused(invalid(`limit must be a number from 1 to ${MAX_ENROLLED.toLocaleString("en")}, not ${limit}.`, "limit"));
  }
  return db.write((tx) =>
    idempotent(tx, { key: idempotencyKey, operation: "enrollLeads", input: { sequenceId, limit, filter } }, async () => {
      const [sequence] = await tx.select().from(sequences).where(and(eq(sequences.workspaceId, db.id), eq(sequences.id, sequenceId)));
      if (!sequence) return refused({ code: "NOT_FOUND", message: "There is no sequence with this id.", field: ["sequenceId"] });
      if (sequence.status !== "ACTIVE") {
        const message = `The sequence '${sequence.name}' is ${sequence.status}; only an ACTIVE one enrols leads. Activate it first.`;
        return refused({ code: "INVALID_STATE", message, field: ["sequenceId"] });
      }
      const chosen = await select(tx, (limit ?? MAX_ENROLLED) + 1);
      if (limit == null && chosen.length > MAX_ENROLLED) {
        const message = `More than ${MAX_ENROLLED.toLocaleString("en")} leads match; enrol them in parts with \`limit\`, or set the sequence's trigger on them.`;
        return refused({ code: "LIMIT_EXCEEDED", message, field: ["filter"] });
      }
      const leadIds = chosen.slice(0, limit ?? MAX_ENROLLED);
      let enrolled = 0;
      for (let start = 0; start < leadIds.length; start += MAX_ENROLLED_AT_ONCE) {
        enrolled += await enrolLeads(tx.$client, sequenceId, leadIds.slice(start, start + MAX_ENROLLED_AT_ONCE));
      }
      return ok({ enrolled, skipped: leadIds.length - enrolled });
    }),
  );
}

/** Changes one enrolment by `change`, which is idempotent: one that stands where it is wanted already stays so. */
async function changeOpen(db: WorkspaceDb, id: string, wanted: string, change: (tx: Tx) => Promise<unknown>): Promise<Result<string>> {
  return db.write(async (tx) => {
    const [enrollment] = await tx.select().from(enrollments).where(and(eq(enrollments.workspaceId, db.id), eq(enrollments.id, id)));
    if (!enrollment) return refused({ code: "NOT_FOUND", message: "There is no enrolment with this id.", field: ["id"] });
    if (enrollment.status === wanted) return ok(id);
    if (!isOpen(enrollment)) {
      return refused({ code: "INVALID_STATE", message: `The enrolment has ended (${enrollment.status}); enrol the lead anew instead.`, field: ["id"] });
    }
    await change(tx);
    return ok(id);
  });
}

export const pauseEnrollment = (db: WorkspaceDb, id: string): Promise<Result<string>> =>
  changeOpen(db, id, "PAUSED", (tx) => pauseEnrollments(tx.$client, [id]));

export const resumeEnrollment = (db: WorkspaceDb, id: string): Promise<Result<string>> =>
  changeOpen(db, id, "ACTIVE", (tx) => resumeEnrollments(tx.$client, [id]));

export const stopEnrollment = (db: WorkspaceDb, id: string): Promise<Result<string>> =>
  changeOpen(db, id, "STOPPED", (tx) => stopEnrollments(tx.$client, [id], "OPERATOR"));
