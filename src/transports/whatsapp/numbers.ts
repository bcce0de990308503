// Which numbers are on WhatsApp. Asked once a month: looking up many numbers is what spammers do, and WhatsApp counts it.

import { LRUCache } from "lru-cache";
import type pg from "pg";
import { retrying } from "../../db/transaction.ts";
import { type Clock, DAY_MS } from "../../lib/clock.ts";

const KNOWN_FOR_MS = 30 * DAY_MS;

/** In memory: some 8 MB. The others are looked up in Postgres. */
const MAX_REMEMBERED = 50_000;

export interface Numbers {
  /** Whether a number is on WhatsApp, by what is known in the workspace; asks with `lookUp` where nothing is. Rejects where that cannot be told. */
  isPresent(workspaceId: string, phone: string, lookUp: () => Promise<boolean>): Promise<boolean>;
  /** Nothing is remembered in this process any more; what Postgres knows stays. */
  clear(): void;
}

type Known = { readonly isPresent: boolean; readonly checkedAt: number };

export function createNumbers({ pool, clock }: { readonly pool: pg.Pool; readonly clock: Clock }): Numbers {
  const remembered = new LRUCache<string, Known>({ max: MAX_REMEMBERED });

  const load = async (workspaceId: string, phone: string): Promise<Known | undefined> => {
    const { rows } = await pool.query<{ is_on_whatsapp: boolean; age: number }>({
      name: "whatsapp_number",
      text: "SELECT is_on_whatsapp, extract(epoch FROM clock_timestamp() - checked_at)::float8 * 1000 AS age FROM whatsapp_numbers WHERE workspace_id = $1 AND phone = $2",
      values: [workspaceId, phone],
    });
    return rows[0] && { isPresent: rows[0].is_on_whatsapp, checkedAt: clock.now() - rows[0].age };
  };

  const keep = (workspaceId: string, phone: string, isPresent: boolean) =>
    retrying(() =>
      pool.query({
        name: "keep_whatsapp_number",
        text: `INSERT INTO whatsapp_numbers (workspace_id, phone, is_on_whatsapp) VALUES ($1, $2, $3)
               ON CONFLICT (workspace_id, phone) DO UPDATE SET is_on_whatsapp = excluded.is_on_whatsapp, checked_at = clock_timestamp()`,
        values: [workspaceId, phone, isPresent],
      }),
    );

  return {
    async isPresent(workspaceId, phone, lookUp) {
      const key = `${workspaceId} ${phone}`;
      const known = remembered.get(key) ?? (await load(workspaceId, phone));
      if (known !== undefined && clock.now() - known.checkedAt < KNOWN_FOR_MS) {
        remembered.set(key, known);
        return known.isPresent;
      }
      const isPresent = await lookUp();
      remembered.set(key, { isPresent, checkedAt: clock.now() });
      await keep(workspaceId, phone, isPresent);
      return isPresent;
    },
    clear: () => remembered.clear(),
  };
}
