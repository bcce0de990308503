// Reads the due flows that the devices can send before the next cycle. It only reads: nothing is marked, so there is nothing to give back,
// nothing to rescue and nothing to lose when the process dies here. A row that two have read costs one of them a lost race at the attempt.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { SEND_DEADLINE_MS } from "../transports/transport.ts";
import { SLOTS, type Slice } from "./slices.ts";

export type ClaimedFlow = {
  readonly id: string;
  readonly workspaceId: string;
  readonly boundDeviceId: string | null;
  readonly minDelaySeconds: number;
  readonly maxDelaySeconds: number;
  /** The sequence's revision that `template` belongs to. */
  readonly revision: number;
  /** Its workspace has a frequency cap. */
  readonly isCapped: boolean;
  /** Null where the step was removed while the lead waited on it. */
  readonly template: string | null;
  /** Null where it was deleted by SQL. */
  readonly lead: Recipient | null;
};

export type Recipient = {
  readonly phone: string;
  readonly name: string | null;
  readonly niche: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
};

/** How many flows of a workspace are wanted. Where other nodes have devices of it, too, each reads a slice of its flows, by a hash of the id. */
export type ClaimShare = { readonly workspaceId: string; readonly flows: number; readonly slice: Slice };

/** Devices that have their people to themselves. */
export type Keepers = {
  /** Those of this node that can take more: what is bound to them is this node's, whatever its hash. */
  readonly free: readonly string[];
  /** Those that can't take more before the next cycle, and those of other nodes: what is bound to them is left alone. */
  readonly busy: readonly string[];
};

export type Claim = {
  readonly flows: ClaimedFlow[];
  /** There may be more that is due. */
  readonly isMore: boolean;
};

const SEND_DEADLINE = `interval '${SEND_DEADLINE_MS} milliseconds'`;

const claim = `
  WITH share AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[]) AS s(workspace_id, flows, slot_from, slot_until)),
  held AS MATERIALIZED (SELECT unnest($5::uuid[]) AS id),
  free AS MATERIALIZED (SELECT unnest($6::uuid[]) AS id),
  busy AS MATERIALIZED (SELECT unnest($7::uuid[]) AS id),
  open_lanes AS MATERIALIZED (                                      -- closed ones are not even looked into
    SELECT s.*, a.id AS lane_id, a.pause_offset, CASE WHEN $8 THEN s.flows ELSE greatest(16, 2 * s.flows / count(*) OVER (PARTITION BY s.workspace_id)) END AS depth
      FROM share s JOIN lanes a ON a.workspace_id = s.workspace_id
     WHERE a.paused_at IS NULL AND a.open_from <= statement_timestamp() AND a.open_until > statement_timestamp() + ${SEND_DEADLINE}),
  due AS (
    SELECT s.workspace_id, s.flows AS wanted, d.*, d.place = s.depth AS is_last
      FROM open_lanes s CROSS JOIN LATERAL (
        SELECT f.id, f.bound_device_id, f.lead_id, f.sequence_id, f.step_id, f.due_at + s.pause_offset AS due_wall, row_number() OVER (ORDER BY f.due_at, f.id) AS place
          FROM flows f
         WHERE f.lane_id = s.lane_id AND f.queued
           AND f.due_at <= statement_timestamp() - s.pause_offset   -- lane time: a lane that stood still for an hour is an hour behind. Not
                                                                    -- clock_timestamp(): being volatile, it would be no index condition, and
                                                                    -- all that is due tomorrow be read (1M flows: 3 s instead of 1 ms)
           AND f.id NOT IN (SELECT id FROM held)                    -- in the workers' queues already
           AND (f.bound_device_id IS NULL OR f.bound_device_id NOT IN (SELECT id FROM busy))
           AND (s.slot_until - s.slot_from = ${SLOTS} OR f.bound_device_id IN (SELECT id FROM free)
                OR get_byte(uuid_send(f.id), 14) * 256 + get_byte(uuid_send(f.id), 15) BETWEEN s.slot_from AND s.slot_until - 1)
         ORDER BY f.due_at, f.id LIMIT s.depth) AS d),
  picked AS (
    SELECT * FROM (SELECT d.*, row_number() OVER (PARTITION BY d.workspace_id ORDER BY d.due_wall, d.id) AS turn FROM due d) AS d WHERE d.turn <= d.wanted)
  SELECT p.id, p.workspace_id, p.bound_device_id, p.sequence_id, p.step_id, p.is_last, p.turn = p.wanted AS is_full, l.phone, l.name, l.niche, l.attributes
    FROM picked p
    LEFT JOIN LATERAL (                                             -- closed (OFFSET 0): looked up by key, where a join read a million leads.
      SELECT phone, name, niche, nullif(attributes, '{}') AS attributes FROM leads WHERE id = p.lead_id OFFSET 0) AS l ON true   -- LEFT: SQL may have deleted it
   ORDER BY p.due_wall, p.id`;

// Asked once per step, not once per flow: ten thousand flows have a hundred texts between them. Text and revision are of one moment, so that a text from
// before an edit is known as such.
const steps = `
  SELECT w.step_id, s.min_delay_seconds, s.max_delay_seconds, s.revision, st.message_text, o.cap_messages IS NOT NULL AS is_capped
    FROM unnest($1::uuid[], $2::uuid[]) AS w(step_id, sequence_id) JOIN sequences s ON s.id = w.sequence_id JOIN workspaces o ON o.id = s.workspace_id LEFT JOIN sequence_steps st ON st.id = w.step_id`;

type Row = {
  id: string;
  workspace_id: string;
  bound_device_id: string | null;
  sequence_id: string;
  step_id: string;
  is_last: boolean;
  is_full: boolean;
  phone: string | null;
  name: string | null;
  niche: string | null;
  attributes: Record<string, unknown> | null;
};

type Step = { step_id: string; min_delay_seconds: number; max_delay_seconds: number; revision: number; message_text: string | null; is_capped: boolean };

const NO_ATTRIBUTES = {};

/** The oldest due flows of each workspace's open lanes, at most its share. `held`: the flows that wait in the workers' queues. */
export async function claimFlows(pool: pg.Pool, shares: readonly ClaimShare[], keepers: Keepers, held: readonly string[]): Promise<Claim> {
  const ask = async (isDeep: boolean) =>
    (
      await pool.query<Row>({
        name: "claim",
        text: claim,
        values: [
          textArray(shares.map((share) => share.workspaceId)),
          textArray(shares.map((share) => String(share.flows))),
          textArray(shares.map((share) => String(share.slice.from))),
          textArray(shares.map((share) => String(share.slice.until))),
          textArray(held),
          textArray(keepers.free),
          textArray(keepers.busy),
          isDeep,
        ],
      })
    ).rows;

  let rows = await ask(false);
  // Each of a thousand lanes was asked for its part; where one of them has more and the others do not fill the share, it gives the rest.
  const wanted = shares.reduce((sum, share) => sum + share.flows, 0);
  if (rows.length < wanted && rows.some((row) => row.is_last)) rows = await ask(true);
  return { flows: await withSteps(pool, rows), isMore: rows.some((row) => row.is_full) };
}

async function withSteps(pool: pg.Pool, rows: readonly Row[]): Promise<ClaimedFlow[]> {
  if (rows.length === 0) return [];
  const sequenceOf = new Map(rows.map((row) => [row.step_id, row.sequence_id]));
  const found = await pool.query<Step>({ name: "claimed_steps", text: steps, values: [textArray([...sequenceOf.keys()]), textArray([...sequenceOf.values()])] });
  const stepOf = new Map(found.rows.map((step) => [step.step_id, step]));
  return rows.flatMap((row) => {
    const step = stepOf.get(row.step_id);
    if (step === undefined) return []; // its sequence was deleted by SQL meanwhile
    return {
      id: row.id,
      workspaceId: row.workspace_id,
      boundDeviceId: row.bound_device_id,
      minDelaySeconds: step.min_delay_seconds,
      maxDelaySeconds: step.max_delay_seconds,
      revision: step.revision,
      isCapped: step.is_capped,
      template: step.message_text,
      lead: row.phone === null ? null : { phone: row.phone, name: row.name, niche: row.niche, attributes: row.attributes ?? NO_ATTRIBUTES },
    };
  });
}
