// Who had opted out before being erased comes back opted out, by whichever way the number is written again. Of such a person nothing is kept but a keyed
// hash of the number; the key is not in the database.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import type { NameHash } from "../lib/sealing.ts";

type Queryable = Pick<pg.ClientBase, "query">;

/** What is kept of a number in a workspace: 16 bytes that lead back to neither without the key. */
export type OptOutHash = (workspaceId: string, phone: string) => Buffer;

export const createOptOutHash =
  (nameHash: NameHash): OptOutHash =>
  (workspaceId, phone) =>
    nameHash(`opt-out/${workspaceId}/${phone}`);

export async function keepOptOut(client: Queryable, optOutHash: OptOutHash, workspaceId: string, phone: string): Promise<void> {
  await client.query("INSERT INTO kept_opt_outs (workspace_id, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING", [workspaceId, optOutHash(workspaceId, phone)]);
}

// The lead has the opt-out now, so the hash can go: kept, it would outlive the person's agreeing again. What a list says of triggers and consent may be older.
const restore = `
  WITH returned AS (
    DELETE FROM kept_opt_outs k USING unnest($2::text[], $3::bytea[]) AS w(phone, hash)
     WHERE k.workspace_id = $1 AND k.hash = w.hash
    RETURNING w.phone)
  UPDATE leads l
     SET opted_out_at = coalesce(l.opted_out_at, clock_timestamp()), opt_out_reason = coalesce(l.opt_out_reason, 'opted out before being erased'),
         trigger = NULL, consent_source = NULL, consent_at = NULL
    FROM returned r WHERE l.workspace_id = $1 AND l.phone = r.phone`;

/** Opts out, of the leads with these numbers, those whose number had opted out before it was erased. Called in the transaction that wrote the numbers, after
 *  that: whoever erases one of them meanwhile has either committed by then, or waits for us. */
export async function restoreOptOuts(client: Queryable, optOutHash: OptOutHash, workspaceId: string, phones: readonly string[]): Promise<void> {
  if (phones.length === 0) return;
  const { rows } = await client.query<{ keeps: boolean }>("SELECT EXISTS (SELECT FROM kept_opt_outs WHERE workspace_id = $1) AS keeps", [workspaceId]);
  if (!rows[0]?.keeps) return;
  await client.query(restore, [workspaceId, textArray(phones), phones.map((phone) => optOutHash(workspaceId, phone))]);
}

const BATCH = 1000;

const take = `
  WITH taken AS (
    DELETE FROM unscreened_leads WHERE lead_id IN (SELECT lead_id FROM unscreened_leads ORDER BY lead_id LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)
    RETURNING lead_id)
  SELECT l.workspace_id AS "workspaceId", l.phone FROM taken t JOIN leads l ON l.id = t.lead_id`;

/** Does so for leads that SQL wrote, which are not enrolled before that. Returns whether there may be more. Needs a transaction. */
export async function screenLeads(client: Queryable, optOutHash: OptOutHash): Promise<boolean> {
  const { rows, rowCount } = await client.query<{ workspaceId: string; phone: string }>(take);
  for (const [workspaceId, leads] of Map.groupBy(rows, (lead) => lead.workspaceId)) {
    await restoreOptOuts(client, optOutHash, workspaceId, leads.map(({ phone }) => phone));
  }
  return (rowCount ?? 0) > 0;
}
