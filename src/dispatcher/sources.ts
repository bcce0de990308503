// What a flow comes from, as SQL: an enrolment of a sequence, or a campaign. The attempt is one statement for each, so that neither looks for what only the
// other has. In all of it `f` is the flow, and `o` its workspace.

import { CAMPAIGN_TEXT_REVISION, TEXT_REVISION } from "./claim.ts";

export type Source = {
  /** The tables, and which of their rows are the flow's. */
  readonly tables: string;
  readonly isOwn: string;
  /** The same where the rows may be missing. */
  readonly leftJoins: string;
  readonly revision: string;
  /** Nothing of its source speaks against it now. */
  readonly isItsTurn: string;
  /** WHEN … THEN …: what of it does, of flows whose lead is there and has not opted out. */
  readonly hindrances: string;
  readonly stopReason: string;
  /** Which of two messages to a person under a frequency cap is the older one's: the smaller of these keys, which are ordered by time. */
  readonly age: string;
};

/** The flow is where its enrolment `e` stands; or it is a retry, which goes beside it, but never after a later step. */
const ENROLMENT_HAS_COME_TO_IT = `CASE WHEN f.retry_of IS NULL THEN e.current_flow_id = f.id AND e.status = 'ACTIVE'
                             ELSE (e.status IN ('ACTIVE', 'COMPLETED') OR e.stop_reason = 'FLOW_FAILED') AND NOT is_superseded(f.enrollment_id, f.step_id, f.retry_of) END`;

export const OF_ENROLMENT: Source = {
  tables: "enrollments e, sequences s",
  isOwn: "e.id = f.enrollment_id AND s.id = f.sequence_id",
  leftJoins: "LEFT JOIN enrollments e ON e.id = f.enrollment_id LEFT JOIN sequences s ON s.id = f.sequence_id",
  revision: TEXT_REVISION,
  isItsTurn: ENROLMENT_HAS_COME_TO_IT,
  hindrances: `
              WHEN e.id IS NULL OR e.status = 'STOPPED' AND e.stop_reason <> 'FLOW_FAILED' THEN 'stopped'
              WHEN f.retry_of IS NULL AND (e.current_flow_id <> f.id OR e.status NOT IN ('ACTIVE', 'PAUSED')) THEN 'stopped'
              WHEN f.retry_of IS NOT NULL AND is_superseded(f.enrollment_id, f.step_id, f.retry_of) THEN 'superseded'
              WHEN e.status = 'PAUSED' THEN 'not_now'`,
  stopReason: "e.stop_reason",
  age: "f.enrollment_id",
};

/** What a retry repeats turned out to have been sent. */
const IS_NEEDLESS = "f.retry_of IS NOT NULL AND (SELECT r.status FROM flows r WHERE r.id = f.retry_of) = 'SENT'";

/** Pausing a campaign, and its end, are in its lanes. Cancelling is asked for as well: what was claimed before must not go. */
export const OF_CAMPAIGN: Source = {
  tables: "campaigns c",
  isOwn: "c.id = f.campaign_id",
  leftJoins: "LEFT JOIN campaigns c ON c.id = f.campaign_id",
  revision: CAMPAIGN_TEXT_REVISION,
  isItsTurn: `c.status <> 'CANCELLED' AND NOT (${IS_NEEDLESS})`,
  hindrances: `
              WHEN c.id IS NULL OR c.status = 'CANCELLED' OR ${IS_NEEDLESS} THEN 'superseded'`,
  stopReason: "NULL",
  // A test's campaign may not be launched.
  age: "CASE WHEN a.is_test THEN f.id ELSE coalesce(c.launch_id, f.id) END",
};
