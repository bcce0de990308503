// A new number that sends hundreds of messages on its first day looks like a stolen one. A device's limits can grow to the whole over its first days.

import { DAY_MS } from "../lib/clock.ts";

export type Ramp = {
  /** 0: there is none. */
  readonly rampDays: number;
  /** Its first time online; null before. */
  readonly rampBeganAt: Date | null;
};

/** What is in force at `now` (ms since the epoch) of a limit that is whole after `rampDays` days: as much more each day. Never less than one. The same as ramped_limit in SQL,
 *  by which devices are given work. */
export function rampedLimit(limit: number, { rampDays, rampBeganAt }: Ramp, now: number): number {
  const day = rampBeganAt ? Math.max(0, Math.floor((now - rampBeganAt.getTime()) / DAY_MS)) : 0;
  return rampDays === 0 ? limit : Math.min(limit, Math.max(1, Math.floor((limit * (day + 1)) / (rampDays + 1))));
}

/** When the whole limits are in force: null where they are, or where that is not known because it has not been online. */
export function rampEndsAt({ rampDays, rampBeganAt }: Ramp, now: number): Date | null {
  const end = rampBeganAt && rampDays > 0 ? rampBeganAt.getTime() + rampDays * DAY_MS : -Infinity;
  return end > now ? new Date(end) : null;
}

/** SQL: the limits of the device with this alias that are in force now. */
export const hourlyLimitOf = (alias: string): string => `ramped_limit(${alias}.hourly_limit, ${alias}.ramp_days, ${alias}.ramp_began_at)`;
export const dailyLimitOf = (alias: string): string => `ramped_limit(${alias}.daily_limit, ${alias}.ramp_days, ${alias}.ramp_began_at)`;
