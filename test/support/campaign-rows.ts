// Campaigns without the API, fed by hand.

import type pg from "pg";
import { feedLane } from "../../src/campaigns/feed.ts";
import { launchCampaign } from "../../src/campaigns/lifecycle.ts";
import { createCampaign, type CampaignWrites, type NewCampaign } from "../../src/campaigns/service.ts";
import { workspaceDb } from "../../src/db/workspace.ts";
import { createBell } from "../../src/events/bell.ts";
import type { Result } from "../../src/lib/errors.ts";
import { query } from "./factories.ts";

export const campaignWrites = (pool: pg.Pool, workspaceId: string): CampaignWrites => ({ db: workspaceDb(pool, workspaceId), bell: createBell() });

export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.value;
}

/** A campaign that runs, to the leads of `audience`; none of them is in the queue yet. Returns its id. */
export async function addCampaign(pool: pg.Pool, workspaceId: string, fields: Partial<NewCampaign> = {}): Promise<string> {
  const writes = campaignWrites(pool, workspaceId);
  const input = { name: "News", text: "Hi {{name}}", audience: {}, minDelaySeconds: 5, maxDelaySeconds: 15, greeting: false, visibleVariation: false, variants: [], ...fields };
  const id = valueOf(await createCampaign(writes, input));
  return valueOf(await launchCampaign(writes, id, null));
}

/** Puts all of its leads into the queue. */
export async function feedAll(pool: pg.Pool, campaignId: string): Promise<void> {
  for (const { id } of await query<{ id: number }>(pool, "SELECT id FROM lanes WHERE campaign_id = $1 AND NOT is_test", [campaignId])) {
    while ((await feedLane(pool, campaignId, id, 1000)).fed > 0);
  }
}
