// How fast the API answers, beside other servers of GraphQL on the same tables, and how many are told at once of what happens:
// npm run bench -- api [options]; docs/performance.md tells of each option.

import { parseArgs } from "node:util";
import { contest } from "./api/contest.ts";
import { ENTRANT_NAMES } from "./api/entrants.ts";
import { apiTemplate } from "./api/rows.ts";
import { installPeers } from "./dispatch/peers.ts";
import { startBenchPostgres } from "./dispatch/postgres.ts";
import { OperatorError } from "../src/lib/errors.ts";

const OPTIONS = {
  rounds: { type: "string", default: "3" },
  seconds: { type: "string", default: "5" },
  only: { type: "string", default: ENTRANT_NAMES.join(",") },
  leads: { type: "string", default: "100000" },
  devices: { type: "string", default: "100" },
  "cpu-prof": { type: "string" },
} as const;

const say = (line: string) => console.log(line);

export async function benchApi(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const [rounds, seconds, leads, devices] = [count(values.rounds), count(values.seconds), count(values.leads), count(values.devices)];
  const only = values.only.split(",");
  const unknown = only.filter((name) => !ENTRANT_NAMES.includes(name));
  if (unknown.length > 0) throw new OperatorError(`${unknown.join(", ")}: nobody of that name; there are ${ENTRANT_NAMES.join(", ")}`);
  const profileDir = values["cpu-prof"];
  const nodeArguments = profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profileDir];
  installPeers(say);

  const postgres = await startBenchPostgres(say);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void postgres.stop()); // what runs fails, and clears up behind itself
  try {
    say(`Postgres ${postgres.version}, Node ${process.versions.node}`);
    const template = await apiTemplate(postgres, leads, devices);
    say(await postgres.withCopy(template, (databaseUrl) => contest({ postgres, databaseUrl, names: ENTRANT_NAMES.filter((name) => only.includes(name)), rounds, seconds, nodeArguments, say })));
  } finally {
    await postgres.stop();
  }
}

function count(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new OperatorError(`"${text}" is no count`);
  return Number(text);
}
