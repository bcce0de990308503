// The rows that a run starts from: linked devices with their credentials, a sequence, and leads that wait for its first message until they are let go.

import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { createPool } from "../../src/db/client.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { parseKey } from "../../src/lib/sealing.ts";
import { createAuthStore } from "../../src/transports/whatsapp/auth-store.ts";
import { openSealing } from "../../src/transports/whatsapp/encryption-key.ts";
import { connect, once } from "../dispatch/postgres.ts";
import type { BenchFake } from "./fake.ts";

export type Load = { readonly devices: number; readonly leads: number; readonly steps: number };

/** Limits and pace are out of the way: what is measured is what a message costs. */
const NO_LIMIT = 10_000_000;

const DEVICES = `
  INSERT INTO devices (name, transport, phone, hourly_limit, daily_limit, node_id)
  SELECT 'Device ' || n, 'WHATSAPP', (60110000000 + n)::text, ${NO_LIMIT}, ${NO_LIMIT}, $2::uuid FROM generate_series(1, $1::int) AS n RETURNING id, workspace_id, phone`;

const SEQUENCE = "INSERT INTO sequences (name, trigger_delay_hours, min_delay_seconds, max_delay_seconds) VALUES ('bench', 24, 0, 0)";

const STEPS = `
  INSERT INTO sequence_steps (sequence_id, day_number, trigger, next_trigger, is_entry_point, message_text)
  SELECT s.id, n, 'bench_' || n, CASE WHEN n < $1::int THEN 'bench_' || n + 1 END, n = 1, '{Hi|Hello} {{name|there}}, this is message ' || n || ' of your plan: walk a little, drink water, and sleep well.'
    FROM sequences s CROSS JOIN generate_series(1, $1::int) AS n`;

const LEADS = `
  CREATE TEMPORARY TABLE bench_flows AS
  SELECT n, uuid_v7() AS lead_id, uuid_v7() AS enrollment_id, uuid_v7() AS flow_id, s.id AS sequence_id, s.workspace_id, st.id AS step_id, lane_of(s.id, 'Asia/Kuala_Lumpur') AS lane_id
    FROM sequences s JOIN sequence_steps st ON st.sequence_id = s.id AND st.is_entry_point CROSS JOIN generate_series(1, $1::int) AS n`;

const FILL = [
  "SET session_replication_role = replica", // their words have been looked at: no trigger queues them
  "INSERT INTO leads (id, phone, name, trigger, time_zone) SELECT lead_id, (60120000000 + n)::text, 'Lead ' || n, 'bench_1', 'Asia/Kuala_Lumpur' FROM bench_flows ORDER BY n",
  `INSERT INTO enrollments (id, workspace_id, lead_id, sequence_id, trigger, current_flow_id)
   SELECT enrollment_id, workspace_id, lead_id, sequence_id, 'bench_1', flow_id FROM bench_flows ORDER BY n`,
  `INSERT INTO flows (id, workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, due_at)
   SELECT flow_id, workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, now() + interval '1 day' FROM bench_flows ORDER BY n`,
  "INSERT INTO sequence_counts (sequence_id, workspace_id, enrolled, active) SELECT sequence_id, workspace_id, count(*), count(*) FROM bench_flows GROUP BY sequence_id, workspace_id",
  "RESET session_replication_role",
];

/** With a server running: it reviews what SQL has written. */
export async function addSequence(url: string, { steps }: Load): Promise<void> {
  await once(url, SEQUENCE);
  await once(url, STEPS, [steps]);
  await once(url, "UPDATE sequences SET is_active = true");
  while ((await once(url, "SELECT FROM sequences WHERE NOT is_sound")).length > 0) await delay(20);
}

/** With none running. */
export async function addRows(url: string, { devices, leads }: Load, fake: BenchFake): Promise<void> {
  const client = await connect(url);
  try {
    await addDevices(url, client, devices, fake);
    await client.query(LEADS, [leads]);
    for (const statement of FILL) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Their credentials go in as those of paired devices do: by the product's own store, as the node that holds them. */
async function addDevices(url: string, client: pg.Client, count: number, fake: BenchFake): Promise<void> {
  const nodeId = randomUUID();
  await client.query("INSERT INTO nodes (id, name) VALUES ($1, 'bench')", [nodeId]);
  const { rows } = await client.query<{ id: string; workspace_id: string; phone: string }>(DEVICES, [count, nodeId]);
  const pool = createPool(url, { max: 4, idle: 4, lifetimeSeconds: 0, onError: () => {} });
  try {
    const key = parseKey(process.env["RENTAK_ENCRYPTION_KEY"] ?? "");
    if (key === undefined) throw new Error("RENTAK_ENCRYPTION_KEY is not set");
    const store = createAuthStore({ pool, clock: systemClock, ...(await openSealing(pool, { keys: [key], origin: "the bench" })) });
    const written: Promise<void>[] = [];
    for (const { id, workspace_id, phone } of rows) {
      const { creds, preKeys } = await fake.link(phone);
      const auth = store.open({ deviceId: id, workspaceId: workspace_id, nodeId });
      written.push(auth.creds.save(creds), auth.keys.set({ "pre-key": preKeys }));
    }
    await Promise.all(written);
  } finally {
    await pool.end();
  }
  await client.query("UPDATE devices SET node_id = NULL");
  await client.query("DELETE FROM nodes");
}
