// Whether a flow costs the same however many wait: Rentak alone, over backlogs of several sizes.

import type { Figures } from "./meter.ts";
import type { BenchPostgres } from "./postgres.ts";
import { rentakTemplate, runRentak } from "./rentak.ts";
import type { Load } from "./rentak-rows.ts";
import { cpuInAll, cpuPerFlow, describe, medianOf, table, whole } from "./table.ts";

/** CPU time per flow may differ by so much from that of the smallest backlog. */
const FLAT_PERCENT = 15;

export type SizesOptions = {
  readonly postgres: BenchPostgres;
  readonly load: Load;
  readonly sizes: readonly number[];
  readonly seconds: number;
  readonly rounds: number;
  readonly say: (line: string) => void;
};

/** Returns the table. Throws BrokenPromise where rows break a promise. */
export async function overSizes({ postgres, load, sizes, seconds, rounds, say }: SizesOptions): Promise<string> {
  const results = new Map(sizes.map((size): [number, Figures[]] => [size, []]));
  for (let round = 0; round < rounds; round++) {
    for (const flows of sizes) {
      const template = await rentakTemplate(postgres, { ...load, flows });
      const run = await postgres.withCopy(template, (url) => runRentak(url, { postmaster: postgres.postmaster, flows, seconds }));
      results.get(flows)?.push(run);
      say(`round ${round + 1} of ${rounds}: ${whole(flows).padStart(9)} waiting: ${describe(run)}; every promise was kept`);
    }
  }
  const least = cpuInAll(results.get(sizes[0] ?? 0) ?? []);
  const rows = [...results].map(([size, runs]) => {
    const percent = (cpuInAll(runs) / least - 1) * 100;
    const verdict = `${percent >= 0 ? "+" : ""}${percent.toFixed(0)} %${Math.abs(percent) > FLAT_PERCENT ? " (not flat)" : ""}`;
    return [whole(size), whole(medianOf(runs, "flowsPerSecond")), cpuPerFlow(runs), verdict, whole(medianOf(runs, "walBytes")), whole(medianOf(runs, "peakMb"))];
  });
  return table(["waiting flows", "flows/s", "CPU µs per flow: client + Postgres", "CPU to the first", "WAL bytes per flow", "client's peak MB"], rows);
}
