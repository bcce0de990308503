// Virtual time: one heap of events, popped one at a time, and the processes that they happen in. What follows from an event runs to its end
// before the next one, so that a seed is one run.

import TinyQueue from "tinyqueue";
import { type Clock, HOUR_MS, MINUTE_MS, SECOND_MS, type Timer } from "../../src/lib/clock.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import { createTrace, type Trace } from "./trace.ts";

type Event = {
  at: number;
  order: number;
  readonly process: Process | null;
  readonly label: string;
  readonly run: () => void | Promise<void>;
  /** What happens by itself all the time is no news: a loop's wait for its next cycle, which can be left out, and its statements. */
  readonly isNews: boolean;
  readonly everyMs: number | null;
  readonly addedAt: number;
  cancelled: boolean;
};

export interface Process {
  readonly name: string;
  readonly clock: Clock;
  readonly state: () => "running" | "paused" | "dead";
  /** Sets the wall clock by so much; the monotonic one does not hear of it. */
  stepWall(ms: number): void;
  /** As SIGSTOP and SIGCONT do: what happens to it in between waits. */
  pause(): void;
  resume(): void;
  /** As SIGKILL does: nothing of it ever runs again. */
  kill(): void;
  onKill(run: () => void): void;
}

export interface World {
  readonly trace: Trace;
  /** The true time, which the witness has: ms since the epoch. */
  now(): number;
  /** A stream of random numbers for each purpose, so that one more draw here changes nothing there. */
  random(purpose: string): Random;
  /** `process`: to whom it happens; null where it happens in the network, in Postgres or to the world. */
  after(ms: number, process: Process | null, label: string, run: Event["run"], isNews?: boolean): Timer;
  spawn(name: string): Process;
  /** Runs the next event. False where there is none. */
  step(): Promise<boolean>;
  /** When anything but a loop's cycle happened last. */
  lastNews(): number;
  /** When the next event is that cannot be left out. */
  nextEvent(): number;
  /** When the loops of this interval will begin a cycle that had none since the last news; none where all had. */
  nextCycles(everyMs: number): number[];
  /** Something happened that no event tells of. */
  noteNews(): void;
  /** On to `at`. Loops of `fromMs` and more that would have begun a cycle in between begin it right afterwards; the cycles of the others are left out. */
  skipTo(at: number, fromMs: number): void;
}

export type WorldOptions = {
  readonly seed: number;
  readonly startAt: number;
  /** The waits of loops that have nothing to do. */
  readonly loopsMs: readonly number[];
};

const SWEEP_MS = 6 * HOUR_MS;
const SHORT_LOOP_MS = 2 * SECOND_MS;

const quiescence = () => new Promise<void>((resolve) => void setImmediate(resolve));

const byTime = (a: Event, b: Event) => a.at - b.at || a.order - b.order;

export function createWorld({ seed, startAt, loopsMs }: WorldOptions): World {
  let heap = new TinyQueue<Event>([], byTime);
  const loops = new Set(loopsMs);
  const jitter = seededRandom(`${seed} jitter`);
  let now = startAt;
  let orders = 0;
  let lastNews = startAt;
  let sweptAt = startAt;
  const trace = createTrace(() => now);
  const parked = new Map<Process, Event[]>();

  const add = (at: number, what: Pick<Event, "process" | "label" | "run" | "isNews" | "everyMs">) => {
    const event: Event = { ...what, at, order: orders++, addedAt: now, cancelled: false };
    heap.push(event);
    return { cancel: () => void (event.cancelled = true) };
  };

  const setTimer = (process: Process, run: () => void, delayMs: number) => {
    const ms = Math.max(0, delayMs);
    const isLoop = loops.has(ms);
    // Timers are late by a little, and never in step with one another; those of short loops by up to twice their time, as on a busy machine: with
    // their cycles on time, a run was four statements in five of nothing but these.
    const late = isLoop && ms <= SHORT_LOOP_MS ? 2 * ms * jitter() : jitter();
    return add(now + ms + late, { process, label: "timer", run, isNews: !isLoop, everyMs: isLoop ? ms : null });
  };

  const unpark = (process: Process) => {
    for (const event of parked.get(process) ?? []) heap.push(Object.assign(event, { at: now, order: orders++ }));
    parked.delete(process);
  };

  /** What nobody has cancelled, of those that can do something. */
  const isAhead = ({ cancelled, process }: Event) => !cancelled && (process === null || process.state() === "running");

  const step = async () => {
    const event = heap.pop();
    if (event === undefined) return false;
    const state = event.process?.state();
    if (event.cancelled || state === "dead") return true;
    now = Math.max(now, event.at);
    if (event.process && state === "paused") {
      parked.set(event.process, [...(parked.get(event.process) ?? []), event]);
      return true;
    }
    if (event.isNews) lastNews = now;
    if (event.label !== "timer") trace.add(`${event.process?.name ?? "world"}: ${event.label}`);
    await event.run();
    await quiescence();
    return true;
  };

  return {
    trace,
    now: () => now,
    random: (purpose) => seededRandom(`${seed} ${purpose}`),
    after: (ms, process, label, run, isNews = true) => add(now + Math.max(0, ms), { process, label, run, isNews, everyMs: null }),
    spawn: (name) => createProcess(name, () => now, setTimer, unpark),
    step,
    lastNews: () => lastNews,
    noteNews: () => void (lastNews = now),
    nextEvent: () => heap.data.reduce((next, event) => (event.everyMs === null && event.at < next && isAhead(event) ? event.at : next), Infinity),
    nextCycles: (everyMs) => heap.data.filter((event) => event.everyMs === everyMs && event.addedAt <= lastNews && isAhead(event)).map(({ at }) => at),
    skipTo(at, fromMs) {
      const events = heap.data;
      // What is done each minute only keeps things tidy: it is left out more often.
      const isSweeping = at - sweptAt >= SWEEP_MS;
      if (isSweeping) sweptAt = at;
      for (const event of events) {
        if (event.everyMs === null || event.at >= at) continue;
        const isDue = event.everyMs >= fromMs && (event.everyMs < MINUTE_MS || isSweeping);
        event.at = isDue ? at + 100 * jitter() : event.at + Math.ceil((at - event.at) / event.everyMs) * event.everyMs;
      }
      heap = new TinyQueue(events, byTime);
      if (at - now > MINUTE_MS) trace.add(`on to ${new Date(at).toISOString()}`);
      now = at;
    },
  };
}

function createProcess(
  name: string,
  now: () => number,
  setTimer: (process: Process, run: () => void, delayMs: number) => Timer,
  unpark: (process: Process) => void,
): Process {
  const bornAt = now();
  const ends: (() => void)[] = [];
  let state: "running" | "paused" | "dead" = "running";
  let wallOffset = 0;
  const process: Process = {
    name,
    clock: {
      now: () => Math.floor(now() + wallOffset),
      monotonic: () => now() - bornAt,
      setTimeout: (run, delayMs) => setTimer(process, run, delayMs),
    },
    state: () => state,
    stepWall: (ms) => void (wallOffset += ms),
    pause() {
      if (state === "running") state = "paused";
    },
    resume() {
      if (state !== "paused") return;
      state = "running";
      unpark(process);
    },
    kill() {
      if (state === "dead") return;
      state = "dead";
      for (const end of ends) end();
    },
    onKill: (run) => void ends.push(run),
  };
  return process;
}
