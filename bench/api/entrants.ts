// Those that answer, each in a process of its own.

import { once as event } from "node:events";
import { endPeer, spawnPeer } from "../dispatch/peers.ts";
import { AUTHORIZATION, startRentak } from "./rentak.ts";

export type Entrant = {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: string;
  readonly stop: () => Promise<void>;
};

const QUERY = "query Newest($first: Int!) { flows(first: $first) { nodes { id text status device { id name } } } }";
/** There, `id` is Relay's. */
const POSTGRAPHILE_QUERY = "query Newest($first: Int!) { flows: allFlows(first: $first, orderBy: ROW_ID_DESC) { nodes { id: rowId text status device { id: rowId name } } } }";

type Start = (databaseUrl: string, nodeArguments: readonly string[]) => Promise<Omit<Entrant, "name">>;

const ENTRANTS: Readonly<Record<string, Start>> = {
  rentak: async (databaseUrl, nodeArguments) => {
    const { pid, url, stop } = await startRentak(databaseUrl, nodeArguments);
    return { pid, url: `${url}/graphql`, headers: { authorization: AUTHORIZATION }, query: QUERY, stop };
  },
  mercurius: (databaseUrl) => startPeer("mercurius.ts", [databaseUrl], QUERY),
  "mercurius-jit": (databaseUrl) => startPeer("mercurius.ts", [databaseUrl, "jit"], QUERY),
  apollo: (databaseUrl) => startPeer("apollo.ts", [databaseUrl], QUERY),
  postgraphile: (databaseUrl) => startPeer("postgraphile.ts", [databaseUrl], POSTGRAPHILE_QUERY),
};

export const ENTRANT_NAMES: readonly string[] = Object.keys(ENTRANTS);

/** Resolves once it listens. */
export async function startEntrant(name: string, databaseUrl: string, nodeArguments: readonly string[]): Promise<Entrant> {
  const start = ENTRANTS[name];
  if (!start) throw new Error(`there is no ${name}`);
  return { name, ...(await start(databaseUrl, nodeArguments)) };
}

async function startPeer(file: string, options: readonly string[], query: string): Promise<Omit<Entrant, "name">> {
  const child = spawnPeer(file, ...options);
  const [url] = await Promise.race([
    event(child, "message"),
    event(child, "exit").then(([code]) => Promise.reject(new Error(`${file} has ended with exit code ${code}`))),
  ]);
  return { pid: child.pid ?? 0, url: String(url), headers: {}, query, stop: () => endPeer(child) };
}
