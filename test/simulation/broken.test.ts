// The test of the test: each of these takes one clause away, and must be caught.

import { afterAll, beforeAll, expect, test } from "vitest";
import { firstProblem } from "./caught.ts";
import { type SimulatedDatabase, startSimulatedDatabase } from "./database.ts";
import { VARIANTS } from "./variants.ts";

let database: SimulatedDatabase;

beforeAll(async () => {
  database = await startSimulatedDatabase();
});
afterAll(() => database.stop());

test.for(VARIANTS)("is caught: $name", { timeout: 600_000 }, async ({ rewrite, shows, from }) => {
  expect(await firstProblem(database, from, { rewrite })).toEqual({ seed: expect.any(Number), problem: expect.stringMatching(shows) });
});
