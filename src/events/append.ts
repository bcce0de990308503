/** What an event can say of its change, and the list of its batch that says it. */
const LISTS = {
  flow_id: "flow_ids",
  sequence_id: "sequence_ids",
  campaign_id: "campaign_ids",
  device_id: "device_ids",
  status: "statuses",
  previous_status: "previous_statuses",
  reason: "reasons",
  reply_id: "reply_ids",
  enrollment_id: "enrollment_ids",
  lead_id: "lead_ids",
  webhook_endpoint_id: "webhook_endpoint_ids",
} as const;

/** SQL: appends events to the log, one batch for each workspace and type. `changes` selects `workspace_id`, `type`, and those of the columns that are
 *  named. Where one change is the cause of another, it names `place` as well: batches lie in its order. To be put into the statement that makes the
 *  changes, and so into its transaction. */
export function appendEvents(columns: readonly (keyof typeof LISTS)[], changes: string, { inPlaces = false } = {}): string {
  const place = inPlaces ? "place, " : "";
  return `
    INSERT INTO event_batches (workspace_id, type, ${columns.map((column) => LISTS[column]).join(", ")})
    SELECT workspace_id, type, ${columns.map((column) => `CASE WHEN count(${column}) > 0 THEN array_agg(${column}) END`).join(", ")}
      FROM (${changes}) AS changes GROUP BY ${place}workspace_id, type ORDER BY ${place}workspace_id, type`;
}
