// Reads the due flows of people who have written: all that a restricted device may send, and all that goes out of a workspace whose first contacts are held.
// Not out of the lanes, as the claim does, where a million first contacts may stand before them; but from the leads that have written, some thousands in a
// cycle: those who wrote last first, and on from there in the next one. Like the claim, it only reads. An operator's retries are not found this way, being
// no enrolment's present flow: they wait.

import type pg from "pg";
import { plainArray, plainColumn } from "../db/arrays.ts";
import { SEND_DEADLINE_MS } from "../transports/transport.ts";
import { type ClaimedFlow, type ClaimedRow, withSources } from "./claim.ts";

/** People who have written: to a restricted device, which takes what is bound to it; or, where that is null, to any of a workspace whose first contacts are
 *  held. */
export type RepliedSource = { readonly workspaceId: string; readonly deviceId: string | null; readonly flows: number };

/** A device of a workspace whose first contacts are held that can take so many. */
export type Taker = { readonly id: string; readonly takes: number; readonly isRestricted: boolean };

export type RepliedClaimRequest = {
  readonly sources: readonly RepliedSource[];
  readonly takers: readonly Taker[];
  /** Those that can't take more, and those of other nodes: what is bound to them is left alone. */
  readonly busy: readonly string[];
  /** The flows that wait in the workers' queues. */
  readonly held: readonly string[];
};

/** The oldest due flows of each source, as far as they are found in this call: of those bound to a device as many as that takes. */
export type RepliedClaim = (request: RepliedClaimRequest) => Promise<ClaimedFlow[]>;

/** Leads looked at in one call, at up to 30 µs each. A restricted device's people are a few hundred; a held workspace's 50,000 are gone through in four minutes. */
const LOOKED_AT = 2000;

const SEND_DEADLINE = `interval '${SEND_DEADLINE_MS} milliseconds'`;

const LEADS = "SELECT l.id, l.last_replied_at, l.replied_device_id, l.phone, l.name, l.niche, nullif(l.attributes, '{}') AS attributes FROM leads l";
/** With those of the same moment, or they would be passed over. */
const NEXT = "l.last_replied_at < coalesce(s.before, 'infinity') ORDER BY l.last_replied_at DESC FETCH FIRST ($8::int) ROWS WITH TIES";

const claim = `
  WITH source AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[]) AS s(workspace_id, device_id, flows, before)),
  takers AS MATERIALIZED (SELECT * FROM unnest($5::uuid[], $6::int[], $7::boolean[]) AS t(id, takes, is_restricted)),
  busy AS MATERIALIZED (SELECT unnest($9::uuid[]) AS id),
  held AS MATERIALIZED (SELECT unnest($10::uuid[]) AS id),
  page AS MATERIALIZED (
    SELECT coalesce(s.device_id, s.workspace_id) AS source_id, s.workspace_id, s.device_id, s.flows, l.*
      FROM source s CROSS JOIN LATERAL (
        (${LEADS} WHERE s.device_id IS NULL AND l.workspace_id = s.workspace_id AND ${NEXT})
         UNION ALL
        (${LEADS} WHERE l.replied_device_id = s.device_id AND ${NEXT})) AS l),
  due AS (
    SELECT l.*, f.id AS flow_id, f.bound_device_id, f.lane_id, f.sequence_id, f.step_id, f.campaign_id, f.due_at + a.pause_offset AS due_wall, coalesce(t.takes, l.flows) AS takes
      FROM page l
     CROSS JOIN LATERAL (                                    -- by keys, whatever the statistics say: joins read all flows that wait
       SELECT f.* FROM enrollments e CROSS JOIN LATERAL (SELECT * FROM flows WHERE flows.id = e.current_flow_id AND flows.queued OFFSET 0) AS f
        WHERE e.lead_id = l.id AND e.status = 'ACTIVE'
        UNION ALL
       SELECT f.* FROM flows f WHERE f.lead_id = l.id AND f.campaign_id IS NOT NULL AND f.queued AND f.retry_of IS NULL OFFSET 0) AS f
      JOIN lanes a ON a.id = f.lane_id AND a.paused_at IS NULL AND a.open_from <= statement_timestamp() AND a.open_until > statement_timestamp() + ${SEND_DEADLINE}
      LEFT JOIN takers t ON t.id = f.bound_device_id
     WHERE f.due_at <= statement_timestamp() - a.pause_offset
       AND f.id NOT IN (SELECT id FROM held)
       AND CASE WHEN l.device_id IS NOT NULL THEN f.bound_device_id = l.device_id
                WHEN t.is_restricted THEN l.replied_device_id = t.id
                ELSE f.bound_device_id IS NULL OR f.bound_device_id NOT IN (SELECT id FROM busy) END),
  picked AS (
    SELECT * FROM (SELECT d.*, row_number() OVER (PARTITION BY d.source_id, d.bound_device_id ORDER BY d.due_wall, d.flow_id) AS turn FROM due d) AS d WHERE d.turn <= d.takes)
  SELECT r.source_id, r.reached, p.flow_id AS id, p.workspace_id, p.bound_device_id, p.id AS lead_id, p.lane_id, p.sequence_id, p.step_id, p.campaign_id, p.phone, p.name, p.niche, p.attributes, p.replied_device_id
    FROM (SELECT source_id, CASE WHEN count(*) >= $8::int THEN min(last_replied_at) END AS reached FROM page GROUP BY source_id) AS r
    LEFT JOIN picked p ON p.source_id = r.source_id
   ORDER BY p.due_wall, p.flow_id`;

/** `reached`: null where all have been looked at, and the next call begins anew. */
type Row = { source_id: string; reached: Date | null } & (ClaimedRow | { id: null });

export function createRepliedClaim(pool: pg.Pool): RepliedClaim {
  /** How far each source has been gone through: until who wrote at this time. */
  const reached = new Map<string, Date>();
  const idOf = ({ deviceId, workspaceId }: RepliedSource) => deviceId ?? workspaceId;

  return async ({ sources, takers, busy, held }) => {
    if (sources.length === 0) return [];
    const { rows } = await pool.query<Row>({
      name: "claim_replied",
      text: claim,
      values: [
        plainColumn(sources, (source) => source.workspaceId),
        plainColumn(sources, (source) => source.deviceId),
        plainColumn(sources, (source) => source.flows),
        plainColumn(sources, (source) => reached.get(idOf(source))?.toISOString() ?? null),
        plainColumn(takers, (taker) => taker.id),
        plainColumn(takers, (taker) => taker.takes),
        plainColumn(takers, (taker) => taker.isRestricted),
        Math.ceil(LOOKED_AT / sources.length),
        plainArray(busy),
        plainArray(held),
      ],
    });
    for (const source of sources) reached.delete(idOf(source));
    for (const row of rows) if (row.reached !== null) reached.set(row.source_id, row.reached);
    return withSources(pool, rows.filter((row) => row.id !== null));
  };
}
