import type { SimulatedDatabase } from "./database.ts";
import { type RunOptions, runSeed } from "./run.ts";

/** What each deliberately broken variant must be caught within. */
const CAUGHT_WITHIN = 200;

/** The problem that the first seed from `from` on finds which finds one; null where none does. */
export async function firstProblem(database: SimulatedDatabase, from: number, options: RunOptions): Promise<{ readonly seed: number; readonly problem: string } | null> {
  for (let seed = from; seed < from + CAUGHT_WITHIN; seed++) {
    const { problem } = await runSeed(database, seed, options);
    if (problem !== null) return { seed, problem };
  }
  return null;
}
