// A subscriber that comes back, to whichever node, goes on where it was: a thousand times, while events are written, and Redis is emptied, hangs, dies and comes back.

import { afterAll, beforeAll, expect, test } from "vitest";
import { createSharedRequestLimit } from "../../src/cache/request-limit.ts";
import { type Bell, createBell } from "../../src/events/bell.ts";
import { createSharedBell } from "../../src/events/shared-bell.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { startEventLog } from "../support/event-log.ts";
import type { TestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addLeads, addWorkspace, one } from "../support/factories.ts";
import { connectedRedis } from "../support/redis.ts";
import { noRedis, type RedisServer, startRedisServer } from "../support/redis-server.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

const SUBSCRIBERS = 20;
const RECONNECTS = 1000;
const LEADS = 40;

const nodes: TestServer[] = [];
const stops: (() => Promise<void>)[] = [];
let workspaceId: string;
let leads: string[];

let redis: RedisServer | undefined;
const bells: Bell[] = [];

/** A process of its own as far as events go: with its own reader of the log, and a bell that the other hears through Redis; where none is installed, not at all. */
async function startNode(database?: TestDatabase): Promise<TestServer> {
  const connected = redis && (await connectedRedis(redis.url, "test")).redis;
  if (connected) stops.push(connected.stop);
  const bell = connected ? createSharedBell(connected, systemClock) : createBell();
  bells.push(bell);
  return testServer(
    async ({ pool }) => {
      const log = await startEventLog(pool, bell);
      stops.push(log.tailer.stop);
      return log;
    },
    systemClock,
    { ...(database && { database }), ...(connected && { limit: createSharedRequestLimit(connected, systemClock, 1_000_000) }) },
  );
}

beforeAll(async () => {
  if (!noRedis) redis = await startRedisServer();
  const first = await startNode();
  nodes.push(first, await startNode(first.database));
  workspaceId = await addWorkspace(first.database.pool);
  leads = await addLeads(first.database.pool, workspaceId, LEADS);
});
afterAll(async () => {
  await Promise.all(stops.map((stop) => stop()));
  for (const node of nodes.toReversed()) await node.stop();
  await redis?.stop();
});

/** Somebody opts out, and in again, and so on, in transactions that overlap and some of which stay open for longer; until `isOver`. */
async function writeUntil(isOver: () => boolean): Promise<number> {
  const pool = nodes[0]?.database.pool;
  if (!pool) throw new Error("no node");
  let written = 0;
  const write = async (lead: string, heldMs: number) => {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      await client.query("UPDATE leads SET opted_out_at = CASE WHEN opted_out_at IS NULL THEN now() END WHERE id = $1", [lead]);
      await client.query("SELECT pg_sleep($1)", [heldMs / 1000]);
      await client.query("COMMIT");
      written += 1;
      bells[written % bells.length]?.ring("events");
    } finally {
      client.release();
    }
  };
  const writer = async (own: readonly string[], heldMs: number) => {
    while (!isOver()) for (const lead of own) await write(lead, heldMs);
  };
  await Promise.all([writer(leads.slice(0, 20), 2), writer(leads.slice(20, 30), 0), writer(leads.slice(30), 150)]);
  return written;
}

/** Each fault when so many have come back. */
async function faultsOfRedis(server: RedisServer, reconnects: () => number): Promise<void> {
  const after = (share: number) => eventually(() => reconnects() >= share * RECONNECTS, "more have come back", 400_000);
  await after(0.2);
  await server.flush();
  await after(0.3);
  server.suspend();
  await after(0.5);
  server.resume();
  await after(0.6);
  await server.kill();
  await after(0.8);
  await server.start();
}

const QUERY = "subscription ($after: Cursor) { leadEvents(after: $after) { cursor optedOut lead { id } } }";

test("of a thousand reconnects over two nodes, while events are written, none misses one, and none hears of one out of turn", { timeout: 400_000 }, async () => {
  const secrets = await Promise.all(nodes.map((node) => node.tokenFor(["READ"], workspaceId)));
  let reconnects = 0;
  let isWritten = false;
  const faults = redis ? faultsOfRedis(redis, () => reconnects) : Promise.resolve();
  faults.catch(() => {}); // reported below
  const begin = (await nodes[0]?.query("{ eventCursor }", {}, secrets[0]))?.data.eventCursor as string;
  const writing = writeUntil(() => reconnects >= RECONNECTS).then(async (count) => {
    isWritten = true;
    // One more, so that who has heard all by now hears that it was all.
    const [last] = await addLeads(nodes[0]?.database.pool as never, workspaceId, 1);
    await nodes[0]?.database.pool.query("UPDATE leads SET opted_out_at = now() WHERE id = $1", [last]);
    return count + 1;
  });

  const subscriber = async (index: number): Promise<Map<string, Loose>> => {
    const heard = new Map<string, Loose>();
    let after = begin;
    // In order: as it first hears of them.
    for (let turn = index; ; turn++) {
      const node = nodes[turn % nodes.length] as TestServer;
      const client = node.webSocket(secrets[turn % nodes.length]);
      const wanted = 1 + (turn % 7);
      let got = 0;
      for await (const { data, errors } of client.iterate<Loose>({ query: QUERY, variables: { after } })) {
        if (errors) throw new Error(JSON.stringify(errors));
        const event = data.leadEvents;
        after = event.cursor;
        heard.set(after, event);
        // Leaves in the middle of whatever it is being told, until all is written and heard.
        if (++got >= wanted && !isWritten) break;
        if (isWritten && heard.size >= (await total())) return heard;
      }
      await client.dispose();
      reconnects += 1;
    }
  };
  const total = async () => (await one<{ count: number }>(nodes[0]?.database.pool as never, "SELECT count(*)::int AS count FROM events WHERE workspace_id = $1 AND type = 'LEAD'", [workspaceId])).count;
  const all = await Promise.all(Array.from({ length: SUBSCRIBERS }, (_, index) => subscriber(index)));
  const written = await writing;
  await faults;
  expect(reconnects).toBeGreaterThanOrEqual(RECONNECTS);
  expect(written).toBeGreaterThan(200);
  await eventually(async () => (await total()) === written, "all are in the log");
  for (const heard of all) {
    expect(heard.size).toBe(written);
    // Of each lead: out, in, out, in, as it was written.
    for (const lead of leads) {
      const ofLead = [...heard.values()].filter((event) => event.lead.id === `Lead:${lead}`).map(({ optedOut }) => optedOut);
      expect(ofLead).toEqual(ofLead.map((_, turn) => turn % 2 === 0));
    }
  }
});
