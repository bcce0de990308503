// The test of the test: each of these takes one clause away, and must be caught.

import { expect, inject, test } from "vitest";
import { firstProblem } from "./caught.ts";
import { VARIANTS } from "./variants.ts";

test.for(VARIANTS)("is caught: $name", { timeout: 600_000 }, async ({ rewrite, shows, from }) => {
  expect(await firstProblem(inject("postgresUrl"), from, { rewrite })).toEqual({ seed: expect.any(Number), problem: expect.stringMatching(shows) });
});
