// What a run costs the server, sampled from outside for as long as it lasts.

import { readFile, rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../dispatch/postgres.ts";
import { cpuOf, cpuOfFamily, cpuOfMachine } from "../dispatch/processes.ts";

const SAMPLE_MS = 1000;
const START_TIMEOUT_MS = 90_000;

export type Sample = { readonly atMs: number; readonly cycleMs: number; readonly rssMb: number; readonly heapMb: number };

/** In ms, from the first message on. */
export type EventLoop = { readonly p99: number; readonly longest: number };

export type Watched = {
  /** Wall clock, in ms: from the first message on. */
  readonly from: number;
  readonly until: number;
  readonly samples: readonly Sample[];
  readonly eventLoop: EventLoop;
  /** Shares of one core. */
  readonly serverPercent: number;
  readonly postgresPercent: number;
  /** Of the whole machine: what went to others. Where it is large, lags and cycles are long. */
  readonly othersPercent: number;
};

export type WatchOptions = { readonly url: string; readonly postmaster: number; readonly minutes: number; readonly eventLoopFile: string };

/** Resolves when `minutes` have passed since the first message. Throws where none is sent. */
export async function watch(pid: number, { url, postmaster, minutes, eventLoopFile }: WatchOptions): Promise<Watched> {
  const client = await connect(url);
  try {
    const isSending = async () => ((await client.query("SELECT FROM device_attempts LIMIT 1")).rowCount ?? 0) > 0;
    for (const since = performance.now(); !(await isSending()); await delay(100)) {
      if (performance.now() - since > START_TIMEOUT_MS) throw new Error("nothing was sent");
    }
    const used = async () => ({ server: await cpuOf(pid), postgres: await cpuOfFamily(postmaster), ...(await cpuOfMachine()) });
    const [from, before] = [Date.now(), await used()];
    const until = from + minutes * 60_000;
    const samples: Sample[] = [];
    await rm(eventLoopFile); // what it took to start is not counted
    while (Date.now() < until) {
      await delay(Math.min(SAMPLE_MS, Math.max(1, until - Date.now())));
      const { rows } = await client.query<{ ms: number }>("SELECT coalesce(last_tick_ms, 0) AS ms FROM nodes");
      const { heapMb } = await readEventLoop(eventLoopFile);
      samples.push({ atMs: Date.now() - from, cycleMs: Math.max(...rows.map(({ ms }) => ms)), rssMb: await rssOf(pid), heapMb });
    }
    const after = await used();
    const [serverUs, postgresUs, allUs] = [after.server - before.server, after.postgres - before.postgres, after.usedUs - before.usedUs];
    const percentOfCore = (us: number) => us / 10 / (until - from);
    const othersPercent = ((allUs - serverUs - postgresUs) / (after.totalUs - before.totalUs)) * 100;
    const eventLoop = await readEventLoop(eventLoopFile);
    return { from, until, samples, eventLoop, serverPercent: percentOfCore(serverUs), postgresPercent: percentOfCore(postgresUs), othersPercent };
  } finally {
    await client.end();
  }
}

async function rssOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1000;
}

/** Asked again where it is being written. */
async function readEventLoop(file: string): Promise<EventLoop & { readonly heapMb: number }> {
  for (;;) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (text !== "") return JSON.parse(text) as EventLoop & { heapMb: number };
    await delay(10);
  }
}
