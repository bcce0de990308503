// No device exceeds its limits in ANY window of time, not just in calendar hours, and on the wire, not just in the books.

import { DAY_MS, HOUR_MS } from "../lib/clock.ts";

export type Limit = { readonly attempts: number; readonly windowMs: number };

export const limitsOf = (device: { readonly hourlyLimit: number; readonly dailyLimit: number }): readonly Limit[] => [
  { attempts: device.hourlyLimit, windowMs: HOUR_MS },
  { attempts: device.dailyLimit, windowMs: DAY_MS },
];

/** When the next attempt may be made, in ms by the clock of `now`; `now` where it may be made at once, Infinity where the limit is 0.
 *  `attempts` are the times of the device's last attempts, oldest first. */
export function nextAttemptAt(attempts: readonly number[], limit: Limit, sendDeadlineMs: number, now: number): number {
  // at(-0) would be the oldest attempt, not none.
  if (limit.attempts <= 0) return Infinity;
  const blocking = attempts.at(-limit.attempts);
  if (blocking === undefined) return now;
  // An attempt reaches the wire up to one deadline after it is counted. Without the deadline on top, an early one and a
  // late one can lie closer together on the wire than in the books (seen: 132 messages in an hour of 80).
  return Math.max(now, blocking + limit.windowMs + sendDeadlineMs);
}

/** How many of `attempts` (oldest first) lie less than `windowMs` before `now`, or after it: a clock that was set back frees nothing. */
export const attemptsWithin = (attempts: readonly number[], windowMs: number, now: number): number =>
  attempts.length - firstAfter(attempts, now - windowMs);

/** A device's attempts of the last day, in memory. */
type AttemptWindow = {
  /** Counts an attempt made at `at`. */
  record(at: number): void;
  /** Takes one back that turned out not to have been made. */
  forget(at: number): void;
  /** Attempts in the last 60 minutes. */
  messagesHour(now: number): number;
  /** Attempts in the last 24 hours. */
  messagesToday(now: number): number;
  /** When all of `limits` allow the next attempt; `now` where they do at once. */
  nextAttemptAt(limits: readonly Limit[], now: number): number;
  /** How many attempts all of `limits` allow at `now`, one after the other. */
  room(limits: readonly Limit[], now: number): number;
};

/** `history`: the times of earlier attempts, in any order, such as what a node reads when it takes the device over. */
export function createAttemptWindow(sendDeadlineMs: number, history: readonly number[] = []): AttemptWindow {
  const attempts = history.toSorted((a, b) => a - b);

  return {
    record(at) {
      const last = attempts.at(-1);
      if (last === undefined || last <= at) attempts.push(at);
      else attempts.splice(firstAfter(attempts, at), 0, at); // in order, even where the clock was set back
      // A day and the deadline is as far as any limit looks back; keeping more would grow without end.
      const outdated = at - DAY_MS - sendDeadlineMs;
      if ((attempts[0] ?? Infinity) <= outdated) attempts.splice(0, firstAfter(attempts, outdated));
    },
    forget(at) {
      const index = attempts.lastIndexOf(at);
      if (index !== -1) attempts.splice(index, 1);
    },
    messagesHour: (now) => attemptsWithin(attempts, HOUR_MS, now),
    messagesToday: (now) => attemptsWithin(attempts, DAY_MS, now),
    nextAttemptAt: (limits, now) => limits.reduce((next, limit) => Math.max(next, nextAttemptAt(attempts, limit, sendDeadlineMs, now)), now),
    room: (limits, now) =>
      Math.max(0, limits.reduce((room, limit) => Math.min(room, limit.attempts - attemptsWithin(attempts, limit.windowMs + sendDeadlineMs, now)), Infinity)),
  };
}

/** The index of the first of the sorted `times` that is later than `time`. */
function firstAfter(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? Infinity) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}
