// All servers asked for the same rows of the same tables, one after the other and several times over.

import type { BenchPostgres } from "../dispatch/postgres.ts";
import { median, table, whole } from "../dispatch/table.ts";
import { checkedAnswer } from "./answer.ts";
import { holdToOneCore } from "./core.ts";
import { type Entrant, startEntrant } from "./entrants.ts";
import { type Figures, measure } from "./load.ts";

/** What the others are told in relation to. */
const YARDSTICK = "mercurius";

export type ContestOptions = {
  readonly postgres: BenchPostgres;
  readonly databaseUrl: string;
  readonly names: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly nodeArguments: readonly string[];
  readonly say: (line: string) => void;
};

/** Returns the table of medians. All servers are up for the whole of it, and only one is asked at a time. */
export async function contest({ postgres, databaseUrl, names, rounds, seconds, nodeArguments, say }: ContestOptions): Promise<string> {
  const entrants: Entrant[] = [];
  try {
    const answers = new Map<string, string>();
    for (const name of names) {
      const entrant = await startEntrant(name, databaseUrl, nodeArguments);
      entrants.push(entrant);
      answers.set(name, await checkedAnswer(entrant, databaseUrl));
      if (!holdToOneCore(entrant.pid)) say(`${name} may use every core: there is no taskset on this machine`);
    }
    const results = new Map(names.map((name): [string, Figures[]] => [name, []]));
    for (let round = 1; round <= rounds; round++) {
      for (const entrant of entrants) {
        const figures = await measure(entrant, answers.get(entrant.name) ?? "", seconds, postgres.postmaster);
        results.get(entrant.name)?.push(figures);
        say(`round ${round} of ${rounds}: ${entrant.name.padEnd(13)} ${describe(figures)}`);
      }
    }
    return tableOf(results);
  } finally {
    for (const entrant of entrants) await entrant.stop();
  }
}

const describe = (run: Figures): string =>
  `${whole(run.perSecond)} requests/s, p50 ${run.p50Ms.toFixed(1)} ms, CPU ${whole(run.serverUs)} + ${whole(run.postgresUs)} µs, ${whole(run.memoryMb)} MB ` +
  `(load and others had ${whole(run.othersPercent)} % of the machine)`;

function tableOf(results: ReadonlyMap<string, readonly Figures[]>): string {
  const yardstick = results.get(YARDSTICK);
  const rows = [...results]
    .toSorted(([, a], [, b]) => medianOf(b, "perSecond") - medianOf(a, "perSecond"))
    .map(([name, runs]) => [
      name,
      whole(medianOf(runs, "perSecond")),
      // Of the same round each: rounds differ by what else the machine does.
      yardstick ? median(runs.map(({ perSecond }, round) => perSecond / (yardstick[round]?.perSecond ?? NaN))).toFixed(2) : "",
      `${medianOf(runs, "p50Ms").toFixed(1)}, ${medianOf(runs, "p99Ms").toFixed(1)}`,
      `${whole(medianOf(runs, "serverUs"))} + ${whole(medianOf(runs, "postgresUs"))}`,
      whole(medianOf(runs, "memoryMb")),
    ]);
  return table(["who", "requests/s", `to ${YARDSTICK}`, "p50, p99, ms", "CPU µs per request: server + Postgres", "memory, MB"], rows);
}

const medianOf = (runs: readonly Figures[], figure: keyof Figures): number => median(runs.map((run) => run[figure]));
