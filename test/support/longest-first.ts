// The order of the test files: those that take long begin first, and next to one that computes one that waits. Begun last, a file of a minute
// was all that ran for that minute.

import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const LONG = [
  "test/readme/readme.test.ts",
  "test/faults/demo-killed.test.ts",
  "test/simulation/seeds-1.test.ts",
  "test/simulation/seeds-2.test.ts",
  "test/whatsapp/two-nodes.test.ts",
  "test/faults/kills.test.ts",
  "test/integration/nodes.test.ts",
  "test/faults/outages.test.ts",
  "test/faults/whatsapp-sends.test.ts",
  "test/simulation/simulate-sequence.test.ts",
  "test/simulation/months.test.ts",
  "test/integration/campaign-at-scale.test.ts",
  "test/simulation/campaign-estimate.test.ts",
  "test/faults/whatsapp-replies.test.ts",
  "test/api/variants.test.ts",
  "test/faults/start.test.ts",
  "test/simulation/broken.test.ts",
  "test/whatsapp/secrets.test.ts",
  "test/api/campaigns.test.ts",
  "test/integration/review.test.ts",
  "test/integration/restricted.test.ts",
  "test/integration/limits.test.ts",
  "test/integration/embedded.test.ts",
  "test/faults/import-killed.test.ts",
  "test/simulation/broken-limits.test.ts",
  "test/api/refusals.test.ts",
  "test/api/simulate.test.ts",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification) => {
      const place = LONG.indexOf(relative(this.ctx.config.root, moduleId).replaceAll("\\", "/"));
      return place < 0 ? LONG.length : place;
    };
    return (await super.sort(files)).toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}
