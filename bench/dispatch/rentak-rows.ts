// The rows that Rentak starts from: devices, sequences of two steps, and leads that wait for the first one. Written set by set, as the
// enroller would have left them; nothing else of the bench knows the tables, but for rentak-checks.ts.

import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { connect } from "./postgres.ts";

export type Load = {
  readonly flows: number;
  readonly devices: number;
  readonly sequences: number;
  readonly zones: number;
  /** Leads that carry a trigger which has not been looked at yet. */
  readonly toEnrol: number;
};

/** One device in ten has a limit that it reaches, so that there is something to exceed. */
const SMALL_LIMIT = 25;
const NO_LIMIT = 10_000_000;
/** What was not made during the run says so by its age. */
export const LOADED_AT = "2020-01-01T00:00:00Z";

const DEVICES = `
  INSERT INTO devices (name, transport, hourly_limit, daily_limit, simulated_latency_ms)
  SELECT 'Device ' || n, 'SIMULATOR', CASE n % 10 WHEN 0 THEN ${SMALL_LIMIT} ELSE ${NO_LIMIT} END, ${NO_LIMIT}, 0 FROM generate_series(1, $1::int) AS n`;

const SEQUENCES = `
  WITH made AS (
    INSERT INTO sequences (name, trigger_delay_hours, min_delay_seconds, max_delay_seconds) SELECT 'bench_' || n, 24, 0, 0 FROM generate_series(1, $1::int) AS n RETURNING id, name)
  INSERT INTO sequence_steps (sequence_id, day_number, trigger, next_trigger, is_entry_point, message_text)
  SELECT id, day, name || '_' || day, CASE day WHEN 1 THEN name || '_2' END, day = 1, '{Hi|Hello} {{name|there}}, this is day ' || day || ' of your plan.' FROM made CROSS JOIN generate_series(1, 2) AS day`;

const LANES = `
  CREATE TEMPORARY TABLE bench_lanes AS
  SELECT row_number() OVER (ORDER BY z.name, st.trigger) - 1 AS place, st.sequence_id, st.id AS step_id, st.trigger, z.name AS time_zone, lane_of(st.sequence_id, z.name) AS lane_id
    FROM sequence_steps st CROSS JOIN (SELECT name FROM pg_timezone_names WHERE name ~ '^(Asia|Europe)/[A-Z]' ORDER BY name LIMIT $1) AS z WHERE st.is_entry_point`;

/** Due one millisecond after the other, the last one now; neighbours in time lie in different lanes. */
const FLOWS = `
  CREATE TEMPORARY TABLE bench_flows AS
  SELECT n, uuid_v7() AS lead_id, uuid_v7() AS enrollment_id, uuid_v7() AS flow_id, l.*
    FROM generate_series(1, $1::int) AS n JOIN bench_lanes l ON l.place = n % (SELECT count(*) FROM bench_lanes)`;

const LEADS = "INSERT INTO leads (id, phone, name, trigger, time_zone) SELECT lead_id, (60110000000 + n)::text, 'Lead ' || n, trigger, time_zone FROM bench_flows ORDER BY n";

const ENROLLMENTS = `
  INSERT INTO enrollments (id, workspace_id, lead_id, sequence_id, trigger, current_flow_id)
  SELECT b.enrollment_id, l.workspace_id, b.lead_id, b.sequence_id, b.trigger, b.flow_id FROM bench_flows b JOIN leads l ON l.id = b.lead_id ORDER BY b.n`;

const WAITING = `
  INSERT INTO flows (id, workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, due_at, created_at)
  SELECT b.flow_id, l.workspace_id, b.lane_id, b.lead_id, b.enrollment_id, b.sequence_id, b.step_id, now() - ($1::int - b.n) * interval '1 millisecond', '${LOADED_AT}'
    FROM bench_flows b JOIN leads l ON l.id = b.lead_id ORDER BY b.n`;

const COUNTS = `
  INSERT INTO sequence_counts (sequence_id, workspace_id, enrolled, active)
  SELECT s.id, s.workspace_id, count(*), count(*) FROM bench_flows b JOIN sequences s ON s.id = b.sequence_id GROUP BY s.id`;

/** With triggers on: these words are queued. */
const TO_ENROL = `
  INSERT INTO leads (phone, name, trigger, time_zone)
  SELECT (60210000000 + n)::text, 'Late ' || n, l.trigger, l.time_zone FROM generate_series(1, $1::int) AS n JOIN bench_lanes l ON l.place = n % (SELECT count(*) FROM bench_lanes)`;

/** Sequences that a running server has made ready: it reviews what SQL has written. */
export async function addSequences(url: string, { sequences }: Load): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(SEQUENCES, [sequences]);
    await client.query("UPDATE sequences SET is_active = true");
    while ((await client.query("SELECT FROM workspaces WHERE graph_revision <> reviewed_revision UNION ALL SELECT FROM sequences WHERE NOT is_sound")).rowCount !== 0) await delay(20);
  });
}

/** Made again once the rows are in, which takes 0.6 of the time. */
const INDEXES = `
  SELECT i.indexrelid::regclass::text AS name, replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') AS definition
    FROM pg_index i WHERE i.indrelid IN ('leads'::regclass, 'enrollments'::regclass, 'flows'::regclass) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)`;

/** The rest, with no server running. */
export async function addRows(url: string, { flows, devices, zones, toEnrol }: Load): Promise<void> {
  await withClient(url, async (client) => {
    await client.query("SET maintenance_work_mem = '512MB'");
    await client.query(DEVICES, [devices]);
    await client.query(LANES, [zones]);
    await client.query(FLOWS, [flows]);
    await client.query("SET session_replication_role = replica"); // their words have been looked at: no trigger queues them
    const { rows: indexes } = await client.query<{ name: string; definition: string }>(INDEXES);
    for (const { name } of indexes) await client.query(`DROP INDEX ${name}`);
    await client.query(LEADS);
    await client.query(ENROLLMENTS);
    await client.query(WAITING, [flows]);
    for (const { definition } of indexes) await client.query(definition);
    await client.query(COUNTS);
    await client.query("RESET session_replication_role");
    if (toEnrol > 0) await client.query(TO_ENROL, [toEnrol]);
  });
}

export const ENROLLED = "SELECT (coalesce((SELECT sum(enrolled) FROM sequence_counts), 0) + coalesce((SELECT sum(enrolled) FROM sequence_count_deltas), 0))::int AS enrolled";

/** How many flows are sent, as the counts have it: what was folded, and what was not yet. */
export const SENT = "SELECT (coalesce((SELECT sum(sent) FROM sequence_counts), 0) + coalesce((SELECT sum(sent) FROM sequence_count_deltas), 0))::int AS sent";

async function withClient(url: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = await connect(url);
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
