// Figures as people read them.

import type { Figures } from "./meter.ts";

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

export const medianOf = (runs: readonly Figures[], figure: keyof Figures): number => median(runs.map((run) => run[figure]));

export const whole = (value: number): string => Math.round(value).toLocaleString("en");

/** Medians of one flow's CPU time: the client's, Postgres's, and Redis's where it has one. */
export function cpuPerFlow(runs: readonly Figures[]): string {
  const redis = medianOf(runs, "redisUs");
  return [medianOf(runs, "clientUs"), medianOf(runs, "postgresUs"), ...(redis > 0 ? [redis] : [])].map((us) => us.toFixed(1)).join(" + ");
}

/** The same, of all processes together. */
export const cpuInAll = (runs: readonly Figures[]): number => medianOf(runs, "clientUs") + medianOf(runs, "postgresUs") + medianOf(runs, "redisUs");

export const describe = (run: Figures): string =>
  `${whole(run.flowsPerSecond)} flows/s, CPU ${cpuPerFlow([run])} µs, WAL ${whole(run.walBytes)} bytes, ` +
  `${whole(run.peakMb)} MB (${whole(run.flows)} in ${run.seconds.toFixed(1)} s; others had ${whole(run.othersPercent)} % of the machine)`;

/** The first column to the left, all others to the right; as Markdown, so that it can be put into a page as it is. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, 3, ...rows.map((row) => row[column]?.length ?? 0)));
  const cell = (text: string, column: number) => (column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0));
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  const rule = widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}
