// What a run costs, looked at from outside: of Rentak's process, of Postgres and of the fake server.

import { readFile, rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { cpuOf, cpuOfFamily, cpuOfMachine } from "../dispatch/processes.ts";
import { SENT } from "../dispatch/rentak-rows.ts";

const SAMPLE_MS = 500;

export type Subject = {
  /** Rentak's process. */
  readonly pid: number;
  readonly postmaster: number;
  readonly fakePid: number;
  /** Of a database that it works on. */
  readonly client: pg.Client;
  /** Where the preload of bench/fleet/event-loop.ts writes. */
  readonly eventLoopFile: string;
};

export type Look = {
  readonly at: number;
  readonly sent: number;
  readonly serverUs: number;
  readonly postgresUs: number;
  readonly fakeUs: number;
  readonly usedUs: number;
  readonly totalUs: number;
  readonly rssMb: number;
};

/** Between two looks. */
export type Spent = {
  readonly seconds: number;
  readonly messages: number;
  readonly serverMs: number;
  readonly postgresMs: number;
  readonly fakeMs: number;
  /** What others had of the machine: where it is much, rates mean little. */
  readonly othersPercent: number;
  readonly rssMb: number;
  readonly lagP99Ms: number;
  readonly lagLongestMs: number;
};

export async function look({ pid, postmaster, fakePid, client }: Subject): Promise<Look> {
  const { rows } = await client.query<{ sent: number }>({ name: "sent", text: SENT });
  const [serverUs, postgresUs, fakeUs, machine] = await Promise.all([cpuOf(pid), cpuOfFamily(postmaster), cpuOf(fakePid), cpuOfMachine()]);
  return { at: performance.now(), sent: rows[0]?.sent ?? 0, serverUs, postgresUs, fakeUs, ...machine, rssMb: await memoryOf(pid) };
}

/** Looks until `isOver` says so. Lags are counted from now on. */
export async function watch(subject: Subject, isOver: (now: Look, first: Look) => boolean): Promise<Look[]> {
  await rm(subject.eventLoopFile, { force: true });
  const looks = [await look(subject)];
  for (let now = looks[0]; now && !isOver(now, looks[0] ?? now); looks.push(now)) {
    await delay(SAMPLE_MS);
    now = await look(subject);
  }
  return looks;
}

export async function spent({ eventLoopFile }: Subject, from: Look, until: Look): Promise<Spent> {
  const grown = (key: keyof Look) => until[key] - from[key];
  const measuredUs = grown("serverUs") + grown("postgresUs") + grown("fakeUs");
  const { p99, longest } = await readEventLoop(eventLoopFile);
  return {
    seconds: grown("at") / 1000,
    messages: grown("sent"),
    serverMs: grown("serverUs") / 1000,
    postgresMs: grown("postgresUs") / 1000,
    fakeMs: grown("fakeUs") / 1000,
    othersPercent: ((grown("usedUs") - measuredUs) / grown("totalUs")) * 100,
    rssMb: until.rssMb,
    lagP99Ms: p99,
    lagLongestMs: longest,
  };
}

/** NaN where there is no such process. */
async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1000;
}

/** Asked again where it is being written, or not yet there. */
async function readEventLoop(file: string): Promise<{ readonly p99: number; readonly longest: number }> {
  for (;;) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (text !== "") return JSON.parse(text) as { p99: number; longest: number };
    await delay(20);
  }
}
