// A scenario as a suite of tests: it is run once, and each promise is a test of its own.

import { beforeAll, describe, expect, test } from "vitest";
import type { Verdict } from "../support/verdict.ts";
import { type Result, runScenario, type Scale, type Scenario } from "./run.ts";

const PROMISES: Readonly<Record<keyof Verdict, string>> = {
  duplicates: "sends no message twice, and nobody a step twice",
  lost: "brings every lead through every step, and every flow to its end",
  untrue: "says sent of what was on the wire alone, word for word, and refused of what was not",
  unexplained: "leaves no outcome unknown but of what was in flight at a fault",
  overLimit: "exceeds no device's limit in any window, by the wire's own clock",
  tooEarly: "keeps the pace of each device and the order of each person's steps",
  twoOwners: "never lets two processes have a device",
  events: "writes one event for each change, and counts right",
  silence: "serves every workspace again within 30 seconds of a fault",
};

export function describeScenario(scenario: Scenario, scale: Scale): void {
  const seed = process.env["RENTAK_TEST_SEED"] ?? "faults";
  describe(`${scenario.name}, over ${scale.flows} flows and ${scale.nodes} nodes (RENTAK_TEST_SEED=${seed})`, () => {
    let result: Result;
    beforeAll(async () => {
      result = await runScenario(scenario, scale, seed);
      if (result.kept !== null) console.error(`The rows, the wire and the servers' logs are in ${result.kept}.`);
    }, 600_000);

    test.each(Object.entries(PROMISES) as [keyof Verdict, string][])("%s: %s", (promise) => {
      expect(result.verdict[promise]).toEqual([]);
    });

    test("the faults were felt", () => {
      expect(result.faults).toBeGreaterThanOrEqual(scale.faults);
      expect(result.inFlight).toBeGreaterThan(0);
    });
  });
}
