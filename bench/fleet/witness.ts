// What the simulator's own log says of a run: who sent when, to whom, and which step. Nothing of it comes from the server's books.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { HOUR_MS } from "../../src/lib/clock.ts";

export type Send = { readonly at: number; readonly deviceId: string; readonly phone: string; readonly isFirstStep: boolean };

/** In the order of the log. */
export async function readWitness(file: string): Promise<Send[]> {
  const sends: Send[] = [];
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const { at, deviceId, phone, text } = JSON.parse(line) as { at: string; deviceId: string; phone: string; text: string };
    sends.push({ at: Date.parse(at), deviceId, phone, isFirstStep: text.includes("this is day 1 ") });
  }
  return sends;
}

/** How many each device sent; 0 for those that the log does not name. */
export function countsOf(sends: readonly Send[], deviceIds: readonly string[]): number[] {
  const counts = new Map(deviceIds.map((id) => [id, 0]));
  for (const { deviceId } of sends) counts.set(deviceId, (counts.get(deviceId) ?? 0) + 1);
  return [...counts.values()];
}

export type Gaps = { readonly shortestMs: number; readonly longestMs: number };
type Period = { readonly from: number; readonly until: number };

/** Between two sends of a device, and from the start to its first and from its last to the end. One that has sent its hour's limit may rest from then on. */
export function gapsOf(sends: readonly Send[], deviceIds: readonly string[], period: Period, hourlyLimit: number): Gaps {
  const timesOf = new Map(deviceIds.map((id): [string, number[]] => [id, []]));
  for (const { at, deviceId } of sends) timesOf.get(deviceId)?.push(at);
  let shortestMs = Infinity;
  let longestMs = 0;
  for (const times of timesOf.values()) {
    for (const [index, at] of times.entries()) {
      const before = times[index - 1];
      if (before !== undefined) shortestMs = Math.min(shortestMs, at - before);
      if (!mayRest(times.slice(0, index), at, hourlyLimit)) longestMs = Math.max(longestMs, at - (before ?? period.from));
    }
    if (!mayRest(times, period.until, hourlyLimit)) longestMs = Math.max(longestMs, period.until - (times.at(-1) ?? period.from));
  }
  return { shortestMs, longestMs };
}

function mayRest(before: readonly number[], now: number, hourlyLimit: number): boolean {
  const blocking = before.at(-hourlyLimit);
  return blocking !== undefined && now - blocking < HOUR_MS;
}

/** The second steps, and how many of them came from the device that had sent the first. */
export function secondSteps(sends: readonly Send[]): { readonly all: number; readonly fromSameDevice: number } {
  const firstFrom = new Map(sends.filter((send) => send.isFirstStep).map(({ phone, deviceId }) => [phone, deviceId]));
  const seconds = sends.filter((send) => !send.isFirstStep);
  return { all: seconds.length, fromSameDevice: seconds.filter(({ phone, deviceId }) => firstFrom.get(phone) === deviceId).length };
}

/** Messages of a step that its person had had already. */
export const repeats = (sends: readonly Send[]): number => sends.length - new Set(sends.map(({ phone, isFirstStep }) => `${phone} ${isFirstStep}`)).size;
