// The whole of a large campaign, by the API's word, the rows' and the wire's.

import { tmpdir } from "node:os";
import { join } from "node:path";
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { transaction } from "../../src/db/transaction.ts";
import { createBell } from "../../src/events/bell.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { createSimulator } from "../../src/transports/simulator.ts";
import { SEND_DEADLINE_MS } from "../../src/transports/transport.ts";
import { campaignCalls, launched } from "../support/campaigns.ts";
import { eventually } from "../support/eventually.ts";
import { one, query } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { readWitness } from "../support/witness.ts";

const LEADS = 100_000;
const DEVICES = 300;
const OPT_OUT_BATCH = 2500;

const bell = createBell();
const logFile = join(tmpdir(), `rentak-campaign-${crypto.randomUUID()}.log`);
let server: TestServer;
let node: TestNode;
let calls: ReturnType<typeof campaignCalls>;

beforeAll(async () => {
  server = await testServer({ bell });
  calls = campaignCalls(server);
  await server.database.pool.query("INSERT INTO leads (phone, name) SELECT (60120000000 + n)::text, 'Lead ' || n FROM generate_series(1, $1::int) AS n", [LEADS]);
  for (let n = 0; n < DEVICES; n++) {
    const input = { name: `Device ${n}`, transport: "SIMULATOR", hourlyLimit: 100_000, dailyLimit: 100_000, simulatedLatencyMs: 0 };
    await calls.ask("mutation($input: CreateDeviceInput!) { createDevice(input: $input) { userErrors { message } } }", { input });
  }
  node = await startTestNode({ pool: server.database.pool, bell, transport: createSimulator({ clock: systemClock, logFile }) });
});
afterAll(async () => {
  await node.stop();
  await server.stop();
  await rm(logFile, { force: true });
});

const sent = async (id: string): Promise<number> => (await calls.read(id)).progress.sent;

/** Ends when the node has gone on for some beats: a sign that it had the time to send. */
async function beats(count: number): Promise<void> {
  const beat = async () => (await one<{ beat: number }>(server.database.pool, "SELECT beat FROM nodes")).beat;
  const from = await beat();
  await eventually(async () => (await beat()) >= from + count, "the node beats on", 30_000);
}

test(
  "a campaign to 100,000 leads over 300 simulated devices is paused, resumed, half of them opted out in the middle, and ends with every lead accounted for once",
  async () => {
    const { pool } = server.database;
    const id = await launched(calls);
    await eventually(async () => (await sent(id)) > LEADS / 10, "a tenth is sent", 60_000);

    expect(await calls.pause(id)).toMatchObject({ campaign: { status: "PAUSED" }, userErrors: [] });
    await eventually(async () => (await query(pool, "SELECT FROM flows WHERE status = 'PROCESSING' LIMIT 1")).length === 0, "what was on its way has ended", 30_000);
    const before = (await readWitness(logFile)).length;
    await beats(2);
    expect((await readWitness(logFile)).length).toBe(before);
    expect(await one(pool, "SELECT count(*)::int < 30000 AS few FROM flows WHERE queued")).toEqual({ few: true });

    await calls.resume(id);
    await eventually(async () => (await sent(id)) > LEADS / 5, "a fifth is sent", 60_000);
    const optedOut = (await query<{ id: string }>(pool, "SELECT id FROM leads WHERE phone::bigint % 2 = 0 ORDER BY id")).map((row) => row.id);
    for (let start = 0; start < optedOut.length; start += OPT_OUT_BATCH) {
      await transaction(pool, (client) => client.query("UPDATE leads SET opted_out_at = clock_timestamp() WHERE id = ANY ($1::uuid[])", [optedOut.slice(start, start + OPT_OUT_BATCH)]), { isPatient: true });
    }

    await eventually(async () => (await calls.read(id)).status === "COMPLETED", "it is complete", 180_000);
    const { progress } = await calls.read(id);
    expect(progress).toMatchObject({ total: LEADS, waiting: 0, failed: 0, cancelled: 0, percent: 100 });
    expect(progress.sent + progress.skipped).toBe(LEADS);
    expect(progress.skipped).toBeGreaterThan(LEADS / 4);

    // Each lead once, in the rows …
    expect(await one(pool, "SELECT count(DISTINCT lead_id)::int AS leads, count(*)::int AS flows, count(*) FILTER (WHERE status = 'SENT')::int AS sent, count(*) FILTER (WHERE skip_reason = 'OPTED_OUT')::int AS skipped FROM flows")).toEqual({
      leads: LEADS,
      flows: LEADS,
      sent: progress.sent,
      skipped: progress.skipped,
    });
    // … and on the wire; and nobody after the opt-out.
    const wire = await readWitness(logFile);
    expect([wire.length, new Set(wire.map(({ phone }) => phone)).size]).toEqual([progress.sent, progress.sent]);
    const leftAt = new Map((await query<{ phone: string; at: Date }>(pool, "SELECT phone, opted_out_at AS at FROM leads WHERE opted_out_at IS NOT NULL")).map(({ phone, at }) => [phone, at.getTime()]));
    expect(wire.filter(({ phone, at }) => Date.parse(at) > (leftAt.get(phone) ?? Infinity) + SEND_DEADLINE_MS)).toEqual([]);
    expect(await query(pool, "SELECT FROM flows f JOIN leads l ON l.id = f.lead_id WHERE f.attempted_at > l.opted_out_at + interval '2 seconds'")).toEqual([]);
  },
  300_000,
);
