import type { WorkspaceDb } from "../db/workspace.ts";
import { SECOND_MS, type Clock, type Timer } from "../lib/clock.ts";
import { campaignsById, campaignTotals, type Campaign } from "./read.ts";
import { IS_OVER, type CampaignStatus } from "./states.ts";

export type FollowCampaign = (db: WorkspaceDb, id: string, signal: AbortSignal) => AsyncGenerator<Campaign>;

const SHOW_EVERY_MS = SECOND_MS;

/** Follows a campaign: as it is now, then at most once a second as it goes on, and as it ended, which ends the iteration. */
export function createFollowCampaign(clock: Clock): FollowCampaign {
  return async function* follow(db, id, signal) {
    let shown = "";
    while (!signal.aborted) {
      const [campaign] = await campaignsById(db, [id]);
      const [totals] = await campaignTotals(db, [id]);
      if (!campaign) return;
      const isOver = IS_OVER.includes(campaign.status as CampaignStatus) && totals?.waiting === 0;
      const text = JSON.stringify([campaign, totals]);
      if (text !== shown) {
        shown = text;
        yield campaign;
      }
      if (isOver) return;
      await untilNext(clock, signal);
    }
  };
}

function untilNext(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let timer: Timer | undefined;
    const end = () => {
      timer?.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    timer = clock.setTimeout(end, SHOW_EVERY_MS);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
