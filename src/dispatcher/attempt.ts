// The point of no return. After this has committed, the message may be on the wire, and it is never tried again.

import type pg from "pg";
import { plainArray, plainColumn, textArray } from "../db/arrays.ts";
import { HAS_RATION, NEEDS_NO_RATION, takeRations } from "./rations.ts";
import { OF_CAMPAIGN, OF_ENROLMENT, type Source } from "./sources.ts";
import { SEND_DEADLINE_MS } from "../transports/transport.ts";

export type AttemptRequest = {
  readonly flowId: string;
  /** Made by the worker for this one try. The same request can be repeated when its answer was lost. */
  readonly attemptId: string;
  readonly deviceId: string;
  readonly text: string;
  /** Of the step's, that the text is of; null where the step has none. */
  readonly variant: string | null;
  /** Sent with the text. */
  readonly mediaId: string | null;
  /** What the text was rendered from. */
  readonly revision: number;
  /** Its workspace had a frequency cap or an hourly ceiling when it was claimed. */
  readonly isRationed: boolean;
  readonly isOfCampaign: boolean;
};

/** Why nothing may be sent: `gone`, somebody else has it or it is settled; `not_now`, paused, held, put off or outside its time since it was claimed; `edited`,
 *  to be rendered anew; `opted_out`, `no_consent`, `erased` and `stopped`, never to be sent; `superseded`, a retry that a later step has overtaken; `lease_lost`, this node has
 *  been taken for dead. */
export type Hindrance = "gone" | "not_now" | "edited" | "opted_out" | "no_consent" | "erased" | "stopped" | "superseded" | "lease_lost";

export type AttemptAnswer = { readonly attempted: true } | { readonly attempted: false; readonly hindrance: Hindrance; readonly stopReason: string | null };

const SEND_DEADLINE = `interval '${SEND_DEADLINE_MS} milliseconds'`;

/** What is attempted now may be on the wire a deadline later: its window must last until then. */
const IS_OPEN = `a.paused_at IS NULL AND a.open_from <= clock_timestamp() AND a.open_until >= clock_timestamp() + ${SEND_DEADLINE}`;

const IS_DUE = "f.due_at <= clock_timestamp() - a.pause_offset";

/** First contacts may have been held since it was claimed. */
const IS_NOT_HELD = "(o.first_contacts_held_at IS NULL OR l.last_replied_at IS NOT NULL)";

/** The person has agreed, as far as is recorded, or need not have. */
const HAS_CONSENT = "(l.consent_at IS NOT NULL OR NOT o.require_consent)";

const isAllowed = ({ isItsTurn }: Source) => `l.opted_out_at IS NULL AND ${HAS_CONSENT} AND ${isItsTurn} AND ${IS_DUE} AND ${IS_OPEN} AND ${IS_NOT_HELD}`;

/** `rations`: SQL before the attempt, and its condition. */
const attempt = (source: Source, rations: string, hasRation: string) => `
  WITH lease AS MATERIALIZED (                   -- whoever takes this node for dead deletes the row, and waits until this has committed; a node
    SELECT FROM nodes WHERE id = $1              -- that was paused finds it gone. Without the lock an attempt committed 0.8 s after the takeover
       FOR KEY SHARE),                           -- (measured).
  wanted AS MATERIALIZED (
    SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::int[], $7::text[], $8::uuid[]) WITH ORDINALITY AS w(flow_id, attempt_id, device_id, text, revision, variant, media_id, place)),${rations}
  attempted AS (
    UPDATE flows f
       SET queued = false, status = 'PROCESSING', attempt_id = w.attempt_id, attempted_at = coalesce(f.attempted_at, clock_timestamp()),
           device_id = w.device_id, node_id = $1, text = w.text, variant = w.variant, media_id = w.media_id
      FROM wanted w, leads l, ${source.tables}, lanes a, workspaces o
     WHERE f.id = w.flow_id AND l.id = f.lead_id AND ${source.isOwn} AND a.id = f.lane_id AND o.id = f.workspace_id
       AND EXISTS (SELECT FROM lease)
       AND f.settled_at IS NULL                  -- a repeat that comes after rescue has settled it
       AND (f.attempt_id = w.attempt_id          -- this very call again, its answer having been lost: what came after the attempt is too late
            OR f.queued                          -- once, ever: asked again of the row's newest version, which another may have taken meanwhile
               AND ${isAllowed(source)}
               AND ${source.revision} = w.revision   -- the text was rendered before an edit
               AND ${hasRation})
    RETURNING f.id, f.workspace_id, f.device_id, f.attempted_at),
  history AS (
    INSERT INTO device_attempts (workspace_id, device_id, flow_id, at)
    SELECT workspace_id, device_id, id, attempted_at FROM attempted
     WHERE attempted_at >= date_trunc('milliseconds', statement_timestamp()))      -- a repeat counts no second time for the limits
  SELECT w.flow_id, ${source.stopReason} AS stop_reason,     -- of those that were not attempted, why: one by one, for they are few
         CASE WHEN NOT EXISTS (SELECT FROM lease) THEN 'lease_lost'
              WHEN f.id IS NULL OR NOT f.queued OR f.settled_at IS NOT NULL THEN 'gone'
              WHEN l.id IS NULL THEN 'erased'
              WHEN l.opted_out_at IS NOT NULL THEN 'opted_out'
              WHEN NOT ${HAS_CONSENT} THEN 'no_consent'${source.hindrances}
              WHEN NOT (${IS_DUE} AND ${IS_OPEN} AND ${IS_NOT_HELD}) THEN 'not_now'
              WHEN ${source.revision} <> w.revision THEN 'edited'
              WHEN NOT (${NEEDS_NO_RATION}) THEN 'not_now'
              ELSE 'gone' END AS hindrance
    FROM wanted w
    LEFT JOIN flows f ON f.id = w.flow_id
    LEFT JOIN leads l ON l.id = f.lead_id
    ${source.leftJoins}
    LEFT JOIN lanes a ON a.id = f.lane_id
    LEFT JOIN workspaces o ON o.id = f.workspace_id
   WHERE w.flow_id NOT IN (SELECT id FROM attempted)`;

/** Most workspaces have no rations, and their attempts cost a tenth less without them. */
const statementsOf = (source: Source, name: string) => ({
  plain: { name, text: attempt(source, "", NEEDS_NO_RATION) },
  rationed: { name: `rationed_${name}`, text: attempt(source, takeRations(source, isAllowed(source)), HAS_RATION) },
});
const ofEnrolments = statementsOf(OF_ENROLMENT, "attempt");
const ofCampaigns = statementsOf(OF_CAMPAIGN, "campaign_attempt");

type Hindered = { flow_id: string; hindrance: Hindrance; stop_reason: string | null };

/** Attempts a batch, in a statement for the flows of sequences and one for those of campaigns. Answers in the order of the requests. Rejects where Postgres
 *  gave no answer: then each may or may not be attempted, and the same requests can be repeated. */
export async function attemptFlows(pool: pg.Pool, nodeId: string, requests: readonly AttemptRequest[]): Promise<AttemptAnswer[]> {
  const campaigns = requests.filter(({ isOfCampaign }) => isOfCampaign);
  const sequences = campaigns.length === 0 ? requests : requests.filter(({ isOfCampaign }) => !isOfCampaign);
  const hindered = await Promise.all([attemptOf(pool, nodeId, ofEnrolments, sequences), attemptOf(pool, nodeId, ofCampaigns, campaigns)]);
  const hinderedById = new Map(hindered.flatMap((rows) => rows.map((row) => [row.flow_id, row] as const)));
  return requests.map(({ flowId }) => {
    const row = hinderedById.get(flowId);
    return row === undefined ? ATTEMPTED : { attempted: false, hindrance: row.hindrance, stopReason: row.stop_reason };
  });
}

async function attemptOf(pool: pg.Pool, nodeId: string, { plain, rationed }: typeof ofEnrolments, requests: readonly AttemptRequest[]): Promise<Hindered[]> {
  if (requests.length === 0) return [];
  const { rows } = await pool.query<Hindered>({
    ...(requests.some(({ isRationed }) => isRationed) ? rationed : plain),
    values: [
      nodeId,
      plainColumn(requests, (request) => request.flowId),
      plainColumn(requests, (request) => request.attemptId),
      plainColumn(requests, (request) => request.deviceId),
      textArray(requests.map((request) => request.text)),
      plainColumn(requests, (request) => request.revision),
      textArray(requests.map((request) => request.variant)),
      plainColumn(requests, (request) => request.mediaId),
    ],
  });
  return rows;
}

const ATTEMPTED: AttemptAnswer = { attempted: true };

/** The flows that nobody holds locked at this moment. */
export async function unlockedFlows(pool: pg.Pool, flowIds: readonly string[]): Promise<Set<string>> {
  const { rows } = await pool.query<{ id: string }>("SELECT f.id FROM unnest($1::uuid[]) AS w(id) JOIN flows f ON f.id = w.id FOR UPDATE OF f SKIP LOCKED", [plainArray(flowIds)]);
  return new Set(rows.map((row) => row.id));
}
