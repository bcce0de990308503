// What goes wrong: processes are killed, stopped and suspended, also right at the points of the protocol; answers are lost; clocks are set; Postgres
// is away for a while.

import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import type { Statement } from "./database.ts";
import type { Nodes, SimulatedNode } from "./nodes.ts";
import type { Fate, Server } from "./pool.ts";
import { pick, type Scenario } from "./scenario.ts";
import type { Process, World } from "./world.ts";

export interface Troubles {
  /** A message has just been written: a point of the protocol as well. */
  atWrite(process: Process): void;
  /** Ends all of it, and sees to it that everything runs. */
  mend(): void;
  /** Whether the process was held up in any way within the last so many ms. */
  wasDisturbed(process: Process, withinMs: number): boolean;
  /** Whether the process was suspended within the last so many ms, of its own running time: it knows nothing yet of what happened meanwhile. */
  wasSuspended(process: Process, withinMs: number): boolean;
  /** Whether some node cannot reach Postgres. */
  isAnyoneCutOff(): boolean;
  /** When the last of them began or ended, but for lost packets. */
  lastAt(): number;
}

export type TroublesOptions = { readonly world: World; readonly server: Server; readonly nodes: Nodes; readonly scenario: Scenario };

const POINTS = new Set(["claim", "attempt", "settle", "correct", "enrol_queued", "COMMIT", "write"]);

/** A node is found dead after 10 s, and its devices are opened again after another 10: it comes back before, in between and afterwards. */
const PAUSES_SECONDS = [4, 12, 14, 15, 17, 18, 24, 34, 400];

export function createTroubles({ world, server, nodes, scenario }: TroublesOptions): Troubles {
  const random = world.random("faults");
  const { faults, troubleMs } = scenario;
  const disturbed = new Map<Process, number>();
  const resumed = new Map<Process, number>();
  const cutOff = new Set<Process>();
  let isOver = false;
  let downUntil = -Infinity;
  let lastAt = -Infinity;

  const note = (process: Process | null, what: string) => {
    lastAt = world.now();
    if (process) disturbed.set(process, world.now());
    world.trace.add(`FAULT ${process?.name ?? ""} ${what}`);
  };

  const startAgain = (name: string) => {
    if (!nodes.living().some((node) => node.name === name)) nodes.start(name);
  };
  const kill = ({ name, process }: SimulatedNode) => {
    if (process.state() === "dead") return;
    note(process, "is killed");
    process.kill();
    // Most come back as what they were; some as another.
    const successor = random() < 0.8 ? name : `${name}'`;
    world.after(pick(random, [500, 3000, 20_000, 60_000]) * (0.5 + random()), null, "a restart", () => startAgain(isOver ? name : successor));
  };
  const pause = ({ process }: SimulatedNode) => {
    note(process, "is paused");
    process.pause();
    world.after(pick(random, PAUSES_SECONDS) * SECOND_MS * (0.9 + 0.2 * random()), null, "goes on", () => {
      note(process, "goes on");
      resumed.set(process, world.now());
      process.resume();
    });
  };
  const cut = ({ process }: SimulatedNode) => {
    note(process, "is cut off from Postgres");
    cutOff.add(process);
    process.onKill(() => void cutOff.delete(process));
    world.after(pick(random, [2, 12, 28]) * SECOND_MS * (0.5 + random()), null, "is connected again", () => {
      note(process, "is connected again");
      cutOff.delete(process);
    });
  };
  const stepWall = ({ process }: SimulatedNode) => {
    const ms = pick(random, [-HOUR_MS, -10 * SECOND_MS, -SECOND_MS, SECOND_MS, 10 * SECOND_MS, 5 * MINUTE_MS, 2 * HOUR_MS]) * random();
    note(process, `has its clock set by ${Math.round(ms)} ms`);
    process.stepWall(ms);
  };
  const redeploy = (node: SimulatedNode) => {
    note(node.process, "is redeployed");
    nodes.stop(node);
    node.process.onKill(() => world.after(500, null, "a restart", () => startAgain(node.name)));
  };
  const outage = () => {
    note(null, "Postgres is away");
    downUntil = world.now() + pick(random, [1, 8, 25]) * SECOND_MS * (0.5 + random());
    server.breakAll();
    world.after(downUntil - world.now(), null, "Postgres is back", () => note(null, "Postgres is back"));
  };

  // Half of them fall on the points of the protocol, where something is going on; the others anywhere.
  const planned: { readonly left: number; readonly isBefore: boolean; readonly run: (node: SimulatedNode) => void }[] = [];
  let points = 0;
  const plan = (count: number, run: (node: SimulatedNode) => void) => {
    for (let n = 0; n < count; n++) {
      if (random() < 0.7) planned.push({ left: 1 + Math.floor(50 * random() ** 1.5), isBefore: random() < 0.5, run });
      else
        world.after(troubleMs * random(), null, "a fault", () => {
          const node = pick(random, nodes.living());
          if (node !== undefined && !isOver) run(node);
        });
    }
  };
  plan(faults.kills, kill);
  plan(faults.pauses, pause);
  plan(faults.cuts, cut);
  plan(faults.wallSteps, stepWall);
  plan(faults.restarts, redeploy);
  plan(faults.outages, outage);

  const atPoint = (process: Process, point: string, isBefore: boolean) => {
    if (isOver || !POINTS.has(point)) return;
    if (isBefore) points += 1;
    const node = nodes.living().find((other) => other.process === process);
    if (node === undefined) return;
    for (const fault of planned) {
      // In an event of its own: what runs now is Postgres, which ends its statement either way.
      if (fault.left === points && fault.isBefore === isBefore) world.after(0, null, "a fault at a point", () => fault.run(node));
    }
  };
  const pointOf = ({ name, text }: Statement) => name ?? text;
  // A claim that finds nothing is no point of anything.
  server.before = (process, statement) => void (statement.name !== "claim" && atPoint(process, pointOf(statement), true));
  server.after = (process, statement, result) => {
    if (statement.name !== "claim") return atPoint(process, pointOf(statement), false);
    if (!(result instanceof Error) && result.rows.length > 0) atPoint(process, "claim", true);
  };
  server.isDown = () => world.now() < downUntil;
  server.fate = (process): Fate => {
    if (cutOff.has(process)) return "no route";
    if (isOver || nodes.living().every((node) => node.process !== process)) return "fine";
    const draw = random();
    const fate = draw < faults.lost ? "request lost" : draw < faults.lost + faults.unanswered ? "answer lost" : draw < faults.lost + faults.unanswered + faults.silent ? "silence" : "fine";
    if (fate !== "fine") {
      disturbed.set(process, world.now());
      world.trace.add(`FAULT ${process.name} ${fate}`);
    }
    return fate;
  };

  return {
    atWrite: (process) => atPoint(process, "write", true),
    mend() {
      isOver = true;
      lastAt = world.now(); // those that are started now have to find out first what is left
      downUntil = -Infinity;
      cutOff.clear();
      for (const { process } of nodes.living()) {
        resumed.set(process, world.now());
        process.resume();
      }
      for (let n = 0; n < scenario.nodes; n++) startAgain(`node${n}`);
    },
    wasDisturbed: (process, withinMs) => cutOff.has(process) || world.now() - (disturbed.get(process) ?? -Infinity) < withinMs,
    wasSuspended: (process, withinMs) => world.now() - (resumed.get(process) ?? -Infinity) < withinMs,
    isAnyoneCutOff: () => cutOff.size > 0,
    lastAt: () => lastAt,
  };
}
