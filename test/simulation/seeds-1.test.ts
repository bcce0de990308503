// One half of the seeds; the other runs beside it.

import { expect, test } from "vitest";
import { runSeeds } from "./seeds.ts";

test("the promises hold under every fault, in 25 runs", { timeout: 600_000 }, async () => {
  const { written } = await runSeeds(1, 25);
  expect(written).toBeGreaterThan(250);
});
