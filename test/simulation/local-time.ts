// What clocks on walls show, by Intl and not by Postgres: the judge of windows and quiet hours.

import { DAY_MS, MINUTE_MS } from "../../src/lib/clock.ts";

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone, calendar: "gregory", hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
    });
    formats.set(zone, format);
  }
  return format;
}

/** What the zone's clocks show at `at`, as if it were UTC: in ms since the epoch. */
function localTime(zone: string, at: number): number {
  const part = new Map(formatOf(zone).formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const of = (type: Intl.DateTimeFormatPartTypes) => part.get(type) ?? Number.NaN;
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second")) + (((at % 1000) + 1000) % 1000);
}

/** The beginning of the local day that `at` lies in, in the same form. */
export const localDay = (zone: string, at: number): number => Math.floor(localTime(zone, at) / DAY_MS) * DAY_MS;

/** When the zone's clocks show `local` for the first time; where they skip it, when they come to show something later. */
export function firstInstantAt(zone: string, local: number): number {
  const offset = (at: number) => localTime(zone, at) - at;
  const offsets = [offset(local - DAY_MS), offset(local + DAY_MS)];
  const instants = offsets.map((ms) => local - ms).filter((at) => localTime(zone, at) === local);
  if (instants.length > 0) return Math.min(...instants);
  let [before, after] = [local - Math.max(...offsets) - 1, local - Math.min(...offsets)];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (localTime(zone, middle) >= local) after = middle;
    else before = middle;
  }
  return after;
}


const minutesOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));

/** Whether `at` lies within `ms` after the zone's clocks showed `time`, that day or the day before. */
export function isWithin(zone: string, at: number, time: string, ms: number): boolean {
  const day = localDay(zone, at);
  return [day - DAY_MS, day].some((each) => {
    const from = firstInstantAt(zone, each + minutesOf(time) * MINUTE_MS);
    return at >= from && at <= from + ms;
  });
}

/** Whether `at` lies between two times of day of the zone; the second may be on the next day. */
export function isBetween(zone: string, at: number, from: string, to: string): boolean {
  const day = localDay(zone, at);
  const isOverMidnight = minutesOf(to) <= minutesOf(from);
  return [day - DAY_MS, day].some((each) => {
    const until = each + (isOverMidnight ? DAY_MS : 0) + minutesOf(to) * MINUTE_MS;
    return at >= firstInstantAt(zone, each + minutesOf(from) * MINUTE_MS) && at < firstInstantAt(zone, until);
  });
}
