import type { WorkspaceDb } from "../db/workspace.ts";
import type { Watch } from "../lib/watch.ts";
import { campaignsById, campaignTotals, type Campaign } from "./read.ts";
import { IS_OVER, type CampaignStatus } from "./states.ts";

/** A campaign as it goes on, until it has ended. */
export function followCampaign(watch: Watch, db: WorkspaceDb, id: string, signal: AbortSignal): AsyncGenerator<Campaign> {
  return watch(async () => {
    const [campaign] = await campaignsById(db, [id]);
    const [totals] = await campaignTotals(db, [id]);
    if (!campaign) return null;
    return { value: campaign, sign: [campaign, totals], isOver: IS_OVER.includes(campaign.status as CampaignStatus) && totals?.waiting === 0 };
  }, signal);
}
