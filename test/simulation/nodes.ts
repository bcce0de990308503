// The nodes of a run: whole ones, as a process starts them.

import { createHash } from "node:crypto";
import { type Node, startNode } from "../../src/dispatcher/node.ts";
import { NO_OBSERVER } from "../../src/dispatcher/observer.ts";
import { createBell } from "../../src/events/bell.ts";
import type { MessageIds } from "../../src/flows/message-id.ts";
import { MINUTE_MS } from "../../src/lib/clock.ts";
import type { Logger } from "../../src/lib/logger.ts";
import type { Server } from "./pool.ts";
import type { Scenario } from "./scenario.ts";
import type { Wire } from "./wire.ts";
import type { Process, World } from "./world.ts";

/** `hasLetGo`: it has let go of its devices, and not joined anew yet. `coordinates`: it is elected, and knows. */
export type SimulatedNode = { readonly name: string; readonly process: Process; node: Node | undefined; isStopping: boolean; hasLetGo: boolean; coordinates: boolean };

export interface Nodes {
  /** Those whose process has not ended, paused or not. */
  living(): SimulatedNode[];
  start(name: string): void;
  /** As SIGTERM does. */
  stop(node: SimulatedNode): void;
  ring(topic: "enrollment" | "devices"): void;
}

export type NodesOptions = {
  readonly world: World;
  readonly server: Server;
  readonly wire: Wire;
  readonly scenario: Scenario;
  readonly messageIds: MessageIds;
  /** Whether it was held up within so many ms. */
  readonly wasDisturbed: (process: Process, withinMs: number) => boolean;
  /** Something that must not happen did. */
  readonly fail: (problem: string) => void;
};

export function createNodes({ world, server, wire, scenario, messageIds, wasDisturbed, fail }: NodesOptions): Nodes {
  const all: SimulatedNode[] = [];
  const bells = new Map<Process, ReturnType<typeof createBell>>();
  let started = 0;

  const start = (name: string) => {
    const process = world.spawn(`${name}.${++started}`);
    const entry: SimulatedNode = { name, process, node: undefined, isStopping: false, hasLetGo: false, coordinates: false };
    const bell = createBell();
    bells.set(process, bell);
    all.push(entry);
    world.trace.add(`${process.name} starts`);
    let ids = 0;
    const options = {
      pool: server.connect(process),
      clock: process.clock,
      random: world.random(`node ${process.name}`),
      newId: () => uuid(`${scenario.startAt} ${process.name} ${ids++}`),
      logger: loggerOf(entry, world, fail),
      bell,
      messageIds,
      observer: NO_OBSERVER,
      process: { name: process.name, isGone: (other: string) => isSameMachine(other, process.name) && all.some((node) => node.process.name === other && node.process.state() === "dead") },
      transports: { SIMULATOR: wire.transportOf(process) },
      settings: {
        nodeName: name,
        dispatchIntervalMs: scenario.dispatchIntervalMs,
        claimBatch: 10_000,
        sendConcurrency: scenario.sendConcurrency,
        maxDevices: scenario.maxDevices,
        enrollBatch: scenario.enrollBatch,
        enrollPerSecond: 5000,
        minStepDelayHours: scenario.minStepDelayHours,
        stuckMs: 5 * MINUTE_MS,
        workerIdleMs: 5 * MINUTE_MS,
      },
      onFatal: (error: unknown) => {
        world.trace.add(`${process.name} cannot go on: ${String(error)}`);
        process.kill();
      },
    };
    startNode(options).then(
      (node) => void (entry.node = node),
      (error: unknown) => {
        // Postgres could not be reached: the process ends, as main.ts has it.
        world.trace.add(`${process.name} did not start: ${String(error)}`);
        process.kill();
      },
    );
  };

  return {
    living: () => all.filter(({ process }) => process.state() !== "dead"),
    start,
    stop(entry) {
      if (entry.node === undefined || entry.isStopping) return;
      entry.isStopping = true;
      world.trace.add(`${entry.process.name} is asked to stop`);
      const { process } = entry;
      const late = world.after(MINUTE_MS, process, "should have stopped", () => {
        if (!wasDisturbed(process, 2 * MINUTE_MS)) fail(`${process.name} has not stopped a minute after it was asked to`);
      });
      entry.node.stop().then(
        () => {
          late.cancel();
          world.trace.add(`${entry.process.name} has stopped`);
          entry.process.kill();
        },
        (error: unknown) => fail(`stop() rejected: ${String(error)}`),
      );
    },
    ring(topic) {
      for (const { process } of all) if (process.state() === "running") bells.get(process)?.ring(topic);
    },
  };
}

function uuid(seed: string): string {
  const hex = createHash("md5").update(seed).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}

/** Those that are started anew under a name are on its machine, every other time. */
const isSameMachine = (a: string, b: string) => a.split(".")[0] === b.split(".")[0] && (Number(a.split(".")[1]) + Number(b.split(".")[1])) % 2 === 0;

/** Statements that Postgres refuses for what they say are faults of ours, though the loops go on after them. */
function loggerOf(entry: SimulatedNode, world: World, fail: (problem: string) => void): Logger {
  const { process } = entry;
  const log = (level: string) => (fields: unknown, message?: string) => {
    const error = typeof fields === "object" ? (fields as { readonly err?: Error & { readonly code?: string } }).err : undefined;
    world.trace.add(`  ${process.name} ${level}: ${message ?? String(fields)}${error === undefined ? "" : ` (${error.code ?? ""} ${error.message})`}`);
    const said = typeof fields === "string" ? fields : "";
    entry.hasLetGo = said.includes("lets go") || (entry.hasLetGo && !said.includes("joined anew"));
    entry.coordinates = !entry.hasLetGo && (entry.coordinates || said.includes("this process coordinates"));
    if (error?.code !== undefined && /^(22|23|42|0A)/.test(error.code)) fail(`Postgres refused a statement: ${error.code} ${error.message}`);
    if (error instanceof TypeError || error instanceof RangeError) fail(`${level}: ${error.stack}`);
  };
  return { trace: () => {}, debug: () => {}, info: log("info"), warn: log("warn"), error: log("error"), fatal: log("fatal") } as unknown as Logger;
}
