// Reads the due flows that the devices can send before the next cycle. It only reads: nothing is marked, so there is nothing to give back,
// nothing to rescue and nothing to lose when the process dies here. A row that two have read costs one of them a lost race at the attempt.

import type pg from "pg";
import { plainArray, plainColumn } from "../db/arrays.ts";
import type { Greeter } from "../messages/greeting.ts";
import { outgoingMedia } from "../media/outgoing.ts";
import { type Variant, variantFor } from "../messages/variants.ts";
import { type OutgoingMedia, SEND_DEADLINE_MS } from "../transports/transport.ts";
import { SLOTS, type Slice } from "./slices.ts";

export type ClaimedFlow = {
  readonly id: string;
  readonly workspaceId: string;
  readonly boundDeviceId: string | null;
  /** The device that the lead has written to last; null where it has written to none. */
  readonly repliedDeviceId: string | null;
  readonly minDelaySeconds: number;
  readonly maxDelaySeconds: number;
  /** A campaign's, which has no enrolment. */
  readonly isOfCampaign: boolean;
  /** Of the sequence or campaign and the workspace's greetings, that `template` and `greeter` belong to. */
  readonly revision: number;
  /** Its workspace has a frequency cap or an hourly ceiling. */
  readonly isRationed: boolean;
  /** Null where the step was removed while the lead waited on it. */
  readonly template: string | null;
  /** The name of the step's variant that the template is; empty for the step's own text where it has variants, null where it has none. */
  readonly variant: string | null;
  /** Sent with the text. */
  readonly media: OutgoingMedia | null;
  /** Null where its sequence or campaign does not greet. */
  readonly greeter: LocalGreeter | null;
  /** The texts of its sequence or campaign vary. */
  readonly isVaried: boolean;
  /** Null where it was deleted by SQL. */
  readonly lead: Recipient | null;
};

/** The workspace's, in the zone of the flow's lane. */
export type LocalGreeter = Greeter & { readonly utcOffsetSeconds: number };

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

/** SQL: what a text of sequence `s` and workspace `o` was made from. Both only ever grow: their sum is the same where neither has. */
export const TEXT_REVISION = "s.revision + o.greetings_revision";

/** SQL: the same of campaign `c`. */
export const CAMPAIGN_TEXT_REVISION = "c.revision + o.greetings_revision";

/** SQL: what is read of lead `l`. */
const RECIPIENT = "l.phone, l.name, l.niche, l.attributes, l.replied_device_id";

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
        SELECT f.id, f.bound_device_id, f.lead_id, f.lane_id, f.sequence_id, f.step_id, f.campaign_id, f.due_at + s.pause_offset AS due_wall, row_number() OVER (ORDER BY f.due_at, f.id) AS place
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
  SELECT p.id, p.workspace_id, p.bound_device_id, p.lead_id, p.lane_id, p.sequence_id, p.step_id, p.campaign_id, p.is_last, p.turn = p.wanted AS is_full, ${RECIPIENT}
    FROM picked p
    LEFT JOIN LATERAL (                                             -- closed (OFFSET 0): looked up by key, where a join read a million leads.
      SELECT phone, name, niche, nullif(attributes, '{}') AS attributes, replied_device_id FROM leads WHERE id = p.lead_id OFFSET 0) AS l ON true   -- LEFT: SQL may have deleted it
   ORDER BY p.due_wall, p.id`;

// Asked once per step, not once per flow: ten thousand flows have a hundred texts between them. Text and revision are of one moment, so that a text from
// before an edit is known as such.
const steps = `
  SELECT w.step_id AS source_id, s.min_delay_seconds, s.max_delay_seconds, ${TEXT_REVISION} AS revision, st.message_text, st.variants, s.greeting, s.visible_variation,
         o.cap_messages IS NOT NULL OR o.hourly_ceiling IS NOT NULL AS is_rationed, ${outgoingMedia("st.media_id")}
    FROM unnest($1::uuid[], $2::uuid[]) AS w(step_id, sequence_id) JOIN sequences s ON s.id = w.sequence_id JOIN workspaces o ON o.id = s.workspace_id LEFT JOIN sequence_steps st ON st.id = w.step_id`;

const campaigns = `
  SELECT c.id AS source_id, c.min_delay_seconds, c.max_delay_seconds, ${CAMPAIGN_TEXT_REVISION} AS revision, c.message_text, c.variants, c.greeting, c.visible_variation,
         o.cap_messages IS NOT NULL OR o.hourly_ceiling IS NOT NULL AS is_rationed, ${outgoingMedia("c.media_id")}
    FROM unnest($1::uuid[]) AS w(id) JOIN campaigns c ON c.id = w.id JOIN workspaces o ON o.id = c.workspace_id`;

// Asked after the steps, never before: greetings that were changed in between are newer than the revision, and the attempt refuses them.
const greeters = `
  SELECT a.id AS lane_id, o.greetings, o.form_of_address,
         extract(epoch FROM (statement_timestamp() AT TIME ZONE zone.name) - (statement_timestamp() AT TIME ZONE 'UTC'))::int AS utc_offset_seconds
    FROM unnest($1::bigint[]) AS w(lane_id) JOIN lanes a ON a.id = w.lane_id JOIN workspaces o ON o.id = a.workspace_id
   CROSS JOIN LATERAL (SELECT sound_zone(a.time_zone) AS name OFFSET 0) AS zone`;

type Row = ClaimedRow & { is_last: boolean; is_full: boolean };

export type ClaimedRow = {
  id: string;
  workspace_id: string;
  bound_device_id: string | null;
  lead_id: string;
  lane_id: number;
  /** With the step, or null: then there is a campaign. */
  sequence_id: string | null;
  step_id: string | null;
  campaign_id: string | null;
  phone: string | null;
  name: string | null;
  niche: string | null;
  attributes: Record<string, unknown> | null;
  replied_device_id: string | null;
};

/** What a flow's text is made of, and when it may go: its step and sequence, or its campaign. */
type Source = {
  source_id: string;
  min_delay_seconds: number;
  max_delay_seconds: number;
  revision: number;
  message_text: string | null;
  /** Null where the step was removed. */
  variants: readonly Variant[] | null;
  media: OutgoingMedia | null;
  greeting: boolean;
  visible_variation: boolean;
  is_rationed: boolean;
};

type GreeterRow = { lane_id: number; greetings: Greeter["greetings"]; form_of_address: string; utc_offset_seconds: number };

const NO_ATTRIBUTES = {};

/** The oldest due flows of each workspace's open lanes, at most its share. `held`: the flows that wait in the workers' queues. */
export async function claimFlows(pool: pg.Pool, shares: readonly ClaimShare[], keepers: Keepers, held: readonly string[]): Promise<Claim> {
  const ask = async (isDeep: boolean) =>
    (
      await pool.query<Row>({
        name: "claim",
        text: claim,
        values: [
          plainColumn(shares, (share) => share.workspaceId),
          plainColumn(shares, (share) => share.flows),
          plainColumn(shares, (share) => share.slice.from),
          plainColumn(shares, (share) => share.slice.until),
          plainArray(held),
          plainArray(keepers.free),
          plainArray(keepers.busy),
          isDeep,
        ],
      })
    ).rows;

  let rows = await ask(false);
  // Each of a thousand lanes was asked for its part; where one of them has more and the others do not fill the share, it gives the rest.
  const wanted = shares.reduce((sum, share) => sum + share.flows, 0);
  if (rows.length < wanted && rows.some((row) => row.is_last)) rows = await ask(true);
  return { flows: await withSources(pool, rows), isMore: rows.some((row) => row.is_full) };
}

const sourceIdOf = ({ step_id, campaign_id }: ClaimedRow): string => step_id ?? campaign_id ?? "";

export async function withSources(pool: pg.Pool, rows: readonly ClaimedRow[]): Promise<ClaimedFlow[]> {
  if (rows.length === 0) return [];
  const firstOf = new Map<string, ClaimedRow>();
  for (const row of rows) if (!firstOf.has(sourceIdOf(row))) firstOf.set(sourceIdOf(row), row);
  const found = await sourcesOf(pool, [...firstOf.values()]);
  // One text of the workspace's id for all of a step's flows, or each would keep its own.
  const sourceOf = new Map(found.map((source) => [source.source_id, { ...source, workspaceId: firstOf.get(source.source_id)?.workspace_id ?? "" }]));
  const greeterOf = await greetersOf(pool, new Set(rows.filter((row) => sourceOf.get(sourceIdOf(row))?.greeting).map((row) => row.lane_id)));
  const flows: ClaimedFlow[] = [];
  for (const row of rows) {
    const source = sourceOf.get(sourceIdOf(row));
    if (source === undefined) continue; // its sequence was deleted by SQL meanwhile
    flows.push({
      id: row.id,
      workspaceId: source.workspaceId,
      boundDeviceId: row.bound_device_id,
      repliedDeviceId: row.replied_device_id,
      minDelaySeconds: source.min_delay_seconds,
      maxDelaySeconds: source.max_delay_seconds,
      isOfCampaign: row.campaign_id !== null,
      revision: source.revision,
      isRationed: source.is_rationed,
      ...textFor(source, row.lead_id),
      media: source.media,
      greeter: greeterOf.get(row.lane_id) ?? null,
      isVaried: source.visible_variation,
      lead: row.phone === null ? null : { phone: row.phone, name: row.name, niche: row.niche, attributes: row.attributes ?? NO_ATTRIBUTES },
    });
  }
  return flows;
}

function textFor({ source_id, message_text, variants }: Source, leadId: string): Pick<ClaimedFlow, "template" | "variant"> {
  if (variants === null || variants.length === 0) return { template: message_text, variant: null };
  const variant = variantFor(variants, source_id, leadId);
  return variant ? { template: variant.text, variant: variant.name } : { template: message_text, variant: "" };
}

async function sourcesOf(pool: pg.Pool, rows: readonly ClaimedRow[]): Promise<Source[]> {
  const ofSteps = rows.filter((row) => row.step_id !== null);
  const ofCampaigns = rows.filter((row) => row.campaign_id !== null);
  const found: Source[] = [];
  if (ofSteps.length > 0) {
    const values = [plainColumn(ofSteps, (row) => row.step_id), plainColumn(ofSteps, (row) => row.sequence_id)];
    found.push(...(await pool.query<Source>({ name: "claimed_steps", text: steps, values })).rows);
  }
  if (ofCampaigns.length > 0) {
    found.push(...(await pool.query<Source>({ name: "claimed_campaigns", text: campaigns, values: [plainColumn(ofCampaigns, (row) => row.campaign_id)] })).rows);
  }
  return found;
}

async function greetersOf(pool: pg.Pool, laneIds: ReadonlySet<number>): Promise<ReadonlyMap<number, LocalGreeter>> {
  if (laneIds.size === 0) return new Map();
  const { rows } = await pool.query<GreeterRow>({ name: "claimed_greeters", text: greeters, values: [plainArray([...laneIds])] });
  return new Map(
    rows.map((row) => [row.lane_id, { greetings: row.greetings, formOfAddress: row.form_of_address, utcOffsetSeconds: row.utc_offset_seconds }]),
  );
}
