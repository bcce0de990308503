// The random pause between two messages of a device, so that it writes like a person and not like a clock.

import { SECOND_MS } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";

export type Pace = { readonly minDelaySeconds: number; readonly maxDelaySeconds: number };

/** The pause in ms, each from minimum to maximum equally likely, both included. */
export function gapMs({ minDelaySeconds, maxDelaySeconds }: Pace, random: Random): number {
  const least = minDelaySeconds * SECOND_MS;
  const most = maxDelaySeconds * SECOND_MS;
  return least + Math.floor(random() * (most - least + 1));
}

/** What the pauses come to on average, in ms. */
export const averageGapMs = ({ minDelaySeconds, maxDelaySeconds }: Pace): number => ((minDelaySeconds + maxDelaySeconds) / 2) * SECOND_MS;
