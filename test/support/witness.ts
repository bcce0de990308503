// What really went out, by the transports' own account.

import { readFile } from "node:fs/promises";

export type WitnessLine = { readonly at: string; readonly deviceId: string; readonly phone: string; readonly messageId: string; readonly text: string };

/** The simulator's log. */
export async function readWitness(file: string): Promise<WitnessLine[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as WitnessLine]));
}

/** The most of `times` (in ms) that lie in any window of this length. */
export function mostInAnyWindow(times: readonly number[], windowMs: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return Math.max(0, ...sorted.map((time) => sorted.filter((other) => other >= time && other < time + windowMs).length));
}

/** The shortest time between two that follow each other. */
export function shortestGap(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return Math.min(Infinity, ...sorted.slice(1).map((time, index) => time - (sorted[index] ?? time)));
}
