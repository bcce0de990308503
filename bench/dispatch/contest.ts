// Rentak and its peers, one after the other and several times over, on the same Postgres.

import type { Figures } from "./meter.ts";
import { preparePeer, runPeer } from "./peers.ts";
import type { BenchPostgres } from "./postgres.ts";
import { hasRedis, startRedis } from "./redis.ts";
import { rentakTemplate, runRentak } from "./rentak.ts";
import type { Load } from "./rentak-rows.ts";
import { logStatements, statementTable } from "./statements.ts";
import { cpuInAll, cpuPerFlow, describe, medianOf, table, whole } from "./table.ts";

export type ContestOptions = {
  readonly postgres: BenchPostgres;
  readonly load: Load;
  /** The longest that one run is measured. */
  readonly seconds: number;
  readonly rounds: number;
  /** Those that take part. */
  readonly only: readonly string[];
  readonly nodeArguments: readonly string[];
  /** Whether to tell what each of Rentak's statements took. */
  readonly statements: boolean;
  readonly say: (line: string) => void;
};

type Entrant = (options: ContestOptions) => Promise<Figures>;

const ENTRANTS: Readonly<Record<string, Entrant>> = {
  rentak: runWithChecks,
  "pg-boss": (options) => runOnPostgres("pg-boss", options),
  "graphile-worker": (options) => runOnPostgres("graphile-worker", options),
  bullmq: runBullmq,
  "row-by-row": (options) => runOnPostgres("row-by-row", options),
};

export const ENTRANT_NAMES: readonly string[] = Object.keys(ENTRANTS);

/** Returns the table of medians. Throws BrokenPromise where Rentak's rows break a promise. */
export async function contest(options: ContestOptions): Promise<string> {
  const { rounds, only, say } = options;
  const isAbsent = (name: string) => name === "bullmq" && !hasRedis();
  const names = ENTRANT_NAMES.filter((name) => only.includes(name) && !isAbsent(name));
  if (only.some(isAbsent)) say("bullmq is left out: there is no redis-server on this machine");

  const results = new Map(names.map((name): [string, Figures[]] => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // Another one begins each round: whoever comes after a heavy writer pays for what that leaves behind.
    for (const place of names.keys()) {
      const name = names[(place + round) % names.length] ?? "";
      const figures = await ENTRANTS[name]?.(options);
      if (!figures) continue;
      results.get(name)?.push(figures);
      say(`round ${round + 1} of ${rounds}: ${name.padEnd(15)} ${describe(figures)}`);
    }
  }
  return tableOf(results);
}

async function runWithChecks({ postgres, load, seconds, nodeArguments, statements, say }: ContestOptions): Promise<Figures> {
  const template = await rentakTemplate(postgres, load);
  const meter = { postmaster: postgres.postmaster, flows: load.flows, seconds };
  return postgres.withCopy(template, async (url) => {
    const log = statements ? await logStatements(url, postgres.logFile) : undefined;
    const { checked, ...figures } = await runRentak(url, meter, nodeArguments);
    if (log) say(statementTable(await log.timings(), checked));
    say(`every promise was kept on all of ${whole(checked)} flows`);
    return figures;
  });
}

async function runOnPostgres(name: string, { postgres, load, seconds }: ContestOptions): Promise<Figures> {
  const file = `${name}.ts`;
  const template = name.replaceAll("-", "_");
  await postgres.template(template, (url) => preparePeer(file, url, load.flows));
  return postgres.withCopy(template, (url) => runPeer(file, url, { url, postmaster: postgres.postmaster, flows: load.flows, seconds }));
}

/** What it does not touch, Postgres, is measured all the same: that it stays at nothing shows what the bench itself takes. */
async function runBullmq({ postgres, load, seconds }: ContestOptions): Promise<Figures> {
  const redis = await startRedis();
  try {
    await preparePeer("bullmq.ts", redis.url, load.flows);
    await postgres.template("nothing", async () => {});
    return await postgres.withCopy("nothing", (url) =>
      runPeer("bullmq.ts", redis.url, { url, postmaster: postgres.postmaster, flows: load.flows, seconds }, redis.pid),
    );
  } finally {
    await redis.stop();
  }
}

function tableOf(results: ReadonlyMap<string, readonly Figures[]>): string {
  const peers = [...results].filter(([name]) => name !== "rentak").map(([, runs]) => medianOf(runs, "flowsPerSecond"));
  const best = Math.max(...peers);
  const rows = [...results]
    .toSorted(([, a], [, b]) => medianOf(b, "flowsPerSecond") - medianOf(a, "flowsPerSecond"))
    .map(([name, runs]) => {
      const rate = medianOf(runs, "flowsPerSecond");
      const ratio = peers.length === 0 ? "" : (rate / best).toFixed(2);
      return [name, whole(rate), ratio, cpuPerFlow(runs), cpuInAll(runs).toFixed(0), whole(medianOf(runs, "walBytes")), whole(medianOf(runs, "peakMb"))];
    });
  return table(["who", "flows/s", "to the best peer", "CPU µs per flow: client + Postgres (+ Redis)", "in all", "WAL bytes per flow", "client's peak MB"], rows);
}
