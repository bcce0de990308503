// Runs one scenario: a cluster under load, its faults, and the verdict on what came of it.

import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { seededRandom } from "../../src/lib/random.ts";
import { type Cluster, idleBackends, startCluster } from "../support/cluster.ts";
import type { ClusterNode } from "../support/cluster-node.ts";
import { type Evidence, type Fault, flowsInFlight, gatherEvidence } from "../support/evidence.ts";
import { one } from "../support/factories.ts";
import { judge, silences, type Verdict } from "../support/verdict.ts";
import { wireNow } from "../support/wire-witness.ts";
import { MAX_DEVICES, prepareWorkload, type Workload } from "../support/workload.ts";

const STUCK_MS = 12_000;

/** Nothing more comes of it when nothing has come for so long: twice what recovery may take, the time of a stuck attempt, and the start of a server on a machine that has much else to do. */
const GIVE_UP_MS = 180_000;

const POLL_MS = 250;

const SETTINGS = {
  RENTAK_DISPATCH_INTERVAL_MS: "250",
  RENTAK_STUCK_MINUTES: String(STUCK_MS / 60_000),
  RENTAK_MIN_STEP_DELAY_HOURS: "0",
  RENTAK_MAX_DEVICES: String(MAX_DEVICES),
  LOG_LEVEL: "warn",
};

export type Scale = {
  readonly nodes: number;
  readonly flows: number;
  readonly faults: number;
  /** Of a send: how fast the work goes by. */
  readonly latencyMs: number;
  /** How long one is suspended, cut off or dead. The others take it for dead after 10 seconds, and its devices send again after 10 more. */
  readonly awayMs: number;
};

/** What a scenario has in its hands. */
export type Situation = {
  readonly cluster: Cluster;
  readonly random: () => number;
  readonly scale: Scale;
  /** Waits until this share of the work (0 to 1) has been on the wire. */
  untilSent(share: number): Promise<void>;
  /** Adds so many flows; from now on, shares are of these and of what is left. */
  addWork(flows: number): Promise<void>;
  /** Sees to it that the work does not run out before the next fault, however slowly nodes come back: shares stay those of the work that there was. */
  keepAtWork(): Promise<void>;
  /** Lets `act` happen to these nodes, and notes which flows it may have cost their outcome. */
  strike(what: string, nodes: readonly ClusterNode[], act: () => unknown): Promise<void>;
  /** Notes a fault that must cost no outcome at all. */
  disturb(what: string): void;
};

export type Scenario = { readonly name: string; readonly play: (situation: Situation) => Promise<void> };

export type Result = {
  readonly scenario: string;
  readonly verdict: Verdict;
  readonly faults: number;
  readonly flows: number;
  readonly sent: number;
  readonly unknown: number;
  /** How many may be: what was in flight at the faults. */
  readonly inFlight: number;
  readonly longestSilenceMs: number;
  readonly seconds: number;
  /** Where rows, wire and the servers' words are kept, if something was broken. */
  readonly kept: string | null;
};

type OnProgress = (sent: number, faults: number) => void;

/** `seed` decides the instants and the victims. */
export async function runScenario({ name, play }: Scenario, scale: Scale, seed: string, onProgress: OnProgress = () => {}): Promise<Result> {
  const from = performance.now();
  const cluster = await startCluster({ nodes: scale.nodes, settings: SETTINGS });
  const faults: Fault[] = [];
  try {
    const workload = await prepareWorkload(cluster.pool, scale.latencyMs);
    const situation = createSituation(cluster, workload, faults, scale, seed);
    await situation.addWork(scale.flows);
    const startedAt = wireNow();
    const playing = play(situation);
    const isPlayed = await untilOver(cluster, playing, () => onProgress(cluster.wire.lines.length, faults.length));
    await Promise.all(cluster.nodes.map((node) => node.end("SIGKILL")));
    await cluster.wire.close();
    const evidence = await gatherEvidence(cluster.pool, cluster.wire.lines, { startedAt, faults, isPlayed, stuckMs: STUCK_MS });
    const verdict = judge(evidence);
    const kept = isClean(verdict) ? null : await keep(cluster, evidence, verdict);
    return { scenario: name, verdict, ...measured(evidence), seconds: (performance.now() - from) / 1000, kept };
  } finally {
    await cluster.stop();
  }
}

export const isClean = (verdict: Verdict) => Object.values(verdict).every((broken) => broken.length === 0);

function createSituation(cluster: Cluster, workload: Workload, faults: Fault[], scale: Scale, seed: string): Situation {
  let before = 0;
  let total = 0;
  let extra = 0;
  return {
    cluster,
    scale,
    random: seededRandom(seed),
    untilSent: (share) => cluster.wire.until(before + share * (total - before)),
    async addWork(flows) {
      total += extra + (await workload.add(flows));
      extra = 0;
      before = cluster.wire.lines.length;
    },
    async keepAtWork() {
      const left = total + extra - cluster.wire.lines.length;
      if (left < scale.flows / 3) extra += await workload.add(scale.flows / 3);
    },
    async strike(what, nodes, act) {
      const ports = nodes.flatMap((node) => node.proxy.backendPorts());
      const at = wireNow();
      await act();
      await idleBackends(cluster.pool, ports);
      faults.push({ what, at, inFlight: await flowsInFlight(cluster.pool, nodes.map((node) => node.name)) });
    },
    disturb: (what) => void faults.push({ what, at: wireNow(), inFlight: [] }),
  };
}

/** Until the faults have been and every lead is through; or until nothing happens any more: then the verdict says what was lost. Returns whether
 *  all faults have been. */
async function untilOver(cluster: Cluster, playing: Promise<void>, onProgress: () => void): Promise<boolean> {
  const since = wireNow();
  let isPlayed = false;
  let failure: unknown;
  playing.then(
    () => (isPlayed = true),
    (error: unknown) => (failure = error),
  );
  while (!(isPlayed && (await isFinished(cluster)))) {
    if (failure !== undefined) throw failure;
    if (wireNow() - Math.max(since, cluster.wire.lines.at(-1)?.wireAt ?? 0) > GIVE_UP_MS) break;
    onProgress();
    await delay(POLL_MS);
  }
  return isPlayed;
}

async function isFinished({ pool }: Cluster): Promise<boolean> {
  const { isDone } = await one<{ isDone: boolean }>(
    pool,
    `SELECT NOT EXISTS (SELECT FROM enrollment_queue) AND NOT EXISTS (SELECT FROM enrollments WHERE status = 'ACTIVE')
        AND (SELECT count(*) FROM enrollments) >= (SELECT count(*) FROM leads) AS "isDone"`,
  );
  return isDone;
}

function measured(evidence: Evidence) {
  const { flows, faults } = evidence;
  return {
    faults: faults.length,
    flows: flows.length,
    sent: flows.filter(({ status }) => status === "SENT").length,
    unknown: flows.filter(({ failureCode }) => failureCode === "OUTCOME_UNKNOWN").length,
    inFlight: new Set(faults.flatMap(({ inFlight }) => inFlight)).size,
    longestSilenceMs: Math.max(0, ...silences(evidence).map(({ ms }) => ms)),
  };
}

async function keep(cluster: Cluster, evidence: Evidence, verdict: Verdict): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "rentak-faults-"));
  await cluster.wire.save(join(dir, "wire.jsonl"));
  await writeFile(join(dir, "verdict.json"), JSON.stringify(verdict, null, 2));
  await writeFile(join(dir, "evidence.json"), JSON.stringify({ ...evidence, lines: undefined }));
  for (const node of cluster.nodes) await writeFile(join(dir, `${node.name}.log`), node.output());
  return dir;
}
