// What each statement of a run took, by Postgres's own log: from outside of the server, and of every single one.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { once } from "./postgres.ts";
import { table, whole } from "./table.ts";

/** `bind` is where a statement is planned, and its parameters are read. */
type Timing = { readonly statement: string; readonly phase: "parse" | "bind" | "execute"; readonly ms: number };

export type StatementLog = { readonly timings: () => Promise<Timing[]> };

const TIMED = /duration: ([\d.]+) ms {2}(parse|bind|execute) ([^:]+): (.*)/;
const STATEMENT_HEAD = 48;

/** From now on, each statement in this database is written down. This costs a little itself. */
export async function logStatements(url: string, logFile: string): Promise<StatementLog> {
  const name = new URL(url).pathname.slice(1);
  await once(url, `ALTER DATABASE ${name} SET log_min_duration_statement = 0`);
  await once(url, `ALTER DATABASE ${name} SET log_parameter_max_length = 0`); // tens of thousands of ids
  const start = (await stat(logFile)).size;
  return { timings: () => read(logFile, start) };
}

async function read(logFile: string, start: number): Promise<Timing[]> {
  const timings: Timing[] = [];
  let pending: { phase: Timing["phase"]; ms: number } | undefined;
  for await (const line of createInterface({ input: createReadStream(logFile, { start }) })) {
    const [, ms, phase, name = "", text = line] = TIMED.exec(line) ?? [];
    if (phase === "parse" || phase === "bind" || phase === "execute") {
      if (name !== "<unnamed>") timings.push({ statement: name, phase, ms: Number(ms) });
      pending = name === "<unnamed>" ? { phase, ms: Number(ms) } : undefined;
    }
    // One without a name is called by its first words, which may stand on the next line.
    if (!pending || text.trim() === "") continue;
    timings.push({ statement: text.trim().slice(0, STATEMENT_HEAD), ...pending });
    pending = undefined;
  }
  return timings;
}

/** The share of `share` of the executions of a statement that took no longer, in ms. */
export function quantile(timings: readonly Timing[], statement: string, share: number): number {
  const sorted = timings.filter((timing) => timing.statement === statement && timing.phase === "execute").map(({ ms }) => ms).toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? NaN;
}

/** The statements that took most, per flow of `flows`. */
export function statementTable(timings: readonly Timing[], flows: number): string {
  const rows = [...Map.groupBy(timings, ({ statement }) => statement)]
    .map(([statement, all]) => ({ statement, all, total: sum(all) }))
    .toSorted((a, b) => b.total - a.total)
    .slice(0, 15)
    .map(({ statement, all, total }) => {
      const calls = all.filter(({ phase }) => phase === "execute").length;
      const planning = sum(all.filter(({ phase }) => phase !== "execute"));
      const p95 = quantile(timings, statement, 0.95);
      return [statement, whole(calls), ((total * 1000) / flows).toFixed(1), ((planning * 1000) / flows).toFixed(1), (total / calls).toFixed(1), p95.toFixed(1)];
    });
  return table(["statement", "calls", "µs per flow", "of it parse and bind", "mean ms", "p95 ms"], rows);
}

const sum = (timings: readonly Timing[]) => timings.reduce((total, { ms }) => total + ms, 0);
