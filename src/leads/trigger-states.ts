import { sql } from "drizzle-orm";
import type { WorkspaceDb } from "../db/workspace.ts";

export const TRIGGER_STATE_KINDS = ["QUEUED", "ENROLLED", "NO_SUCH_STEP", "NOT_ENTRY_POINT", "SEQUENCE_NOT_ACTIVE", "OPTED_OUT", "NO_CONSENT", "NOT_ADMITTED"] as const;

export type TriggerState = {
  readonly trigger: string;
  readonly state: (typeof TRIGGER_STATE_KINDS)[number];
  /** What became of it, or what to do. */
  readonly message: string;
  readonly enrollmentId: string | null;
};

type Row = {
  readonly leadId: string;
  readonly trigger: string;
  readonly isOptedOut: boolean;
  readonly lacksConsent: boolean;
  readonly isAdmitted: boolean;
  readonly hasStep: boolean;
  readonly isEntryPoint: boolean;
  readonly sequenceName: string;
  readonly sequenceStatus: string;
  readonly isReviewed: boolean;
  readonly isSound: boolean;
  readonly enrollmentId: string | null;
  /** The word that the open enrolment began with. */
  readonly enrolledBy: string | null;
};

/** What became of each trigger of each lead, in the order in which the lead carries them. */
export async function triggerStates(db: WorkspaceDb, leadIds: readonly string[]): Promise<Map<string, TriggerState[]>> {
  const { rows } = await db.read((tx) =>
    tx.execute<Row>(sql`
      SELECT l.id AS "leadId", w.word AS trigger, l.opted_out_at IS NOT NULL AS "isOptedOut",
             l.consent_at IS NULL AND (SELECT w.require_consent FROM workspaces w WHERE w.id = l.workspace_id) AS "lacksConsent",
             (SELECT is_admitted(l.id, w.enrollment_percent) FROM workspaces w WHERE w.id = l.workspace_id) AS "isAdmitted",
             st.id IS NOT NULL AS "hasStep", coalesce(st.is_entry_point, false) AS "isEntryPoint",
             coalesce(s.name, '') AS "sequenceName", coalesce(s.status, '') AS "sequenceStatus",
             coalesce(s.reviewed_revision = s.revision, false) AS "isReviewed", coalesce(s.is_sound, false) AS "isSound",
             e.id AS "enrollmentId", e.trigger AS "enrolledBy"
        FROM leads l
       CROSS JOIN LATERAL unnest(trigger_words(l.trigger)) WITH ORDINALITY AS w (word, place)
        LEFT JOIN sequence_steps st ON st.workspace_id = l.workspace_id AND st.trigger = w.word
        LEFT JOIN sequences s ON s.workspace_id = l.workspace_id AND s.id = st.sequence_id
        LEFT JOIN LATERAL (
              -- Its own enrolment rather than one in the same sequence by another word: a lead is in a sequence once at a time.
              SELECT e.id, e.trigger FROM enrollments e
               WHERE e.lead_id = l.id AND e.status IN ('ACTIVE', 'PAUSED') AND (e.trigger = w.word OR e.sequence_id = s.id)
               ORDER BY e.trigger <> w.word LIMIT 1) AS e ON true
       WHERE l.workspace_id = ${db.id} AND l.id = ANY (${sql.param([...leadIds])}::uuid[]) AND l.trigger IS NOT NULL
       ORDER BY l.id, w.place`),
  );
  return new Map([...Map.groupBy(rows, ({ leadId }) => leadId)].map(([leadId, words]) => [leadId, words.map(stateOf)]));
}

function stateOf(row: Row): TriggerState {
  const { state, message } = verdictOn(row);
  return { trigger: row.trigger, state, message, enrollmentId: state === "ENROLLED" ? row.enrollmentId : null };
}

function verdictOn(row: Row): Pick<TriggerState, "state" | "message"> {
  const sequence = `The sequence "${row.sequenceName}"`;
  const is = (state: TriggerState["state"], message: string) => ({ state, message });
  if (row.isOptedOut) return is("OPTED_OUT", "This person has opted out. Once they have agreed again, optInLead enrols them.");
  if (row.enrolledBy === row.trigger) return is("ENROLLED", "The lead is enrolled by it; when the enrolment ends, the trigger is taken off.");
  if (row.enrolledBy !== null) return is("ENROLLED", `${sequence} has the lead already, by its trigger ${row.enrolledBy}.`);
  if (!row.hasStep) {
    return is("NO_SUCH_STEP", "No step has this trigger. Check its spelling, or add an entry step with it: the lead is then enrolled by itself.");
  }
  if (!row.isEntryPoint) {
    return is("NOT_ENTRY_POINT", `${sequence} has it at a step that is no entry point. Use the trigger of an entry step, or make this step one.`);
  }
  if (row.sequenceStatus !== "ACTIVE") return is("SEQUENCE_NOT_ACTIVE", notActive(row));
  if (row.lacksConsent) return is("NO_CONSENT", "This workspace writes only to people whose consent is recorded. Record it with updateLead or an import: the lead is then enrolled by itself.");
  if (!row.isAdmitted) return is("NOT_ADMITTED", "The workspace enrols only a part of its leads for now (enrollmentPercent). The lead is enrolled by itself once its turn has come.");
  if (!row.isReviewed) return is("QUEUED", `${sequence} was changed and is being checked; the lead is enrolled after that.`);
  if (!row.isSound) return is("SEQUENCE_NOT_ACTIVE", `${sequence} enrols nobody until its problems are mended; Sequence.problems lists them.`);
  return is("QUEUED", `${sequence} enrols the lead within the next cycle.`);
}

function notActive({ sequenceName, sequenceStatus }: Row): string {
  if (sequenceStatus === "ARCHIVED") return `The sequence "${sequenceName}" is archived, for good. Use the trigger of another one.`;
  const state = sequenceStatus === "PAUSED" ? "paused" : "a draft";
  return `The sequence "${sequenceName}" is ${state}. activateSequence enrols the lead.`;
}
