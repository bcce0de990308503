// A fleet at its default pace: whether the work is spread evenly, whether nobody stands idle while there is some, and whether the server stays
// light. npm run bench -- fleet [--minutes 10] [--devices 3000] [--phases half,saturated]; docs/performance.md tells of the figures.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BenchPostgres, once, startBenchPostgres } from "./dispatch/postgres.ts";
import { rentakTemplate, startServer } from "./dispatch/rentak.ts";
import { table, whole } from "./dispatch/table.ts";
import { type Sample, watch, type Watched } from "./fleet/watch.ts";
import { countsOf, gapsOf, readWitness, repeats, secondSteps } from "./fleet/witness.ts";
import { OperatorError } from "../src/lib/errors.ts";

const OPTIONS = {
  minutes: { type: "string", default: "10" },
  devices: { type: "string", default: "3000" },
  phases: { type: "string", default: "half,saturated" },
} as const;

const HOURLY_LIMIT = 80;
/** The second step is due so long after the first, and is its device's. */
const STEP_DELAY_SECONDS = 60;
/** So many leads are due already when the fleet begins, in seconds of their coming: more than two cycles can send. Seconds wait behind all of them, so
 *  that with many more no second step would come up within the run. */
const BACKLOG_SECONDS = 30;

/** What a new installation has, where the other benches have the settings that are best for speed: empty counts as not set. */
const DEFAULTS = {
  RENTAK_DISPATCH_INTERVAL_MS: "",
  RENTAK_CLAIM_BATCH: "",
  RENTAK_SEND_CONCURRENCY: "",
  RENTAK_MAX_DEVICES: "",
  RENTAK_ENROLL_PER_SECOND: "",
};

const PRELOAD = import.meta.resolve("./fleet/event-loop.ts");

type Phase = {
  /** How many become due in a second; each of them gets two messages. */
  readonly leadsPerSecond: (devices: number) => number;
  readonly backlogSeconds: number;
};

const PHASES: Readonly<Record<string, Phase>> = {
  // Half of what the hour's limits allow, first and second steps together.
  half: { leadsPerSecond: (devices) => (devices * HOURLY_LIMIT) / 3600 / 2 / 2, backlogSeconds: 0 },
  // As many as the pace allows messages, three a minute: with the second steps, twice as much is due as can be sent.
  saturated: { leadsPerSecond: (devices) => devices / 20, backlogSeconds: BACKLOG_SECONDS },
};

/** Without a goal where it only explains the others. */
type Figure = { readonly what: string; readonly measured: string; readonly goal?: string; readonly holds?: boolean };

const say = (line: string) => console.log(line);

/** The process ends with exit code 1 where a goal is missed. */
export async function benchFleet(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const [minutes, devices] = [Number(values.minutes), Number(values.devices)];
  // The first second steps are due after a minute.
  if (!(minutes >= 2) || !(devices >= 1)) throw new OperatorError("--minutes must be 2 at least, and --devices 1");
  const names = values.phases.split(",");
  const unknown = names.filter((name) => !(name in PHASES));
  if (unknown.length > 0) throw new OperatorError(`${unknown.join(", ")}: no such phase; there are ${Object.keys(PHASES).join(", ")}`);
  const postgres = await startBenchPostgres(say);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void postgres.stop()); // what runs fails, and clears up behind itself
  try {
    const rows: string[][] = [];
    for (const name of names) {
      const phase = PHASES[name];
      if (phase === undefined) continue;
      for (const { what, measured, goal = "", holds } of await runPhase(postgres, phase, devices, minutes)) {
        rows.push([`${name}: ${what}`, measured, goal, holds === undefined ? "" : holds ? "yes" : "NO"]);
        if (holds === false) process.exitCode = 1;
      }
    }
    say(table(["figure", "measured", "goal", "holds"], rows));
  } finally {
    await postgres.stop();
  }
}

async function runPhase(postgres: BenchPostgres, phase: Phase, devices: number, minutes: number): Promise<Figure[]> {
  const perSecond = phase.leadsPerSecond(devices);
  const leads = Math.ceil(perSecond * (minutes * 60 + STEP_DELAY_SECONDS + phase.backlogSeconds));
  const template = await rentakTemplate(postgres, { flows: leads, devices, sequences: 10, zones: 3, toEnrol: 0 });
  const folder = await mkdtemp(join(tmpdir(), "rentak-fleet-"));
  const [witness, eventLoop] = [join(folder, "witness"), join(folder, "event-loop")];
  Object.assign(process.env, DEFAULTS, { RENTAK_SIMULATOR_LOG: witness, BENCH_EVENT_LOOP_FILE: eventLoop, RENTAK_MIN_STEP_DELAY_HOURS: "0" });
  try {
    return await postgres.withCopy(template, async (url) => {
      await setPace(url, 1 / perSecond, phase.backlogSeconds);
      const server = await startServer(url, ["--import", PRELOAD]);
      let watched: Watched;
      try {
        watched = await watch(server.pid, { url, postmaster: postgres.postmaster, minutes, eventLoopFile: eventLoop });
      } finally {
        await server.stop();
      }
      const deviceIds = (await once(url, "SELECT id FROM devices")).map(({ id }) => String(id));
      return [...(await spreadFigures(witness, deviceIds, watched, phase)), ...costFigures(watched)];
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The devices and sequences as they are by default, and a lead that is due every `secondsApart`, the first of them `backlogSeconds` ago. */
async function setPace(url: string, secondsApart: number, backlogSeconds: number): Promise<void> {
  await once(url, "UPDATE devices SET hourly_limit = $1, daily_limit = 800, simulated_latency_ms = 200", [HOURLY_LIMIT]);
  await once(url, "UPDATE sequences SET min_delay_seconds = 10, max_delay_seconds = 30, trigger_delay_hours = $1::float8 / 3600", [STEP_DELAY_SECONDS]);
  // They were loaded one millisecond apart, the first one first.
  await once(
    url,
    `UPDATE flows f SET due_at = clock_timestamp() + 1000 * $1::float8 * (f.due_at - loaded.first_due) - make_interval(secs => $2::float8)
       FROM (SELECT min(due_at) AS first_due FROM flows) AS loaded`,
    [secondsApart, backlogSeconds],
  );
  await once(url, "VACUUM ANALYZE flows");
}

async function spreadFigures(witness: string, deviceIds: readonly string[], { from, until }: Watched, { backlogSeconds }: Phase): Promise<Figure[]> {
  const sends = (await readWitness(witness)).filter(({ at }) => at <= until);
  const counts = countsOf(sends, deviceIds).toSorted((a, b) => a - b);
  const [least = 0, median = 0, most = 0] = [counts[0], counts[counts.length >> 1], counts.at(-1)];
  const gaps = gapsOf(sends, deviceIds, { from, until }, HOURLY_LIMIT);
  const seconds = secondSteps(sends);
  const repeated = repeats(sends);
  const isEven = { goal: "median ± 2", holds: median - least <= 2 && most - median <= 2 };
  const isBusy = { goal: "≤ 40 s", holds: gaps.longestMs <= 40_000 };
  const isSaturated = backlogSeconds > 0;
  return [
    { what: "messages", measured: `${whole(sends.length)}, ${((sends.length * 1000) / (until - from)).toFixed(1)}/s` },
    { what: "messages that a person had had before", measured: whole(repeated), goal: "0", holds: repeated === 0 },
    { what: "messages of a device: least, median, most", measured: `${least}, ${median}, ${most}`, ...(!isSaturated && isEven) },
    { what: "longest that a device was idle", measured: `${(gaps.longestMs / 1000).toFixed(1)} s`, ...(isSaturated && isBusy) },
    { what: "shortest pause of a device", measured: `${(gaps.shortestMs / 1000).toFixed(1)} s`, goal: "≥ 10 s", holds: gaps.shortestMs >= 10_000 },
    {
      what: "second steps, and of them by the first's device",
      measured: `${whole(seconds.all)}, ${whole(seconds.fromSameDevice)}`,
      goal: "all",
      holds: seconds.all > 0 && seconds.all === seconds.fromSameDevice,
    },
  ];
}

function costFigures({ samples, eventLoop, serverPercent, postgresPercent, othersPercent, from, until }: Watched): Figure[] {
  const longestCycle = Math.max(...samples.map(({ cycleMs }) => cycleMs));
  const lengthMs = until - from;
  const early = Math.min(120_000, lengthMs / 3);
  const windowMs = Math.min(60_000, lengthMs / 4);
  const [then, now] = [samplesIn(samples, early, early + windowMs), samplesIn(samples, lengthMs - windowMs, lengthMs)];
  const [rssThen, rssNow] = [medianRss(then), medianRss(now)];
  const lag = `${eventLoop.p99.toFixed(1)} ms, ${whole(eventLoop.longest)} ms`;
  const memory = `${whole(rssThen)} MB, ${whole(rssNow)} MB`;
  const leastHeap = (part: readonly Sample[]) => whole(Math.min(...part.map(({ heapMb }) => heapMb)));
  const minutes = (early / 60_000).toFixed(1);
  return [
    { what: "longest cycle", measured: `${whole(longestCycle)} ms`, goal: "≤ 1,000 ms", holds: longestCycle <= 1000 },
    { what: "event loop's lag: p99, longest", measured: lag, goal: "p99 ≤ 100 ms", holds: eventLoop.p99 <= 100 },
    { what: `memory: after ${minutes} minutes, at the end`, measured: memory, goal: "+ 10 % at most", holds: rssNow <= rssThen * 1.1 },
    { what: "the least of it that was in use then", measured: `${leastHeap(then)} MB, ${leastHeap(now)} MB` },
    { what: "CPU of a core: server + Postgres", measured: `${whole(serverPercent)} % + ${whole(postgresPercent)} %` },
    { what: "others had of the machine", measured: `${whole(othersPercent)} %` },
  ];
}

const samplesIn = (samples: readonly Sample[], fromMs: number, untilMs: number) => samples.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs);

/** Right after a collection or right before, a single look differs by tens of MB. */
const medianRss = (samples: readonly Sample[]): number => samples.map(({ rssMb }) => rssMb).toSorted((a, b) => a - b)[samples.length >> 1] ?? NaN;
