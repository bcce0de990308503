import { expect, test } from "vitest";
import { startSimulatedDatabase } from "./database.ts";
import { runSeed } from "./run.ts";

async function hashes(seeds: readonly number[]): Promise<Map<number, string>> {
  const database = await startSimulatedDatabase();
  const found = new Map<number, string>();
  for (const seed of seeds) found.set(seed, (await runSeed(database, seed)).hash);
  await database.stop();
  return found;
}

test("a seed is one run, whatever ran before it and beside it", { timeout: 120_000 }, async () => {
  const [first, again] = await Promise.all([hashes([2, 3, 5, 11]), hashes([11, 5, 3, 2])]);
  expect(again).toEqual(first);
  expect(new Set(first.values()).size).toBe(4);
});
