import { expect, inject, test } from "vitest";
import { createSimulatedDatabase } from "./database.ts";
import { runSeed } from "./run.ts";

test("a seed is one run, whatever ran before it", { timeout: 120_000 }, async () => {
  const database = await createSimulatedDatabase(inject("postgresUrl"));
  const first = [];
  for (const seed of [3, 5, 11]) first.push((await runSeed(database, seed)).hash);
  await database.drop();

  const another = await createSimulatedDatabase(inject("postgresUrl"));
  const again = [];
  for (const seed of [11, 5, 3]) again.push((await runSeed(another, seed)).hash);
  await another.drop();
  expect(again.toReversed()).toEqual(first);
  expect(new Set(first).size).toBe(3);
});
