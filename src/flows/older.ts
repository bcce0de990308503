// Who goes first where a person may get one message only: the older enrolment's or campaign's. A campaign is as old as its launch. Keys are ordered by time.

/** SQL: a flow `o` of lane `b` that could go now. */
const IS_READY = "o.queued AND b.paused_at IS NULL AND o.due_at <= clock_timestamp() - b.pause_offset AND clock_timestamp() BETWEEN b.open_from AND b.open_until";

/** SQL: a message to `lead` of an older enrolment or campaign could go now. What a campaign has not put into the queue yet comes before nobody. */
export const hasOlder = (lead: string, age: string) => `(
           EXISTS (SELECT FROM enrollments older JOIN flows o ON o.id = older.current_flow_id JOIN lanes b ON b.id = o.lane_id
                    WHERE older.lead_id = ${lead} AND older.id < ${age} AND older.status = 'ACTIVE' AND ${IS_READY})
           OR EXISTS (SELECT FROM flows o JOIN campaigns older ON older.id = o.campaign_id JOIN lanes b ON b.id = o.lane_id
                       WHERE o.lead_id = ${lead} AND o.campaign_id IS NOT NULL AND older.launch_id < ${age} AND NOT b.is_test AND ${IS_READY}))`;
