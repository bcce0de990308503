// One run: a server is asked again and again, and what it and Postgres have used meanwhile.

import { once as event } from "node:events";
import { endPeer, spawnPeer } from "../dispatch/peers.ts";
import { cpuOf, cpuOfFamily, cpuOfMachine, memoryOf } from "../dispatch/processes.ts";
import { bodyOf } from "./answer.ts";
import type { Entrant } from "./entrants.ts";
import type { Loaded, LoadOrder } from "./order.ts";

const CONNECTIONS = 10;
/** Caches, plans and just-in-time compilation are left out of the figures: so many requests, since in so many seconds a busy machine compiles little. */
const WARM_UP_REQUESTS = 1500;

export type Figures = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of a request in µs. */
  readonly serverUs: number;
  readonly postgresUs: number;
  readonly memoryMb: number;
  /** The share of the machine that went to what is not measured; the load's own process has the most of it. */
  readonly othersPercent: number;
};

export async function measure(entrant: Entrant, answer: string, seconds: number, postmaster: number): Promise<Figures> {
  const order: LoadOrder = { url: entrant.url, headers: entrant.headers, body: bodyOf(entrant), answer, connections: CONNECTIONS, warmUpRequests: WARM_UP_REQUESTS, seconds };
  const child = spawnPeer("load.ts");
  const message = async (): Promise<unknown> => {
    const failure = event(child, "exit").then(([code]) => Promise.reject(new Error(`the load has ended with exit code ${code}`)));
    return (await Promise.race([event(child, "message"), failure]))[0];
  };
  const used = async () => ({ serverUs: await cpuOf(entrant.pid), postgresUs: await cpuOfFamily(postmaster), ...(await cpuOfMachine()) });
  try {
    child.send(order);
    await message();
    const before = await used();
    const { requests, seconds: lasted, p50Ms, p99Ms } = (await message()) as Loaded;
    const after = await used();
    const grown = (key: keyof typeof before) => after[key] - before[key];
    return {
      perSecond: requests / lasted,
      p50Ms,
      p99Ms,
      serverUs: grown("serverUs") / requests,
      postgresUs: grown("postgresUs") / requests,
      memoryMb: await memoryOf(entrant.pid),
      othersPercent: ((grown("usedUs") - grown("serverUs") - grown("postgresUs")) / grown("totalUs")) * 100,
    };
  } finally {
    await endPeer(child);
  }
}
