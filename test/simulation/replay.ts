// What is told of a run that failed: enough to see it, and to run it again.

import type { Run } from "./run.ts";

const SHOWN = 120;

export const failureOf = ({ seed, problem, lastEvents }: Run): string =>
  [
    `Seed ${seed}: ${problem}`,
    `Again: npm run simulate -- --seed ${seed}`,
    `The last of what happened before:`,
    ...lastEvents.slice(-SHOWN).map((line) => (line.length > 240 ? `${line.slice(0, 240)}…` : line)),
  ].join("\n");
