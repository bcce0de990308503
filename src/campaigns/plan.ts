// How much of a campaign may wait in the queue: what the devices can take in the next half minute, and never all of it at once.

import { HOUR_MS, SECOND_MS } from "../lib/clock.ts";

/** Several cycles of the dispatcher: no device idles while the feeder looks away. */
const HORIZON_MS = 30 * SECOND_MS;

/** Also of those that can't go now, put off by the frequency cap, say: who could go stands behind them, and is to be come to. */
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

/** A campaign's flows in the queue. */
export type Queue = {
  /** All of them. */
  readonly queued: number;
  /** Those that any device may send now. */
  readonly free: number;
  /** Those that one device has to itself, for each such device. */
  readonly kept: readonly number[];
};

/** How many leads are to be put into the queue. */
export function leadsToFeed(supply: Supply, { queued, free, kept }: Queue): number {
  const perDevice = flowsOfOne(supply);
  const byCeiling = supply.hourlyCeiling === null ? Infinity : Math.max(1, Math.ceil((supply.hourlyCeiling * HORIZON_MS) / HOUR_MS));
  const wanted = Math.min(supply.devices * perDevice, byCeiling, 2 * supply.claimBatch);
  // What one device has to itself beyond what it can take keeps no other busy: a thousand leads of the same device, one after the other, would leave the
  // rest of the fleet idle.
  const usable = free + kept.reduce((sum, flows) => sum + Math.min(flows, perDevice), 0);
  return Math.max(0, Math.min(wanted - usable, MAX_QUEUED - queued));
}

/** How many a device can send within the horizon. */
const flowsOfOne = ({ minDelaySeconds, maxDelaySeconds }: Supply): number =>
  Math.ceil(HORIZON_MS / Math.max(((minDelaySeconds + maxDelaySeconds) / 2) * SECOND_MS, LEAST_SEND_MS));

export type LaneToFeed = { readonly laneId: number; readonly unfed: number };

/** Gives each of a campaign's open lanes its part of `leads`, by what it still has to come. */
export function partsOf(lanes: readonly LaneToFeed[], leads: number): { readonly laneId: number; readonly leads: number }[] {
  const total = lanes.reduce((sum, { unfed }) => sum + unfed, 0);
  return lanes
    .map(({ laneId, unfed }) => ({ laneId, leads: Math.min(unfed, Math.ceil((leads * unfed) / Math.max(total, 1))) }))
    .filter((part) => part.leads > 0);
}
