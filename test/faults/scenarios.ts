// The faults, each as one scenario: what is done to a cluster of three that is at work.

import { setTimeout as delay } from "node:timers/promises";
import type { Cluster } from "../support/cluster.ts";
import type { ClusterNode } from "../support/cluster-node.ts";
import type { Held, Moment } from "../support/postgres-proxy.ts";
import type { Scenario, Situation } from "./run.ts";

const HOUR_MS = 3_600_000;

/** The first tenth of the work is enrolled and under way, the last is left for what follows the last fault. */
const shareAt = (fault: number, faults: number) => 0.1 + (0.75 * fault) / faults;

const pick = <T>(items: readonly T[], random: () => number): T => {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
};

/** Most are back at once, as under a supervisor, and may be killed as they start; one at a time stays away so long that the others take over. */
export const killsAtRandom: Scenario = {
  name: "kill -9 at random",
  async play({ cluster, random, scale, untilSent, strike }) {
    const returns: Promise<void>[] = [];
    let isOneAway = false;
    const comeBackLater = async (node: ClusterNode) => {
      isOneAway = true;
      await delay(random() * scale.awayMs);
      isOneAway = false;
      await node.start();
    };
    for (let kill = 0; kill < scale.faults; kill++) {
      await untilSent((0.85 * kill) / scale.faults);
      await delay(random() * 500);
      const victim = pick(cluster.nodes.filter((node) => node.isRunning()), random);
      await strike("kill -9", [victim], () => victim.end("SIGKILL"));
      returns.push(!isOneAway && random() < 0.4 ? comeBackLater(victim) : victim.start());
      returns.at(-1)?.catch(() => {}); // reported below
    }
    await Promise.all(returns);
  },
};

/** Where a process can die: before a statement, or when it has been executed and its answer is not there yet. */
type Point = { readonly statement: string; readonly moment: Moment } | "write";

const POINTS: Readonly<Record<string, Point>> = {
  "before the claim": { statement: "claim", moment: "before" },
  "after the claim": { statement: "claim", moment: "after" },
  "before the attempt": { statement: "attempt", moment: "before" },
  "between attempt and write": { statement: "attempt", moment: "after" },
  "between write and acknowledgement": "write",
  "between acknowledgement and settle": { statement: "settle", moment: "before" },
  "after the settle": { statement: "settle", moment: "after" },
};

/** Each point `scale.faults` times. */
export const killsAtPoints: Scenario = {
  name: "kill -9 at each named point",
  async play({ cluster, scale, untilSent, keepAtWork, strike }) {
    const kills = Array.from({ length: scale.faults }, () => Object.entries(POINTS)).flat();
    for (const [index, [name, point]] of kills.entries()) {
      await untilSent(shareAt(index, kills.length));
      await keepAtWork();
      const victim = await reached(cluster, point);
      await strike(`kill -9 ${name}`, [victim.node], async () => {
        const ended = victim.node.end("SIGKILL");
        victim.held?.cut();
        await ended;
      });
      await victim.node.start();
    }
  },
};

type Victim = { readonly node: ClusterNode; readonly held?: Held };

/** The first node that comes to this point, held there. */
async function reached(cluster: Cluster, point: Point): Promise<Victim> {
  if (point === "write") {
    const line = await cluster.wire.next(({ node }) => cluster.nodes.some(({ name }) => name === node));
    return { node: cluster.nodes.find(({ name }) => name === line.node) as ClusterNode };
  }
  return new Promise((resolve) => {
    let isFirst = true;
    for (const node of cluster.nodes) {
      void node.proxy.hold(point.statement, point.moment).then((held) => {
        if (!isFirst) return held.pass();
        isFirst = false;
        return resolve({ node, held });
      });
    }
  });
}

/** Executed, committed, and the connection broken before the server hears of it. */
export const answersLost: Scenario = {
  name: "commit executed, answer lost",
  async play(situation) {
    await loseCommits(situation);
    const statements = Array.from({ length: situation.scale.faults }, () => ["attempt", "settle", "claim"]).flat();
    for (const [index, statement] of statements.entries()) {
      await situation.untilSent(shareAt(index, statements.length));
      await loseAnswer(situation, statement);
    }
  },
};

/** Those of enrolling, which is over soon. */
async function loseCommits(situation: Situation): Promise<void> {
  for (let time = 0; time < 2; time++) await loseAnswer(situation, "COMMIT");
}

async function loseAnswer({ cluster, disturb }: Situation, statement: string): Promise<void> {
  const { held } = await reached(cluster, { statement, moment: "after" });
  disturb(`answer of ${statement} lost`);
  held?.cut();
}

export const killedForLong: Scenario = {
  name: "kill -9, and away until the others have taken over",
  async play(situation) {
    await awayFor(situation, "kill -9", (node) => node.end("SIGKILL"), (node) => node.start());
  },
};

/** Well after the others have taken it for dead. */
const LATE_MS = 13_000;

/** Suspended with an attempt on its way, which reaches Postgres when the others have its devices. */
export const suspended: Scenario = {
  name: "SIGSTOP beyond the lease",
  async play(situation) {
    const { cluster, scale } = situation;
    let lateAttempt: Promise<void>;
    const suspend = async (node: ClusterNode) => {
      const { held } = await reached({ ...cluster, nodes: [node] }, { statement: "attempt", moment: "before" });
      node.signal("SIGSTOP");
      lateAttempt = delay(Math.min(LATE_MS, scale.awayMs)).then(() => held?.pass());
    };
    const resume = async (node: ClusterNode) => {
      await lateAttempt;
      node.signal("SIGCONT");
    };
    await awayFor(situation, "SIGSTOP", suspend, resume);
  },
};

export const halfOpen: Scenario = {
  name: "half-open connections",
  async play(situation) {
    await awayFor(situation, "half-open", (node) => node.proxy.fallSilent(), (node) => node.proxy.heal());
  },
};

type Act = (node: ClusterNode) => unknown;

/** One after the other is away for so long that the others take over; and comes back, and is given devices again. */
async function awayFor({ cluster, random, scale, untilSent, strike }: Situation, what: string, leave: Act, comeBack: Act) {
  for (let fault = 0; fault < scale.faults; fault++) {
    await untilSent(shareAt(fault, scale.faults));
    const victim = pick(cluster.nodes, random);
    await strike(what, [victim], () => leave(victim));
    await delay(scale.awayMs);
    await comeBack(victim);
    await cluster.untilGivenDevices(victim);
  }
}

export const postgresKilled: Scenario = {
  name: "Postgres killed and restarted",
  async play({ cluster, random, scale, untilSent, strike }) {
    for (let kill = 0; kill < scale.faults; kill++) {
      await untilSent(shareAt(kill, scale.faults));
      await delay(random() * 500);
      await strike("Postgres killed", cluster.nodes, cluster.killPostgres);
    }
  },
};

/** Emptied while it is used; hanging for longer than anybody waits; killed, and back with nothing in it. It costs no outcome. Where none is installed, nothing is done. */
export const redisFails: Scenario = {
  name: "Redis emptied, hanging, killed",
  async play({ cluster: { redis }, scale, untilSent, disturb }) {
    if (!redis) return;
    const faults: Readonly<Record<string, () => Promise<void>>> = {
      emptied: redis.flush,
      async hanging() {
        redis.suspend();
        await delay(scale.awayMs);
        redis.resume();
      },
      async killed() {
        await redis.kill();
        await delay(scale.awayMs / 4);
        await redis.start();
      },
    };
    for (let fault = 0; fault < scale.faults; fault++) {
      for (const [index, [name, act]] of Object.entries(faults).entries()) {
        await untilSent(shareAt(3 * fault + index, 3 * scale.faults));
        disturb(`Redis ${name}`);
        await act();
      }
    }
  },
};

/** By hours: what is counted by the wall clock alone would be free again, or stand still. By little more than a send deadline: what is on its way. */
const STEPS_MS = [2 * HOUR_MS, -2 * HOUR_MS, -30 * HOUR_MS, 30 * HOUR_MS, 15_000, -15_000];

export const clockSteps: Scenario = {
  name: "clock steps",
  async play({ cluster, random, scale, untilSent, disturb }) {
    for (let step = 0; step < scale.faults; step++) {
      await untilSent(shareAt(step, scale.faults));
      disturb("clock step");
      await pick(cluster.nodes, random).stepClock(STEPS_MS[step % STEPS_MS.length] ?? 0);
    }
  },
};

/** Rolling: each stops in order, and its successor is there before the next one goes. */
export const deploys: Scenario = {
  name: "SIGTERM deploys",
  async play({ cluster, scale, untilSent, keepAtWork, disturb }) {
    const restarts = Array.from({ length: scale.faults }, () => cluster.nodes).flat();
    for (const [index, node] of restarts.entries()) {
      await untilSent(shareAt(index, restarts.length));
      await keepAtWork();
      disturb("SIGTERM");
      const exitCode = await node.end("SIGTERM");
      if (exitCode !== 0) throw new Error(`${node.name} ended with ${exitCode}:\n${node.output()}`);
      await node.start();
    }
  },
};

/** A part of the work, from one share of it to another, on some of the nodes. */
const within = (situation: Situation, [from, to]: readonly [number, number], nodes: readonly ClusterNode[], faults: number): Situation => ({
  ...situation,
  cluster: { ...situation.cluster, nodes },
  scale: { ...situation.scale, faults },
  untilSent: (share) => situation.untilSent(from + share * (to - from)),
});

/** The short forms: all that there is, on two clusters. */
export const killsAndDeploys: Scenario = {
  name: "kill -9 at random, and SIGTERM deploys",
  async play(situation) {
    const { cluster, scale } = situation;
    await killsAtRandom.play(within(situation, [0, 0.9], cluster.nodes, scale.faults));
    await deploys.play(within(situation, [0, 0.9], cluster.nodes, 1));
  },
};

/** Four nodes, of which one is suspended and one cut off while the others die at every point; and then what costs no outcome, with work that is
 *  still to come then, however fast the first was done. */
export const outages: Scenario = {
  name: "kill -9 at each point, SIGSTOP, half-open connections, a killed Postgres, lost answers, clock steps, a Redis that fails",
  async play(situation) {
    const { cluster, scale, addWork } = situation;
    const { nodes } = cluster;
    await loseCommits(situation);
    const cutOff = halfOpen.play(within(situation, [0, 0.3], nodes.slice(2, 3), 1));
    cutOff.catch(() => {}); // reported below
    await Promise.all([suspended.play(within(situation, [0, 0.3], nodes.slice(3), 1)), killsAtPoints.play(within(situation, [0, 0.3], nodes.slice(0, 2), 1))]);
    await addWork(scale.flows);
    await postgresKilled.play(within(situation, [0, 0.5], nodes, 1));
    for (const statement of ["attempt", "settle", "claim"]) await loseAnswer(situation, statement);
    await Promise.all([clockSteps.play(within(situation, [0.2, 0.8], nodes, 4)), redisFails.play({ ...within(situation, [0.2, 0.8], nodes, 1), scale: { ...situation.scale, faults: 1, awayMs: 3000 } })]);
    await cutOff;
  },
};
