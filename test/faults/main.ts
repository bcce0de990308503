// The faults at full length, and a table of what came of them: npm run test:faults [-- <words of a fault's name>]. RENTAK_TEST_SEED decides the
// instants and the victims.

import { randomUUID } from "node:crypto";
import { isClean, type Result, runScenario, type Scale, type Scenario } from "./run.ts";
import { answersLost, clockSteps, deploys, halfOpen, killedForLong, killsAtPoints, killsAtRandom, postgresKilled, redisFails, suspended } from "./scenarios.ts";

const BASE = { nodes: 3, latencyMs: 150, awayMs: 26_000 };

const RUNS: readonly (readonly [Scenario, Scale])[] = [
  [killsAtRandom, { ...BASE, flows: 100_000, faults: 50 }],
  [killsAtPoints, { ...BASE, flows: 20_000, faults: 3 }],
  [answersLost, { ...BASE, flows: 10_000, faults: 10 }],
  [killedForLong, { ...BASE, flows: 20_000, faults: 2 }],
  [suspended, { ...BASE, flows: 20_000, faults: 2 }],
  [halfOpen, { ...BASE, flows: 20_000, faults: 2 }],
  [postgresKilled, { ...BASE, flows: 15_000, faults: 8 }],
  [redisFails, { ...BASE, flows: 60_000, faults: 1, awayMs: 120_000 }],
  [clockSteps, { ...BASE, flows: 10_000, faults: 24 }],
  [deploys, { ...BASE, flows: 15_000, faults: 3 }],
];

const COLUMNS: Readonly<Record<string, (result: Result) => string | number>> = {
  fault: (result) => result.scenario,
  times: (result) => result.faults,
  flows: (result) => result.flows,
  sent: (result) => result.sent,
  duplicates: (result) => result.verdict.duplicates.length,
  lost: (result) => result.verdict.lost.length,
  "unknown of in flight": (result) => `${result.unknown} of ${result.inFlight}`,
  "longest silence": (result) => `${(result.longestSilenceMs / 1000).toFixed(1)} s`,
  took: (result) => `${Math.round(result.seconds)} s`,
  verdict: (result) => (isClean(result.verdict) ? "kept" : `BROKEN: ${brokenPromises(result).join(", ")}`),
};

const brokenPromises = ({ verdict }: Result) => Object.entries(verdict).filter(([, broken]) => broken.length > 0).map(([promise]) => promise);

const showProgress = (sent: number, faults: number) => void (process.stdout.isTTY && process.stdout.write(`\r  ${sent} on the wire, ${faults} faults `));

const wanted = process.argv.slice(2).join(" ");
const seed = process.env["RENTAK_TEST_SEED"] ?? randomUUID().slice(0, 8);
console.log(`Seed: ${seed}`);

const results: Result[] = [];
for (const [scenario, scale] of RUNS.filter(([{ name }]) => name.includes(wanted))) {
  console.log(`${scenario.name}: ${scale.flows} flows …`);
  const result = await runScenario(scenario, scale, seed, showProgress);
  results.push(result);
  for (const promise of brokenPromises(result)) console.log(`  ${promise}: ${result.verdict[promise as keyof Result["verdict"]].slice(0, 5).join("; ")}`);
  if (result.kept !== null) console.log(`  rows, wire and logs: ${result.kept}`);
}
console.table(results.map((result) => Object.fromEntries(Object.entries(COLUMNS).map(([name, show]) => [name, show(result)]))));
if (results.some(({ verdict }) => !isClean(verdict))) {
  console.log(`Promises were broken. The same again: RENTAK_TEST_SEED=${seed} npm run test:faults`);
  process.exitCode = 1;
}
