import { startSimulatedDatabase } from "./database.ts";
import { failureOf } from "./replay.ts";
import { runSeed } from "./run.ts";

/** Runs these seeds one after the other. Rejects with the first that fails. */
export async function runSeeds(from: number, count: number): Promise<{ written: number }> {
  const database = await startSimulatedDatabase();
  let written = 0;
  try {
    for (let seed = from; seed < from + count; seed++) {
      const run = await runSeed(database, seed);
      if (run.problem !== null) throw new Error(failureOf(run));
      written += run.written;
    }
  } finally {
    await database.stop();
  }
  return { written };
}
