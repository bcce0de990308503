// Watches a contestant at work, from outside: how far it is, and what it and Postgres have used.

import { setTimeout as delay } from "node:timers/promises";
import { connect } from "./postgres.ts";
import { cpuOf, cpuOfFamily, cpuOfMachine, peakMemoryOf } from "./processes.ts";

const SAMPLE_MS = 200;
/** Caches, plans and just-in-time compilation are left out of the figures. */
const WARM_UP_MS = 1500;
/** The last of it are left out too: queues run dry. */
const STEADY_PART = 0.95;
const STALL_MS = 60_000;

export type Figures = {
  readonly flows: number;
  readonly seconds: number;
  readonly flowsPerSecond: number;
  /** CPU time per flow in µs. */
  readonly clientUs: number;
  readonly postgresUs: number;
  readonly redisUs: number;
  readonly walBytes: number;
  /** The client's peak of resident memory. */
  readonly peakMb: number;
  /** The share of the machine that went to processes which are not measured: where it is large, rates mean little and CPU time is high. */
  readonly othersPercent: number;
};

export type Contestant = {
  readonly pid: number;
  readonly redis?: number;
  /** How many flows are done. */
  readonly done: () => Promise<number>;
};

export type MeterOptions = {
  readonly url: string;
  readonly postmaster: number;
  /** The flows that there are, and the longest that is waited for them. */
  readonly flows: number;
  readonly seconds: number;
};

type Sample = { at: number; done: number; clientUs: number; postgresUs: number; redisUs: number; wal: number; usedUs: number; totalUs: number };

/** Resolves when all flows are done or the time is up. */
export async function measure({ pid, redis, done }: Contestant, { url, postmaster, flows, seconds }: MeterOptions): Promise<Figures> {
  const client = await connect(url);
  let peakMb = 0;
  const sample = async (): Promise<Sample> => {
    const count = await done();
    const { rows } = await client.query<{ wal: number }>("SELECT (pg_current_wal_lsn() - '0/0')::float8 AS wal");
    const [clientUs, postgresUs, redisUs, machine] = await Promise.all([cpuOf(pid), cpuOfFamily(postmaster), redis === undefined ? 0 : cpuOf(redis), cpuOfMachine()]);
    peakMb = Math.max(peakMb, await peakMemoryOf(pid));
    return { at: performance.now(), done: count, clientUs, postgresUs, redisUs, wal: rows[0]?.wal ?? 0, ...machine };
  };
  try {
    const samples = await collect(sample, flows, seconds);
    return { ...figuresOf(samples), peakMb };
  } finally {
    await client.end();
  }
}

/** From the end of the warm-up to the end of the steady part. */
async function collect(sample: () => Promise<Sample>, flows: number, seconds: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  const startedAt = performance.now();
  let firstAt: number | undefined;
  for (;;) {
    const now = await sample();
    if (now.done > 0) firstAt ??= now.at;
    if (firstAt === undefined && now.at - startedAt > STALL_MS) throw new Error("nothing was done in a minute");
    if (firstAt !== undefined && now.at - firstAt >= WARM_UP_MS) samples.push(now);
    if (now.done >= flows * STEADY_PART || (firstAt !== undefined && now.at - firstAt >= WARM_UP_MS + seconds * 1000)) return samples;
    await delay(SAMPLE_MS);
  }
}

function figuresOf(samples: readonly Sample[]): Omit<Figures, "peakMb"> {
  const [first] = samples;
  const last = samples.at(-1);
  if (!first || !last || last.done === first.done || last.at - first.at < WARM_UP_MS) {
    throw new Error("it was over before it could be measured: give it more flows (--flows)");
  }
  const grown = (key: keyof Sample) => last[key] - first[key];
  const flows = grown("done");
  const seconds = grown("at") / 1000;
  const measuredUs = grown("clientUs") + grown("postgresUs") + grown("redisUs");
  return {
    flows,
    seconds,
    flowsPerSecond: flows / seconds,
    clientUs: grown("clientUs") / flows,
    postgresUs: grown("postgresUs") / flows,
    redisUs: grown("redisUs") / flows,
    walBytes: grown("wal") / flows,
    othersPercent: ((grown("usedUs") - measuredUs) / grown("totalUs")) * 100,
  };
}
