// When a message that was not taken is posted again: nine times within three days, as the Standard Webhooks specification suggests.

import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";

const WAITS_MS = [5 * SECOND_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 5 * HOUR_MS, 10 * HOUR_MS, 14 * HOUR_MS, 20 * HOUR_MS, 20 * HOUR_MS];

/** What a receiver can put off at most by Retry-After. */
const MOST_ASKED_MS = HOUR_MS;

/** How long to wait after so many failed attempts, the one just made among them; null where none is made any more. Up to a tenth longer, so that what failed
 *  together does not come back together. `askedMs` is what the receiver has asked for. */
export function retryAfterMs(failures: number, random: Random, askedMs = 0): number | null {
  const wait = WAITS_MS[failures - 1];
  return wait === undefined ? null : Math.max(wait * (1 + random() / 10), Math.min(askedMs, MOST_ASKED_MS));
}

/** An endpoint that has taken nothing for so long when a message of three days is given up is dead: a little less than that message has waited. */
export const DEAD_AFTER_MS = 71 * HOUR_MS;
