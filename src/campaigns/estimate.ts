// When a campaign will be done: played forward minute by minute, at the devices' limits and pace, in the hours in which its people may be written to.
// Devices of the same limits are taken together, for they share the work evenly.

import { DAY_MS, HOUR_MS, MINUTE_MS } from "../lib/clock.ts";

/** Devices that have the same limits. */
export type DeviceGroup = {
  readonly devices: number;
  readonly hourlyLimit: number;
  readonly dailyLimit: number;
  /** Their attempts of the last 24 hours, by how many minutes ago. */
  readonly attempts: ReadonlyMap<number, number>;
};

/** People in one time zone. */
export type WaitingLane = {
  readonly leads: number;
  /** When they may be written to, in order, in ms. */
  readonly openings: readonly (readonly [from: number, until: number])[];
};

export type Outlook = {
  /** From when on it sends, in ms. */
  readonly from: number;
  readonly lanes: readonly WaitingLane[];
  readonly groups: readonly DeviceGroup[];
  /** From one message of a device to its next: the pause and the sending. */
  readonly periodMs: number;
  readonly hourlyCeiling: number | null;
  /** How much waits of each of what else the devices have to send: it gets an equal part of them until it is done. */
  readonly rivals: readonly number[];
};

const HOUR = HOUR_MS / MINUTE_MS;
const DAY = DAY_MS / MINUTE_MS;
/** Limits and quiet hours come round each day: after so many days it goes on as in the last ones of them. Two months, minute by minute, took 0.3 s. */
export const PLAYED_DAYS = 4;
const LAST_DAYS = 2;

/** Null where it will never be done: no device, or no time in which it may send. */
export function estimatedFinish({ from, lanes, groups, periodMs, hourlyCeiling, rivals }: Outlook): number | null {
  if (!groups.some(({ devices }) => devices > 0)) return null;
  const fleet = createFleet(groups, periodMs, hourlyCeiling);
  const waiting = lanes.map(({ leads, openings }) => ({ left: leads, openPart: createOpenings(openings) }));
  const others = [...rivals];
  const left = () => sum(waiting.map((lane) => lane.left));
  let finish = from;
  let before = left();

  for (let minute = 0; minute < PLAYED_DAYS * DAY && left() > LEAST; minute++) {
    if (minute === (PLAYED_DAYS - LAST_DAYS) * DAY) before = left();
    const at = from + minute * MINUTE_MS;
    const parts = waiting.map((lane) => lane.openPart(at));
    const able = sum(waiting.map((lane, index) => ((parts[index] ?? 0) > 0 ? lane.left : 0)));
    const room = fleet.room();
    const [most = 0] = fairShares(room, [able > 0 ? Infinity : 0, ...others]);
    const [sent = 0, ...taken] = fairShares(room, [Math.min(able, most * Math.max(...parts, 0)), ...others]);
    for (const [index, lane] of waiting.entries()) if ((parts[index] ?? 0) > 0 && sent > 0) lane.left -= (sent * lane.left) / able;
    for (const [index, each] of taken.entries()) others[index] = (others[index] ?? 0) - each;
    fleet.send(sent + sum(taken));
    if (sent > 0) finish = at + MINUTE_MS * (left() > LEAST ? 1 : sent / most);
  }
  if (left() <= LEAST) return finish;
  const inLastDays = before - left();
  return inLastDays > 0 ? from + PLAYED_DAYS * DAY_MS + (left() / inLastDays) * LAST_DAYS * DAY_MS : null;
}

/** Of a message: what is left below it is nothing but rounding. */
const LEAST = 1e-6;

/** Equal parts for all that want something; what one does not need, the others have. */
export function fairShares(room: number, wants: readonly number[]): number[] {
  const shares = wants.map(() => 0);
  let left = room;
  for (let hungry = [...wants.keys()]; hungry.length > 0 && left > LEAST; ) {
    const part = left / hungry.length;
    for (const index of hungry) {
      const more = Math.min(part, (wants[index] ?? 0) - (shares[index] ?? 0));
      shares[index] = (shares[index] ?? 0) + more;
      left -= more;
    }
    hungry = hungry.filter((index) => (wants[index] ?? 0) - (shares[index] ?? 0) > LEAST);
  }
  return shares;
}

/** How much of the minute that begins then a lane is open. To be asked in order. */
function createOpenings(openings: WaitingLane["openings"]) {
  let next = 0;
  return (at: number): number => {
    while (next < openings.length && (openings[next]?.[1] ?? 0) <= at) next++;
    const [from, until] = openings[next] ?? [Infinity, Infinity];
    return Math.max(0, Math.min(until, at + MINUTE_MS) - Math.max(from, at)) / MINUTE_MS;
  };
}

/** All devices together, minute by minute. */
function createFleet(groups: readonly DeviceGroup[], periodMs: number, hourlyCeiling: number | null) {
  const parts = groups.map((group) => {
    const hour = createRolling(HOUR, group.devices * group.hourlyLimit, [group]);
    const day = createRolling(DAY, group.devices * group.dailyLimit, [group]);
    const pace = (group.devices * MINUTE_MS) / periodMs;
    return { hour, day, room: () => Math.min(pace, hour.room(), day.room()) };
  });
  const ceiling = createRolling(HOUR, hourlyCeiling ?? Infinity, groups);
  return {
    room: () => Math.min(sum(parts.map((part) => part.room())), ceiling.room()),
    /** Ends the minute. */
    send(messages: number): void {
      const rooms = parts.map((part) => part.room());
      for (const [index, part] of parts.entries()) {
        const own = (messages * (rooms[index] ?? 0)) / Math.max(sum(rooms), LEAST);
        part.hour.pass(own);
        part.day.pass(own);
      }
      ceiling.pass(messages);
    },
  };
}

type Rolling = { room(): number; pass(used: number): void };

/** At most so many in any so many minutes. */
function createRolling(minutes: number, limit: number, groups: readonly DeviceGroup[]): Rolling {
  const made = Array.from({ length: minutes }, (_, ago) => sum(groups.map(({ attempts }) => attempts.get(ago) ?? 0))).toReversed();
  let within = sum(made);
  let oldest = 0;
  return {
    // What was made so many minutes ago comes free in this one.
    room: () => Math.max(0, limit - within + (made[oldest] ?? 0)),
    pass(used) {
      within += used - (made[oldest] ?? 0);
      made[oldest] = used;
      oldest = (oldest + 1) % minutes;
    },
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
