// How fast the API answers, beside other servers of GraphQL on the same tables, and how many are told at once of what happens:
// npm run bench -- api [options]; docs/performance.md tells of each option.

import { parseArgs } from "node:util";
import { contest } from "./api/contest.ts";
import { ENTRANT_NAMES } from "./api/entrants.ts";
import { fanOut } from "./api/fan-out.ts";
import { apiTemplate } from "./api/rows.ts";
import { installPeers } from "./dispatch/peers.ts";
import { startBenchPostgres } from "./dispatch/postgres.ts";
import { OperatorError } from "../src/lib/errors.ts";

const FAN_OUT = "fan-out";

const OPTIONS = {
  rounds: { type: "string", default: "3" },
  seconds: { type: "string", default: "5" },
  only: { type: "string", default: [...ENTRANT_NAMES, FAN_OUT].join(",") },
  subscribers: { type: "string", default: "1000" },
  leads: { type: "string", default: "100000" },
  devices: { type: "string", default: "100" },
  "cpu-prof": { type: "string" },
} as const;

const say = (line: string) => console.log(line);

export async function benchApi(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const [rounds, seconds, leads, devices, subscribers] = [count(values.rounds), count(values.seconds), count(values.leads), count(values.devices), count(values.subscribers)];
  const only = values.only.split(",");
  const unknown = only.filter((name) => name !== FAN_OUT && !ENTRANT_NAMES.includes(name));
  if (unknown.length > 0) throw new OperatorError(`${unknown.join(", ")}: nobody of that name; there are ${[...ENTRANT_NAMES, FAN_OUT].join(", ")}`);
  const names = ENTRANT_NAMES.filter((name) => only.includes(name));
  const profileDir = values["cpu-prof"];
  const nodeArguments = profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profileDir];
  if (names.length > 0) installPeers(say);

  const postgres = await startBenchPostgres(say);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void postgres.stop()); // what runs fails, and clears up behind itself
  try {
    say(`Postgres ${postgres.version}, Node ${process.versions.node}`);
    const template = await apiTemplate(postgres, leads, devices);
    await postgres.withCopy(template, async (databaseUrl) => {
      if (names.length > 0) say(await contest({ postgres, databaseUrl, names, rounds, seconds, nodeArguments, say }));
      if (only.includes(FAN_OUT)) say(await fanOut({ postgres, databaseUrl, subscribers, seconds, nodeArguments }));
    });
  } finally {
    await postgres.stop();
  }
}

function count(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new OperatorError(`"${text}" is no count`);
  return Number(text);
}
