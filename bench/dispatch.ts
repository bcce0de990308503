// How fast flows are dispatched, by Rentak and by its peers: npm run bench -- dispatch [options]; docs/performance.md tells of each option.

import { parseArgs } from "node:util";
import { contest, ENTRANT_NAMES } from "./dispatch/contest.ts";
import { enrolWhileSending } from "./dispatch/enrolment.ts";
import { installPeers } from "./dispatch/peers.ts";
import { startBenchPostgres } from "./dispatch/postgres.ts";
import { BrokenPromise } from "./dispatch/rentak-checks.ts";
import { overSizes } from "./dispatch/sizes.ts";
import { OperatorError } from "../src/lib/errors.ts";

const OPTIONS = {
  rounds: { type: "string", default: "3" },
  flows: { type: "string", default: "200000" },
  seconds: { type: "string", default: "12" },
  only: { type: "string", default: ENTRANT_NAMES.join(",") },
  sizes: { type: "string" },
  enroll: { type: "string" },
  devices: { type: "string", default: "3000" },
  sequences: { type: "string", default: "100" },
  zones: { type: "string", default: "12" },
  "cpu-prof": { type: "string" },
  statements: { type: "boolean", default: false },
} as const;

/** Even the slowest machine has enrolled them by then. */
const ENROL_SECONDS = 1800;

const say = (line: string) => console.log(line);

/** Where a run of Rentak breaks a promise, nothing counts: the process ends with exit code 1. */
export async function benchDispatch(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const [rounds, seconds] = [count(values.rounds), count(values.seconds)];
  const only = values.only.split(",");
  const unknown = only.filter((name) => !ENTRANT_NAMES.includes(name));
  if (unknown.length > 0) throw new OperatorError(`${unknown.join(", ")}: nobody of that name; there are ${ENTRANT_NAMES.join(", ")}`);
  const load = {
    flows: count(values.flows),
    devices: count(values.devices),
    sequences: count(values.sequences),
    zones: count(values.zones),
    toEnrol: values.enroll === undefined ? 0 : count(values.enroll),
  };
  const sizes = values.sizes?.split(",").map(count);
  const profileDir = values["cpu-prof"];
  const nodeArguments = profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profileDir];
  const isContest = sizes === undefined && values.enroll === undefined;
  if (isContest && only.some((name) => name !== "rentak")) installPeers(say);

  const postgres = await startBenchPostgres(say);
  let isInterrupted = false;
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      isInterrupted = true;
      void postgres.stop(); // makes whatever runs fail, which then clears up behind itself
    });
  }
  try {
    say(`Postgres ${postgres.version}, Node ${process.versions.node}`);
    if (isContest) say(await contest({ postgres, load, seconds, rounds, only, nodeArguments, statements: values.statements, say }));
    if (sizes) say(await overSizes({ postgres, load: { ...load, toEnrol: 0 }, sizes, seconds, rounds, say }));
    if (values.enroll !== undefined) say(await enrolWhileSending(postgres, load, ENROL_SECONDS, say));
  } catch (error) {
    if (isInterrupted) console.error("Interrupted.");
    else if (error instanceof BrokenPromise) console.error(`This run is void. ${error.message}`);
    else throw error;
    process.exitCode = 1;
  } finally {
    await postgres.stop();
  }
}

function count(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new OperatorError(`"${text}" is no count`);
  return Number(text);
}
