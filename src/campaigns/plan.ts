// How much of a campaign may wait in the queue: what the devices can take in the next half minute, and never all of it at once.

import { SECOND_MS } from "../lib/clock.ts";

/** Several cycles of the dispatcher: no device idles while the feeder looks away. */
export const HORIZON_MS = 30 * SECOND_MS;

/** Also of those that the frequency cap has put off: who has room for another message stands behind them. */
export const MAX_QUEUED = 50_000;

/** What a device needs for a message beside the pause, at least: nobody sends faster. */
const LEAST_SEND_MS = 100;

export type Supply = {
  /** Devices that could send now. */
  readonly devices: number;
  readonly minDelaySeconds: number;
  readonly maxDelaySeconds: number;
  /** The workspace's, if it has one. */
  readonly hourlyCeiling: number | null;
  /** What the dispatcher takes in a cycle at most. */
  readonly claimBatch: number;
};

/** How many of a campaign's flows that could go now are wanted in the queue. */
export function wantedInQueue({ devices, minDelaySeconds, maxDelaySeconds, hourlyCeiling, claimBatch }: Supply): number {
  const gapMs = Math.max(((minDelaySeconds + maxDelaySeconds) / 2) * SECOND_MS, LEAST_SEND_MS);
  const byPace = devices * Math.ceil(HORIZON_MS / gapMs);
  const byCeiling = hourlyCeiling === null ? Infinity : Math.max(1, Math.ceil((hourlyCeiling * HORIZON_MS) / 3_600_000));
  return Math.min(byPace, byCeiling, 2 * claimBatch);
}

export type LaneToFeed = { readonly laneId: number; readonly unfed: number };

/** Gives each of a campaign's open lanes its part of `leads`, by what it still has to come. */
export function partsOf(lanes: readonly LaneToFeed[], leads: number): { readonly laneId: number; readonly leads: number }[] {
  const total = lanes.reduce((sum, { unfed }) => sum + unfed, 0);
  return lanes
    .map(({ laneId, unfed }) => ({ laneId, leads: Math.min(unfed, Math.ceil((leads * unfed) / Math.max(total, 1))) }))
    .filter((part) => part.leads > 0);
}
