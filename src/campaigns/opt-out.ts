import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { settleFlows } from "../flows/settle.ts";

type Queryable = Pick<pg.ClientBase, "query">;

/** Skips what campaigns have in the queue for people who have opted out. Whom they have not come to yet is skipped when they do. */
export async function skipCampaignsOf(client: Queryable, leadIds: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT f.id FROM unnest($1::uuid[]) AS l(id) JOIN flows f ON f.lead_id = l.id
      WHERE f.campaign_id IS NOT NULL AND f.attempted_at IS NULL AND f.settled_at IS NULL`,
    [textArray(leadIds)],
  );
  await settleFlows(client, rows.map(({ id }) => ({ flowId: id, attemptId: null, ending: { kind: "skipped", reason: "OPTED_OUT" } })), 0);
}
