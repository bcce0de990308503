// What operators know how to ask in SQL, word for word, and that it takes effect.

import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { transaction } from "../../src/db/transaction.ts";
import { pauseEnrollments } from "../../src/sequences/pause.ts";
import { accepted, attemptAll, holdLease, REFUSED, sendAll, waitingFlows } from "../support/attempts.ts";
import { expectCountsTrue } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addEnrolled, addLeads, addWorkspace, enrolAll, one, query } from "../support/factories.ts";
import { startTestNode } from "../support/node.ts";

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
});
afterAll(() => database.drop());

/** Runs a statement as psql would with `\set id …`. */
const psql = (statement: string, variables: Record<string, string> = {}) =>
  query(pool, statement.replaceAll(/(?<!:):(\w+)/g, (_, name: string) => `'${variables[name]}'`));

/** Runs it as the API does for one workspace. */
const asApi = <T>(workspaceId: string, work: (client: pg.PoolClient) => Promise<T>) =>
  transaction(pool, work, { begin: `BEGIN; SET LOCAL ROLE rentak_api; SET LOCAL app.workspace_id = '${workspaceId}'` });

const INSERT_SEQUENCE = "INSERT INTO sequences (name, trigger_prefix, is_active) VALUES ('30 Day Fitness', 'fitness_', true);";
const INSERT_STEPS = `
INSERT INTO sequence_steps (sequence_id, day_number, trigger, message_text, next_trigger, is_entry_point)
VALUES (:seq_id, 1, 'fitness_start', 'Welcome to fitness!', 'fitness_day2', true),
       (:seq_id, 2, 'fitness_day2', 'Day 2 workout', 'fitness_day3', false),
       (:seq_id, 3, 'fitness_day3', 'Keep going!', NULL, false);`;
const SET_BY_PHONE = "UPDATE leads SET trigger = 'fitness_start' WHERE phone = '60123456789';";
const SET_TWO_BY_ID = "UPDATE leads SET trigger = 'fitness_start,nutrition_start' WHERE id = :id;";
const SET_BY_NICHE = "UPDATE leads SET trigger = 'fitness_start' WHERE niche = 'fitness';";
const TOTALS = `
SELECT s.name, COUNT(*) AS total_contacts,
       SUM(CASE WHEN sc.status = 'active' THEN 1 ELSE 0 END) AS active,
       SUM(CASE WHEN sc.status = 'completed' THEN 1 ELSE 0 END) AS completed
FROM sequences s JOIN sequence_contacts sc ON sc.sequence_id = s.id GROUP BY s.name;`;
const LOAD_BALANCE = "SELECT device_id, messages_hour, messages_today, is_available FROM device_load_balance ORDER BY messages_hour ASC;";
const PROCESSING = "SELECT COUNT(*) FROM sequence_contacts WHERE processing_device_id IS NOT NULL;";
const STUCK = "SELECT * FROM sequence_contacts WHERE processing_device_id IS NOT NULL AND processing_started_at < NOW() - INTERVAL '5 minutes';";
const RETRIED = "SELECT contact_phone, retry_count, last_error FROM sequence_contacts WHERE retry_count > 0 ORDER BY retry_count DESC;";
const PERFORMANCE = "SELECT * FROM device_performance_monitor WHERE device_status = 'online' ORDER BY messages_hour DESC;";
const FAILED = "SELECT * FROM failed_flows_monitor WHERE failed_at > NOW() - INTERVAL '1 hour';";
const PROGRESS = "SELECT * FROM sequence_progress_monitor;";
const PENDING = "SELECT * FROM broadcast_messages WHERE device_id = :id AND status = 'pending' AND scheduled_at <= NOW();";

test("a sequence that is written in SQL runs: leads that get its trigger in SQL are sent its messages, and the views tell of it", async () => {
  await psql(INSERT_SEQUENCE);
  const sequence = await one<{ id: string }>(pool, "SELECT id FROM sequences WHERE name = '30 Day Fitness'");
  await psql(INSERT_STEPS, { seq_id: sequence.id });
  expect(await one(pool, "SELECT workspace_id, status, is_active, trigger FROM sequences WHERE id = $1", [sequence.id])).toEqual({
    workspace_id: DEFAULT_WORKSPACE_ID,
    status: "ACTIVE",
    is_active: true,
    trigger: "fitness_start",
  });
  await pool.query("UPDATE sequences SET trigger_delay_hours = 0, min_delay_seconds = 0, max_delay_seconds = 0");
  await pool.query("INSERT INTO leads (phone, name, niche) VALUES ('60123456789', 'Aina', NULL), ('60123456780', 'Ben', 'yoga'), ('60123456781', 'Chong', 'fitness')");
  const { id: ben } = await one<{ id: string }>(pool, "SELECT id FROM leads WHERE name = 'Ben'");
  const deviceId = await addDevice(pool, DEFAULT_WORKSPACE_ID, { name: "Office" });

  await psql(SET_BY_PHONE);
  await psql(SET_TWO_BY_ID, { id: ben });
  await psql(SET_BY_NICHE);
  const node = await startTestNode({ pool });
  await eventually(async () => (await query(pool, "SELECT FROM enrollments WHERE status = 'COMPLETED'")).length === 3, "all three have completed it");
  expect(await psql(PERFORMANCE)).toEqual([
    { device_id: deviceId, workspace_id: DEFAULT_WORKSPACE_ID, device_name: "Office", device_status: "online", messages_hour: 9, messages_today: 9, current_processing: 0, is_available: true },
  ]);
  await node.stop();

  expect(await query(pool, "SELECT name, trigger FROM leads ORDER BY name")).toEqual([
    { name: "Aina", trigger: null },
    { name: "Ben", trigger: "nutrition_start" },
    { name: "Chong", trigger: null },
  ]);
  const sent = "SELECT recipient_phone, recipient_name, content FROM broadcast_messages WHERE status = 'sent' AND recipient_name = 'Aina' ORDER BY scheduled_at, id";
  expect(await query(pool, sent)).toEqual(
    ["Welcome to fitness!", "Day 2 workout", "Keep going!"].map((content) => ({ recipient_phone: "60123456789", recipient_name: "Aina", content })),
  );
  expect(await psql(TOTALS)).toEqual([{ name: "30 Day Fitness", total_contacts: 9, active: 0, completed: 3 }]);
  expect(await psql(PROCESSING)).toEqual([{ count: 0 }]);
  expect(await psql(LOAD_BALANCE)).toEqual([{ device_id: deviceId, messages_hour: 9, messages_today: 9, is_available: false }]); // its node has stopped
  expect(await psql(PROGRESS)).toMatchObject([{ sequence_name: "30 Day Fitness", sequence_status: "active", total_contacts: 3, completed: 3, flows_sent: 9, percentage: "100.0" }]);
  expect(await psql(FAILED)).toEqual([]);
  await expectCountsTrue(pool);
}, 30_000);

test("is_active and status stand for the same, whichever of them is written", async () => {
  const { id } = await one<{ id: string }>(pool, "INSERT INTO sequences (name) VALUES ('Both') RETURNING id");
  const state = () => one(pool, "SELECT status, is_active FROM sequences WHERE id = $1", [id]);
  const set = (what: string) => pool.query(`UPDATE sequences SET ${what} WHERE id = $1`, [id]);
  expect(await state()).toEqual({ status: "DRAFT", is_active: false });
  for (const [what, status] of [["is_active = true", "ACTIVE"], ["is_active = false", "PAUSED"], ["status = 'ACTIVE'", "ACTIVE"], ["status = 'PAUSED'", "PAUSED"], ["name = 'Same'", "PAUSED"], ["status = 'ARCHIVED'", "ARCHIVED"]] as const) {
    await set(what);
    expect(await state()).toEqual({ status, is_active: status === "ACTIVE" });
  }
  await expect(set("is_active = true")).rejects.toThrow(/is archived, for good/);
});

test("sequences.trigger shows the first entry step's trigger, as the steps change", async () => {
  const { id } = await one<{ id: string }>(pool, "INSERT INTO sequences (name) VALUES ('Entry') RETURNING id");
  const shown = async () => (await one<{ trigger: string | null }>(pool, "SELECT trigger FROM sequences WHERE id = $1", [id])).trigger;
  expect(await shown()).toBeNull();
  await pool.query("INSERT INTO sequence_steps (sequence_id, day_number, trigger, message_text, is_entry_point) VALUES ($1, 2, 'entry_b', 'b', true), ($1, 1, 'entry_a', 'a', false)", [id]);
  expect(await shown()).toBe("entry_b");
  await pool.query("UPDATE sequence_steps SET is_entry_point = true WHERE trigger = 'entry_a'");
  expect(await shown()).toBe("entry_a");
  await pool.query("DELETE FROM sequence_steps WHERE trigger = 'entry_a'");
  expect(await shown()).toBe("entry_b");
});

describe("in every state of a flow", () => {
  let workspaceId: string;
  let deviceId: string;
  let sequenceId: string;
  /** Lead ids by what has become of them. */
  const leads: Record<string, string> = {};

  beforeAll(async () => {
    const lease = await holdLease(pool);
    workspaceId = await addWorkspace(pool);
    deviceId = await addDevice(pool, workspaceId, { status: "ONLINE", name: "Busy", hourlyLimit: 4 });
    const names = ["completed", "failed", "processing", "waiting", "paused", "skipped"];
    const enrolled = await addEnrolled(pool, workspaceId, { steps: [{ trigger: "v_1", text: "Hi {{name}}" }, { trigger: "v_2" }], delayHours: 0 }, 6);
    sequenceId = enrolled.sequenceId;
    for (const [index, id] of enrolled.leadIds.entries()) {
      leads[names[index] ?? ""] = id;
      await pool.query("UPDATE leads SET name = $2 WHERE id = $1", [id, names[index]]);
    }
    const flowsOf = async (...wanted: string[]) => (await waitingFlows(pool, workspaceId)).filter(({ lead_id }) => wanted.some((name) => leads[name] === lead_id));
    const { settleFlows } = await import("../../src/flows/settle.ts");
    const settle = async (name: string, ending: Parameters<typeof settleFlows>[1][number]["ending"]) => {
      const requests = await attemptAll(pool, lease, await flowsOf(name), deviceId);
      await settleFlows(pool, requests.map(({ flowId, attemptId }) => ({ flowId, attemptId, ending })), 0);
    };
    await settle("completed", accepted());
    await settle("completed", accepted());
    await settle("failed", REFUSED);
    await attemptAll(pool, lease, await flowsOf("processing"), deviceId);
    await pool.query("UPDATE flows SET attempted_at = attempted_at - interval '6 minutes' WHERE status = 'PROCESSING'");
    const { id: pausedId } = await one<{ id: string }>(pool, "SELECT id FROM enrollments WHERE lead_id = $1", [leads["paused"]]);
    await transaction(pool, (client) => pauseEnrollments(client, [pausedId]));
    const [skipped] = await flowsOf("skipped");
    await settleFlows(pool, [{ flowId: skipped?.id ?? "", attemptId: null, ending: { kind: "skipped", reason: "OPTED_OUT" } }], 0);
    await pool.query("UPDATE flows SET bound_device_id = $2 WHERE workspace_id = $1 AND lead_id = $3 AND queued", [workspaceId, deviceId, leads["waiting"]]);
  });

  test("sequence_contacts has one row for it", async () => {
    const rows = await query(
      pool,
      `SELECT contact_name, current_trigger, status, processing_device_id IS NOT NULL AS processing, processing_started_at IS NOT NULL AS started,
              assigned_worker_id IS NOT NULL AS assigned, worker_assigned_at = processing_started_at AS together, retry_count, last_error
         FROM sequence_contacts WHERE workspace_id = $1 ORDER BY contact_name, current_trigger`,
      [workspaceId],
    );
    const row = (contact_name: string, current_trigger: string, status: string, last_error: string | null = null) => ({
      contact_name,
      current_trigger,
      status,
      processing: contact_name === "processing",
      started: contact_name === "processing",
      assigned: contact_name === "processing",
      together: contact_name === "processing" ? true : null,
      retry_count: 0,
      last_error,
    });
    expect(rows).toEqual([
      row("completed", "v_1", "sent"),
      row("completed", "v_2", "completed"),
      row("failed", "v_1", "failed", "REJECTED: The other side said no."),
      row("failed", "v_2", "active"),
      row("paused", "v_1", "active"),
      row("processing", "v_1", "active"),
      row("skipped", "v_1", "skipped", "OPTED_OUT"),
      row("waiting", "v_1", "active"),
    ]);
    expect(await query(pool, "SELECT id FROM sequence_contacts WHERE workspace_id = $1 ORDER BY id", [workspaceId])).toEqual(await query(pool, "SELECT id FROM flows WHERE workspace_id = $1 ORDER BY id", [workspaceId]));
  });

  test("broadcast_messages has one row for it, with the text as sent, or the template while it waits", async () => {
    const rows = await query(
      pool,
      `SELECT recipient_name, content, status, device_id IS NOT NULL AS device, campaign_id, sent_at IS NOT NULL AS sent, error_message
         FROM broadcast_messages WHERE workspace_id = $1 AND sequence_id = $2 ORDER BY recipient_name, scheduled_at, id`,
      [workspaceId, sequenceId],
    );
    const text = async (name: string, offset = 0) => `Text of ${(await query<{ id: string }>(pool, "SELECT id FROM flows WHERE lead_id = $1 ORDER BY id LIMIT 1 OFFSET $2", [leads[name], offset]))[0]?.id}`;
    const row = (recipient_name: string, status: string, content: string | null, device: boolean, error_message: string | null = null) => ({ recipient_name, content, status, device, campaign_id: null, sent: status === "sent", error_message });
    expect(rows).toEqual([
      row("completed", "sent", await text("completed"), true),
      row("completed", "sent", await text("completed", 1), true),
      row("failed", "failed", await text("failed"), true, "REJECTED: The other side said no."),
      row("failed", "pending", "Hello {{name}}", false),
      row("paused", "paused", "Hi {{name}}", false),
      row("processing", "processing", await text("processing"), true),
      row("skipped", "skipped", null, false, "OPTED_OUT"),
      row("waiting", "pending", "Hi {{name}}", true),
    ]);
  });

  test("the statements find it", async () => {
    expect(await psql(PROCESSING)).toEqual([{ count: 1 }]);
    expect(await psql(STUCK)).toMatchObject([{ contact_name: "processing", processing_device_id: deviceId }]);
    expect(await psql(RETRIED)).toEqual([]);
    expect(await psql(PENDING, { id: deviceId })).toMatchObject([{ recipient_name: "waiting", status: "pending" }]);
    expect(await psql(FAILED)).toMatchObject([
      { sequence_name: "Sequence", step_trigger: "v_1", day_number: 1, contact_name: "failed", device_id: deviceId, device_name: "Busy", error_code: "REJECTED", error_message: "The other side said no." },
    ]);
    expect((await psql(TOTALS)) as unknown).toContainEqual({ name: "Sequence", total_contacts: 8, active: 4, completed: 1 });
  });

  test("the devices' views count attempts over rolling windows, and what is in processing", async () => {
    await pool.query("INSERT INTO device_attempts (workspace_id, device_id, flow_id, at) VALUES ($1, $2, uuid_v7(), now() - interval '61 minutes'), ($1, $2, uuid_v7(), now() - interval '25 hours')", [workspaceId, deviceId]);
    const balance = "SELECT messages_hour, messages_today, is_available, updated_at - last_reset_hour = interval '1 hour' AS hour, updated_at - last_reset_day = interval '24 hours' AS day FROM device_load_balance WHERE device_id = $1";
    expect(await one(pool, balance, [deviceId])).toEqual({ messages_hour: 4, messages_today: 5, is_available: false, hour: true, day: true });
    expect(await one(pool, "SELECT current_processing, device_status, is_available FROM device_performance_monitor WHERE device_id = $1", [deviceId])).toEqual({ current_processing: 1, device_status: "online", is_available: false });
    await pool.query("UPDATE devices SET hourly_limit = 5 WHERE id = $1", [deviceId]);
    expect(await one(pool, balance, [deviceId])).toMatchObject({ is_available: true });
    await pool.query("UPDATE devices SET paused_at = now() WHERE id = $1", [deviceId]);
    expect(await one(pool, balance, [deviceId])).toMatchObject({ is_available: false });
  });

  test("the progress counts leads and flows", async () => {
    expect(await one(pool, "SELECT total_contacts, active, paused, completed, stopped, flows_sent, flows_failed, percentage::float8 FROM sequence_progress_monitor WHERE sequence_id = $1", [sequenceId])).toEqual({
      total_contacts: 6,
      active: 3,
      paused: 1,
      completed: 1,
      stopped: 1,
      flows_sent: 2,
      flows_failed: 1,
      percentage: 33.3,
    });
  });

  test("the time shown is the wall's, as if a paused sequence went on now", async () => {
    const due = async () => (await one<{ ms: number }>(pool, "SELECT extract(epoch FROM next_trigger_time - now())::float8 AS ms FROM sequence_contacts WHERE contact_name = 'waiting'")).ms;
    await pool.query("UPDATE flows SET due_at = now() + interval '2 hours' WHERE lead_id = $1 AND queued", [leads["waiting"]]);
    await pool.query("UPDATE sequences SET is_active = false WHERE id = $1", [sequenceId]);
    await pool.query("UPDATE lanes SET paused_at = paused_at - interval '1 hour' WHERE sequence_id = $1", [sequenceId]);
    expect(await due()).toBeCloseTo(3 * 3600, -2);
    await pool.query("UPDATE sequences SET is_active = true WHERE id = $1", [sequenceId]);
    expect(await due()).toBeCloseTo(3 * 3600, -2);
  });

  const VIEWS = ["processing_flows", "sequence_contacts", "broadcast_messages", "device_load_balance", "device_performance_monitor", "sequence_totals", "sequence_progress_monitor", "failed_flows_monitor"];

  test.each(VIEWS)("%s shows a workspace its own rows and no other's", async (view) => {
    const rows = (id: string) => asApi(id, (client) => query(client, `SELECT workspace_id FROM ${view}`));
    const own = await rows(workspaceId);
    expect(own.length).toBeGreaterThan(0);
    expect(own.every((row) => (row as { workspace_id?: string }).workspace_id === workspaceId)).toBe(true);
    expect(await rows(await addWorkspace(pool))).toEqual([]);
    await expect(asApi("", (client) => query(client, `SELECT FROM ${view}`))).resolves.toEqual([]);
  });

  test("a workspace cannot write another's rows either, nor see any table of another", async () => {
    const other = await addWorkspace(pool);
    const tables = (await query<{ name: string }>(pool, "SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'workspace_id' WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace")).map(({ name }) => name);
    expect(tables.length).toBeGreaterThan(15);
    // Credentials and keys are no business of the API's, whoever's they are.
    const closed = tables.filter((table) => table.startsWith("whatsapp_"));
    expect(closed.toSorted()).toEqual(["whatsapp_credentials", "whatsapp_inbox", "whatsapp_keys", "whatsapp_numbers"]);
    for (const table of closed) await expect(asApi(other, (client) => query(client, `SELECT FROM ${table}`))).rejects.toThrow(/permission denied/);
    for (const table of tables.filter((name) => !closed.includes(name))) {
      expect([table, await asApi(other, (client) => query(client, `SELECT FROM ${table}`))]).toEqual([table, []]);
    }
    expect((await asApi(other, (client) => client.query("UPDATE leads SET trigger = 'stolen'"))).rowCount).toBe(0);
    await expect(asApi(other, (client) => client.query("INSERT INTO leads (workspace_id, phone) VALUES ($1, '60199999999')", [workspaceId]))).rejects.toThrow(/row-level security/);
  });

  test("has columns of the types that their readers expect", async () => {
    const types = await query<{ view: string; columns: string }>(
      pool,
      `SELECT c.relname AS view, string_agg(a.attname || ' ' || format_type(a.atttypid, NULL), ', ' ORDER BY a.attnum) AS columns
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND a.attname <> 'workspace_id'
        WHERE c.relname IN ('sequence_contacts', 'broadcast_messages', 'device_load_balance', 'device_performance_monitor') GROUP BY 1`,
    );
    const instant = "timestamp with time zone";
    expect(Object.fromEntries(types.map(({ view, columns }) => [view, columns]))).toEqual({
      sequence_contacts: `id uuid, sequence_id uuid, sequence_stepid uuid, contact_phone text, contact_name text, current_trigger text, next_trigger_time ${instant}, status text, processing_device_id uuid, processing_started_at ${instant}, assigned_worker_id uuid, worker_assigned_at ${instant}, retry_count integer, last_error text, created_at ${instant}`,
      broadcast_messages: `id uuid, device_id uuid, sequence_id uuid, campaign_id uuid, recipient_phone text, recipient_name text, content text, status text, scheduled_at ${instant}, sent_at ${instant}, error_message text, created_at ${instant}`,
      device_load_balance: `device_id uuid, messages_hour integer, messages_today integer, last_reset_hour ${instant}, last_reset_day ${instant}, is_available boolean, updated_at ${instant}`,
      device_performance_monitor: "device_id uuid, device_name text, device_status text, messages_hour integer, messages_today integer, current_processing integer, is_available boolean",
    });
  });
});

test("completed is the last flow that was sent, also where one after it failed", async () => {
  const lease = await holdLease(pool);
  const workspaceId = await addWorkspace(pool);
  const deviceId = await addDevice(pool, workspaceId);
  await addEnrolled(pool, workspaceId, { steps: [{ trigger: "l_1" }, { trigger: "l_2" }, { trigger: "l_3" }], delayHours: 0 });
  for (const ending of [accepted(), accepted(), REFUSED]) await sendAll(pool, lease, workspaceId, deviceId, ending);
  const rows = await query(pool, "SELECT current_trigger, status FROM sequence_contacts WHERE workspace_id = $1 ORDER BY id", [workspaceId]);
  expect(rows).toEqual([
    { current_trigger: "l_1", status: "sent" },
    { current_trigger: "l_2", status: "completed" },
    { current_trigger: "l_3", status: "failed" },
  ]);
});

test("a lead that is written in SQL is checked: a number with its plus sign, or twice in a workspace, is refused", async () => {
  await expect(psql("INSERT INTO leads (phone) VALUES ('+60123456789')")).rejects.toThrow(/leads_phone/);
  const workspaceId = await addWorkspace(pool);
  await pool.query("INSERT INTO leads (workspace_id, phone) VALUES ($1, '60123456789')", [workspaceId]);
  await expect(pool.query("INSERT INTO leads (workspace_id, phone) VALUES ($1, '60123456789')", [workspaceId])).rejects.toThrow(/unique/);
  await addLeads(pool, workspaceId, 1, "x");
  await enrolAll(pool);
});
