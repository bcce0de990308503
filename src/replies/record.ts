// What people wrote back: kept, told of, and obeyed. A stop word opts out; any other reply ends the sequences that stop on one.

import type pg from "pg";
import { plainArray, plainColumn, textArray } from "../db/arrays.ts";
import { transaction } from "../db/transaction.ts";
import { skipCampaignsOf } from "../campaigns/opt-out.ts";
import { appendEvents } from "../events/append.ts";
import { storable } from "../lib/text.ts";
import { lockEnrollments } from "../sequences/pause.ts";
import { answeredEnrollmentsOf, openEnrollmentsOf, stopEnrollments } from "../sequences/stop.ts";
import type { IncomingReply } from "../transports/transport.ts";
import { stopWordIn } from "./stop-words.ts";

export type RecordedReply = {
  readonly replyId: string;
  /** Null where nobody of the workspace has the number: the reply is kept, and there is no one to opt out or to stop anything for. */
  readonly leadId: string | null;
  /** It asked to stop. */
  readonly optedOut: boolean;
  /** False where it had been delivered before. */
  readonly isNew: boolean;
  /** What to answer it with. Null unless it is what opted its lead out: the confirmation is given once, and never where a process died before it was. */
  readonly confirmation: string | null;
};

type Judged = IncomingReply & { readonly stopWord: string | null; readonly stopConfirmation: string | null };
type Kept = Omit<RecordedReply, "confirmation">;

/** Records replies, oldest first, and returns what became of each, in their order. Rejects where Postgres failed it; the same ones can then be recorded again.
 *
 *  Those that ask to stop come first, in a transaction on their leads alone: once it has committed nothing is attempted for them any more, and it waits
 *  for no flow. Their enrolments are stopped after it; where the process dies in between, the dispatcher skips what comes due, as after any opt-out, and
 *  recording them again stops the rest. All others are recorded in one transaction together with the enrolments that they stop: there is nothing in between
 *  to be found again. The caller rings for events. */
export async function recordReplies(pool: pg.Pool, replies: readonly IncomingReply[]): Promise<RecordedReply[]> {
  if (replies.length === 0) return [];
  const judged = await judge(pool, replies);
  const asking = judged.filter(({ stopWord }) => stopWord !== null);
  const others = judged.filter(({ stopWord }) => stopWord === null);
  const stops = await transaction(pool, (client) => recordStops(client, asking), { isPatient: true });
  await sweep(pool, stops);
  const answers = await transaction(pool, (client) => recordAnswers(client, others), { isPatient: true });
  const [nextStop, nextAnswer] = [stops.values(), answers.values()];
  return judged.map(({ stopWord }) => (stopWord === null ? nextAnswer : nextStop).next().value as RecordedReply);
}

/** Stops what is open of the leads that have opted out: also of those that an earlier call recorded and came no further with. */
async function sweep(pool: pg.Pool, stops: readonly RecordedReply[]): Promise<void> {
  const leadIds = new Set(stops.flatMap(({ leadId }) => leadId ?? []));
  if (leadIds.size === 0) return;
  // Not who has agreed again since, where an old STOP is delivered once more.
  const { rows } = await pool.query<{ id: string }>("SELECT id FROM leads WHERE id = ANY ($1::uuid[]) AND opted_out_at IS NOT NULL", [plainArray([...leadIds])]);
  for (const { id } of rows) {
    await transaction(pool, async (client) => stopEnrollments(client, await openEnrollmentsOf(client, id), "OPTED_OUT"), { isPatient: true });
    await transaction(pool, (client) => skipCampaignsOf(client, [id]), { isPatient: true });
  }
}

async function judge(pool: pg.Pool, replies: readonly IncomingReply[]): Promise<Judged[]> {
  const { rows } = await pool.query<{ id: string; words: string[]; confirmation: string | null }>(
    "SELECT id, stop_words AS words, stop_confirmation AS confirmation FROM workspaces WHERE id = ANY ($1::uuid[])",
    [plainArray([...new Set(replies.map(({ workspaceId }) => workspaceId))])],
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return replies.map((reply) => {
    const workspace = byId.get(reply.workspaceId);
    return { ...reply, stopWord: stopWordIn(reply.text, workspace?.words ?? []) ?? null, stopConfirmation: workspace?.confirmation ?? null };
  });
}

async function recordStops(client: pg.PoolClient, replies: readonly Judged[]): Promise<RecordedReply[]> {
  if (replies.length === 0) return [];
  const kept = await keep(client, replies);
  const optedOut = await touchLeads(client, kept, replies.map(({ stopWord }) => `Replied with the stop word '${stopWord}'.`));
  return kept.map((reply, index) => {
    // Deleted as it is found: who asks twice is answered once.
    const isConfirmed = reply.isNew && reply.leadId !== null && optedOut.delete(reply.leadId);
    return { ...reply, confirmation: isConfirmed ? (replies[index]?.stopConfirmation ?? null) : null };
  });
}

/** In the order replies → enrolments → leads → flows, each sorted: two that record the same people's replies wait for one another. Who settles takes flows →
 *  enrolments → leads, but the flow of an enrolment that has been answered is attempted, or is not there yet, and is not waited for here. */
async function recordAnswers(client: pg.PoolClient, replies: readonly Judged[]): Promise<RecordedReply[]> {
  if (replies.length === 0) return [];
  const kept = await keep(client, replies);
  const leadIds = kept.flatMap(({ isNew, leadId }) => (isNew && leadId !== null ? [leadId] : []));
  const answered = await answeredEnrollmentsOf(client, leadIds);
  await lockEnrollments(client, answered);
  await touchLeads(client, kept, replies.map(() => null));
  await stopEnrollments(client, answered, "REPLIED");
  return kept.map((reply) => ({ ...reply, confirmation: null }));
}

const insert = `
  WITH heard AS MATERIALIZED (                                        -- keys in the order of the replies, for those of one second to be told in it
    SELECT uuid_v7() AS id, h.* FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[])
        AS h(workspace_id, device_id, message_id, phone, text, opted_out, at)),
  written AS (
    INSERT INTO replies (id, workspace_id, device_id, message_id, lead_id, text, opted_out, at)
    SELECT h.id, h.workspace_id, h.device_id, h.message_id, l.id, h.text, h.opted_out,
           least(h.at, clock_timestamp())                             -- one from the future would be the lead's last reply until then
      FROM heard h LEFT JOIN leads l ON l.phone = h.phone AND l.workspace_id = h.workspace_id
     ORDER BY h.device_id, h.message_id, h.id                         -- sorted, or two that are given the same messages lock one another out
        ON CONFLICT (device_id, message_id) DO NOTHING                -- delivered again
    RETURNING id, workspace_id, device_id, at),
  logged AS (${appendEvents(["reply_id", "device_id"], "SELECT workspace_id, 'REPLY' AS type, id AS reply_id, device_id FROM written ORDER BY workspace_id, at, id")})
  SELECT id FROM written`;

/** Writes those that are new, and reads the others. */
async function keep(client: pg.PoolClient, replies: readonly Judged[]): Promise<Kept[]> {
  const devices = plainColumn(replies, ({ deviceId }) => deviceId);
  const messages = textArray(replies.map(({ messageId }) => storable(messageId)));
  const inserted = await client.query<{ id: string }>(insert, [
    plainColumn(replies, ({ workspaceId }) => workspaceId),
    devices,
    messages,
    textArray(replies.map(({ phone }) => phone)),
    textArray(replies.map(({ text }) => storable(text))),
    plainColumn(replies, ({ stopWord }) => stopWord !== null),
    textArray(replies.map(({ at }) => at.toISOString())),
  ]);
  // A statement of its own: what another transaction had written is there now, and was not when the first one began.
  const kept = await client.query<Omit<Kept, "isNew">>(
    `SELECT r.id AS "replyId", r.lead_id AS "leadId", r.opted_out AS "optedOut"
       FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS w(device_id, message_id, place)
       JOIN replies r ON r.device_id = w.device_id AND r.message_id = w.message_id ORDER BY w.place`,
    [devices, messages],
  );
  // Answers are told apart by their place: one too few would give a person another's.
  if (kept.rows.length < replies.length) throw new Error("a reply was removed while it was recorded");
  const fresh = new Set(inserted.rows.map(({ id }) => id));
  return kept.rows.map((reply) => ({ ...reply, isNew: fresh.delete(reply.replyId) }));
}

const touch = `
  UPDATE leads l
     SET last_replied_at = greatest(l.last_replied_at, r.at),
         replied_device_id = CASE WHEN l.last_replied_at > r.at THEN l.replied_device_id ELSE r.device_id END,
         opted_out_at = CASE WHEN r.reason IS NULL THEN l.opted_out_at ELSE coalesce(l.opted_out_at, clock_timestamp()) END,    -- final: as of the first time
         opt_out_reason = CASE WHEN l.opted_out_at IS NULL THEN r.reason ELSE l.opt_out_reason END
    FROM (SELECT DISTINCT ON (p.lead_id) p.lead_id, p.device_id, p.at, w.reason
            FROM unnest($1::uuid[], $2::text[]) AS w(id, reason) JOIN replies p ON p.id = w.id
           ORDER BY p.lead_id, p.at DESC, p.id DESC) AS r
   WHERE l.id = r.lead_id`;

/** Writes into the leads that they have replied, and opts out those with a reason. Returns the leads that had not opted out before. */
async function touchLeads(client: pg.PoolClient, replies: readonly Kept[], reasons: readonly (string | null)[]): Promise<Set<string>> {
  const touched = replies.map((reply, index) => ({ ...reply, reason: reasons[index] ?? null })).filter(({ isNew, leadId }) => isNew && leadId !== null);
  if (touched.length === 0) return new Set();
  const { rows } = await client.query<{ id: string; hasOptedOut: boolean }>(
    `SELECT id, opted_out_at IS NOT NULL AS "hasOptedOut" FROM leads WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`,
    [plainColumn(touched, ({ leadId }) => leadId)],
  );
  await client.query(touch, [plainColumn(touched, ({ replyId }) => replyId), textArray(touched.map(({ reason }) => reason))]);
  return new Set(rows.filter(({ hasOptedOut }) => !hasOptedOut).map(({ id }) => id));
}
