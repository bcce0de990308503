// Holds a workspace's first contacts where WhatsApp restricts so many of its devices that whatever it does, it does wrong: to go on with the others would
// get them restricted, too.

import type pg from "pg";
import { IS_RESTRICTED } from "../devices/restriction.ts";

/** More than one in so many. */
const ONE_IN = 10;

const hold = `
  WITH restricted AS MATERIALIZED (
    SELECT d.workspace_id, count(*)::int AS devices, max(d.restricted_at) AS last_at
      FROM devices d WHERE d.transport = 'WHATSAPP' AND d.restricted_until IS NOT NULL AND ${IS_RESTRICTED} GROUP BY d.workspace_id)
  UPDATE workspaces w SET first_contacts_held_at = clock_timestamp()
    FROM restricted r
   WHERE w.id = r.workspace_id AND w.first_contacts_held_at IS NULL
     AND r.devices * ${ONE_IN} > (SELECT count(*) FROM devices d WHERE d.workspace_id = w.id AND d.transport = 'WHATSAPP')
     AND r.last_at > coalesce(w.first_contacts_released_at, '-infinity')     -- an operator has looked at those before: the next one makes it anew
  RETURNING w.id, r.devices`;

export type HeldWorkspace = { readonly id: string; readonly devices: number };

/** Returns those that it has held now, and how many of their devices are restricted. An operator releases them. */
export async function holdFirstContacts(pool: pg.Pool): Promise<HeldWorkspace[]> {
  return (await pool.query<HeldWorkspace>(hold)).rows;
}
