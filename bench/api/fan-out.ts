// A thousand subscribers who are told of each message that was sent: how many are told in a second, and the memory that it takes.

import { fork } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { endPeer } from "../dispatch/peers.ts";
import { type BenchPostgres, connect } from "../dispatch/postgres.ts";
import { cpuOf, cpuOfFamily, memoryOf, peakMemoryOf } from "../dispatch/processes.ts";
import type { Server } from "../dispatch/rentak.ts";
import { table, whole } from "../dispatch/table.ts";
import { holdToOneCore } from "./core.ts";
import { tellOfSent } from "./events.ts";
import { ask, startRentak } from "./rentak.ts";
import type { Heard, SubscribersOrder } from "./subscribers.ts";

const SUBSCRIBERS = join(import.meta.dirname, "subscribers.ts");

/** A token may have no more. */
const PER_TOKEN = 100;
/** Events of one transaction. */
const BATCH = 20;
/** So many are written ahead of the subscriber who is told last. */
const AHEAD = 100;
const WARM_UP_EVENTS = 100;
const PATIENCE_MS = 60_000;

const SHAPES: Readonly<Record<string, string>> = {
  "the event alone": "subscription { flowSent { cursor type at } }",
  "with its flow and device": "subscription { flowSent { cursor at flow { id status text device { id name } } } }",
};

export type FanOutOptions = {
  readonly postgres: BenchPostgres;
  readonly databaseUrl: string;
  readonly subscribers: number;
  readonly seconds: number;
  readonly nodeArguments: readonly string[];
};

/** Returns the table. */
export async function fanOut(options: FanOutOptions): Promise<string> {
  const rows: string[][] = [];
  for (const [shape, query] of Object.entries(SHAPES)) rows.push([shape, ...(await measureShape(options, query))]);
  return table(["each is told", "deliveries/s", "bytes of one", "failed", "CPU µs of one: server + Postgres", "memory, MB: subscribed", "after it", "most"], rows);
}

async function measureShape({ postgres, databaseUrl, subscribers, seconds, nodeArguments }: FanOutOptions, query: string): Promise<string[]> {
  const server = await startRentak(databaseUrl, nodeArguments);
  const client = await connect(databaseUrl);
  const crowd = startCrowd();
  try {
    holdToOneCore(server.pid);
    const secrets = await createTokens(server, Math.ceil(subscribers / PER_TOKEN));
    const authorizations = Array.from({ length: subscribers }, (_, index) => `Bearer ${secrets[Math.floor(index / PER_TOKEN)]}`);
    crowd.begin({ url: `${server.url.replace("http", "ws")}/graphql`, authorizations, query });
    await until(async () => crowd.heard() !== undefined);
    await untilAllHear(client, crowd, subscribers);
    const subscribedMb = await memoryOf(server.pid);

    let told = 0;
    /** Keeps the server busy until `isOver`, and waits for the last delivery. Every subscriber must be told of every event. */
    const tell = async (isOver: (events: number) => boolean) => {
      const before = crowd.deliveries();
      let events = 0;
      while (!isOver(events)) {
        if (events - (crowd.deliveries() - before) / subscribers > AHEAD) {
          await delay(1);
          continue;
        }
        await tellOfSent(client, (told += BATCH) % 50_000, BATCH);
        events += BATCH;
      }
      await until(async () => crowd.deliveries() - before >= events * subscribers);
      return events * subscribers;
    };

    await tell((events) => events >= WARM_UP_EVENTS);
    const used = async () => ({ at: performance.now(), bytes: crowd.heard()?.bytes ?? 0, failures: crowd.heard()?.failures ?? 0, serverUs: await cpuOf(server.pid), postgresUs: await cpuOfFamily(postgres.postmaster) });
    const before = await used();
    const deliveries = await tell(() => performance.now() - before.at >= seconds * 1000);
    const after = await used();
    const perDelivery = (key: keyof typeof before) => (after[key] - before[key]) / deliveries;
    return [
      whole((deliveries * 1000) / (after.at - before.at)),
      whole(perDelivery("bytes")),
      `${(100 * perDelivery("failures")).toFixed(0)} %`,
      `${perDelivery("serverUs").toFixed(1)} + ${perDelivery("postgresUs").toFixed(1)}`,
      whole(subscribedMb),
      whole(await memoryOf(server.pid)),
      whole(await peakMemoryOf(server.pid)),
    ];
  } finally {
    await crowd.stop();
    await client.end();
    await server.stop();
  }
}

/** Nothing tells when a subscription has begun: events are written until each subscriber has had one, and none is on its way any more. */
async function untilAllHear(client: pg.Client, crowd: Crowd, subscribers: number): Promise<void> {
  await until(async () => {
    await tellOfSent(client, 0, 1);
    await delay(200);
    return crowd.heard()?.hearing === subscribers;
  });
  for (let before = -1; before !== crowd.deliveries(); await delay(500)) before = crowd.deliveries();
}

async function createTokens(server: Server, count: number): Promise<string[]> {
  const secrets: string[] = [];
  for (let n = 1; n <= count; n++) {
    const { createApiToken } = await ask<{ createApiToken: { secret: string } }>(server, "mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) { secret } }", {
      input: { name: `Subscribers ${n}`, scopes: ["READ"] },
    });
    secrets.push(createApiToken.secret);
  }
  return secrets;
}

type Crowd = ReturnType<typeof startCrowd>;

function startCrowd() {
  const child = fork(SUBSCRIBERS);
  let heard: Heard | undefined;
  child.on("message", (message) => (heard = message as Heard));
  return {
    begin: (order: SubscribersOrder) => void child.send(order),
    heard: () => {
      if (child.exitCode !== null) throw new Error("the subscribers' process has ended");
      return heard;
    },
    deliveries: () => heard?.deliveries ?? 0,
    stop: () => endPeer(child),
  };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const since = performance.now(); !(await isSo()); await delay(20)) {
    if (performance.now() - since > PATIENCE_MS) throw new Error(`not every subscriber was told within ${PATIENCE_MS / 1000} seconds`);
  }
}
