// Simulates from the command line: npm run simulate -- --seeds 5000, or --seed 123 to see one that failed again.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { startSimulatedDatabase } from "./database.ts";
import { failureOf } from "./replay.ts";
import { type Run, runSeed } from "./run.ts";

const { values } = parseArgs({ options: { seed: { type: "string" }, seeds: { type: "string", default: "200" }, from: { type: "string", default: "1" } } });
const first = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
if (!Number.isInteger(first) || !Number.isInteger(count) || count < 1) {
  console.error("Give whole numbers: --seeds 5000 [--from 1], or --seed 123.");
  process.exit(2);
}

const failed: Run[] = [];
const done = { runs: 0, written: 0, events: 0, hours: 0 };
let next = first;

/** Side by side; what happens in one has no part in the others. */
async function simulate(): Promise<void> {
  const database = await startSimulatedDatabase();
  try {
    for (let seed = next++; seed < first + count; seed = next++) {
      const run = await runSeed(database, seed);
      done.runs += 1;
      done.written += run.written;
      done.events += run.events;
      done.hours += run.hours;
      if (run.problem !== null) failed.push(run);
      if (run.problem !== null) console.log(`${failureOf(run)}\n`);
      if (done.runs % 100 === 0) console.log(`${done.runs} of ${count} seeds, ${failed.length} failed`);
    }
  } finally {
    await database.stop();
  }
}

const began = performance.now();
await Promise.all(Array.from({ length: Math.min(count, availableParallelism()) }, simulate));
const seconds = (performance.now() - began) / 1000;
console.log(
  `${done.runs} seeds in ${seconds.toFixed(0)} s: ${done.written} messages, ${done.events} events, ${(done.hours / 24).toFixed(0)} days. ` +
    (failed.length === 0 ? "Every promise held." : `FAILED: ${failed.map(({ seed }) => seed).toSorted((a, b) => a - b).join(", ")}`),
);
process.exitCode = failed.length === 0 ? 0 : 1;
