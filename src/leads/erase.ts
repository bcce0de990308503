// Erasing a person. What was sent stays counted: enrolments and flows remain, without a word of whom they were for.

import { sql } from "drizzle-orm";
import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import type { Tx } from "../db/workspace.ts";
import { transaction } from "../db/transaction.ts";
import { ok, refused, type Result } from "../lib/errors.ts";
import { openEnrollmentsOf, stopEnrollments } from "../sequences/stop.ts";
import { keepOptOut } from "./screen.ts";
import { noSuchLead } from "./service.ts";
import { lockById, type Lead, type NumberDeps } from "./write.ts";

type Queryable = Pick<pg.ClientBase, "query">;

/** From the moment this has removed the lead, nothing is attempted for it any more. Erasing anew who is erased changes nothing. */
export async function eraseLead({ db, bell, optOutHash }: NumberDeps, id: string): Promise<Result<true>> {
  // The lead first and alone, as in an opt-out: a transaction that also waited for its flows would let messages go out meanwhile. What only its number and
  // name lead to goes with it, for nobody could find that afterwards.
  const removed = await db.write(async (tx): Promise<Result<true>> => {
    const lead = await lockById(tx, db.id, id);
    if (!lead) return (await isErased(tx, db.id, id)) ? ok(true) : refused(noSuchLead(id, "id"));
    await removeTraces(tx, lead);
    if (lead.optedOutAt) await keepOptOut(tx.$client, optOutHash, db.id, lead.phone);
    // A trigger does what has to be done for one that SQL deletes, too.
    await tx.execute(sql`DELETE FROM leads WHERE workspace_id = ${db.id} AND id = ${id}`);
    return ok(true);
  });
  if (!removed.ok) return removed;
  // Where the process dies here, the sweep does it.
  await db.write(async (tx) => ok(await removeMessages(tx.$client, id)));
  bell.ring("events");
  bell.ring("erasures");
  return removed;
}

async function isErased(tx: Tx, workspaceId: string, id: string): Promise<boolean> {
  const { rows } = await tx.execute(sql`SELECT FROM erasures WHERE workspace_id = ${workspaceId} AND lead_id = ${id}`);
  return rows.length > 0;
}

/** A file writes a number as it likes: with or without the country, blanks or dashes. What else has these eight digits in a row is blanked with it. */
const TELLING_DIGITS = 8;
/** Shorter names are parts of other words. */
const TELLING_LETTERS = 3;

async function removeTraces(tx: Tx, { workspaceId, phone, name }: Lead): Promise<void> {
  const digits = `%${phone.slice(-TELLING_DIGITS)}%`;
  const called = name !== null && name.trim().length >= TELLING_LETTERS ? name.trim().toLowerCase() : null;
  const isNamed = (text: ReturnType<typeof sql>) => sql`coalesce(strpos(lower(${text}), ${called}::text) > 0, false) OR regexp_replace(${text}, '[^0-9]', '', 'g') LIKE ${digits}`;
  await tx.execute(sql`
    UPDATE lead_import_rejects SET raw = '', reason = 'The person in this row was erased.'
     WHERE workspace_id = ${workspaceId} AND (${isNamed(sql`raw`)} OR ${isNamed(sql`reason`)})`);
  // Finds nobody then; without it, a draft would go to everybody.
  await tx.execute(sql`
    UPDATE campaigns SET audience = audience || '{"search": "(erased)"}'
     WHERE workspace_id = ${workspaceId} AND audience ->> 'search' IS NOT NULL AND (${isNamed(sql`audience ->> 'search'`)})`);
  await tx.execute(sql`
    UPDATE campaigns
       SET audience = audience || jsonb_build_object('phones', coalesce(
             (SELECT jsonb_agg(p) FROM jsonb_array_elements_text(audience -> 'phones') AS p WHERE NOT (${isNamed(sql`p`)})), '[]'))
     WHERE workspace_id = ${workspaceId} AND jsonb_typeof(audience -> 'phones') = 'array' AND (${isNamed(sql`audience ->> 'phones'`)})`);
  // A refusal may quote what it refused.
  await tx.execute(sql`
    UPDATE idempotency_keys SET result = result - 'errors' || '{"errors": []}'
     WHERE workspace_id = ${workspaceId} AND jsonb_array_length(CASE WHEN jsonb_typeof(result -> 'errors') = 'array' THEN result -> 'errors' ELSE '[]' END) > 0
       AND (${isNamed(sql`result ->> 'errors'`)})`);
}

/** Ends what is open of a lead that is gone, and removes what was written to it and by it. Needs a transaction. */
async function removeMessages(client: Queryable, leadId: string): Promise<void> {
  await stopEnrollments(client, await openEnrollmentsOf(client, leadId), "ERASED");
  await client.query(
    `UPDATE flows f SET text = NULL, failure_message = NULL
       FROM (SELECT flows_of_enrollment(e.id) AS id FROM enrollments e WHERE e.lead_id = $1
              UNION SELECT id FROM flows WHERE lead_id = $1 AND campaign_id IS NOT NULL) AS w
      WHERE f.id = w.id AND (f.text IS NOT NULL OR f.failure_message IS NOT NULL)`,
    [leadId],
  );
  await client.query("DELETE FROM replies WHERE lead_id = $1", [leadId]);
  await client.query("DELETE FROM lead_pace WHERE lead_id = $1", [leadId]);
}

const SWEPT_AT_ONCE = 100;

/** Longer than any statement lasts that had read the lead before it was gone: an attempt still writes its text, a reply its words. */
const SETTLED_AFTER = "interval '1 minute'";

const unswept = `
  SELECT lead_id AS "leadId" FROM erasures WHERE swept_at IS NULL AND erased_at < clock_timestamp() - ${SETTLED_AFTER}
   ORDER BY erased_at LIMIT ${SWEPT_AT_ONCE} FOR UPDATE SKIP LOCKED`;

/** Removes the messages of leads that were erased a while ago, or deleted by SQL: also what was under way then. Returns whether there may be more. */
export async function sweepErased(pool: pg.Pool): Promise<boolean> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{ leadId: string }>(unswept);
    for (const { leadId } of rows) await removeMessages(client, leadId);
    await client.query("UPDATE erasures SET swept_at = clock_timestamp() WHERE lead_id = ANY ($1::uuid[])", [textArray(rows.map(({ leadId }) => leadId))]);
    return rows.length === SWEPT_AT_ONCE;
  });
}
