// All of it together: leads in, messages out, by the database's word and by the witness's.

import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createBell } from "../../src/events/bell.ts";
import { createEventLog } from "../../src/events/log.ts";
import { createTailer } from "../../src/events/tailer.ts";
import type { LoggedEvent } from "../../src/events/types.ts";
import { SECOND_MS, systemClock } from "../../src/lib/clock.ts";
import { createSimulator } from "../../src/transports/simulator.ts";
import { createJumpingClock } from "../support/clocks.ts";
import { expectCountsTrue, expectOneEventPerChange } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addSequence, addWorkspace, enrolAll, one, query, silent } from "../support/factories.ts";
import { messageIdsOf, startTestNode, type TestNode } from "../support/node.ts";
import { createPuppet } from "../support/puppet.ts";
import { readWitness } from "../support/witness.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;
let node: TestNode | undefined;

beforeEach(async () => {
  database = await testDatabase();
  pool = database.pool;
  workspaceId = await addWorkspace(pool);
});
afterEach(async () => {
  await node?.stop();
  node = undefined;
  await database.drop();
});

const open = async () => (await one<{ count: number }>(pool, "SELECT count(*) FROM enrollments WHERE status IN ('ACTIVE', 'PAUSED')")).count;
const enrolled = async () => (await one<{ count: number }>(pool, "SELECT count(*) FROM enrollments")).count;
const statuses = async () =>
  Object.fromEntries((await query<{ key: string; n: number }>(pool, "SELECT status || coalesce(' ' || failure_code, ' ' || skip_reason, '') AS key, count(*) AS n FROM flows GROUP BY 1")).map(({ key, n }) => [key, n]));
const one1 = { steps: [{ trigger: "one" }] };

test("300 leads over two sequences and three kinds of luck: each step goes out once, to the witness as in the database, and each change is one event", async () => {
  const logFile = join(tmpdir(), `rentak-dispatch-${crypto.randomUUID()}.log`);
  for (let n = 0; n < 8; n++) await addDevice(pool, workspaceId, { hourlyLimit: 1000, dailyLimit: 10_000, failureRate: 0.2 });
  await addSequence(pool, workspaceId, { name: "COLD", delayHours: 0, steps: [{ trigger: "c1" }, { trigger: "c2", text: "{{missing}}" }, { trigger: "c3", next: "w1" }] });
  await addSequence(pool, workspaceId, { name: "WARM", delayHours: 0, steps: [{ trigger: "w1" }, { trigger: "w2", text: "{Hi|Hello} {{name}}, bye" }] });
  const cold = await addLeads(pool, workspaceId, 200, "c1");
  await addLeads(pool, workspaceId, 100, "w1");

  const bell = createBell();
  const tailer = createTailer({ pool, bell, clock: systemClock, logger: silent });
  const { log_generation: generation } = await one<{ log_generation: string }>(pool, "SELECT log_generation FROM installation");
  const log = createEventLog({ pool, tailer, generation });
  const leave = new AbortController();
  const heard: LoggedEvent[] = [];
  const following = (async () => {
    for await (const event of log.follow({ workspaceId, wants: () => true, signal: leave.signal })) heard.push(event);
  })();

  node = await startTestNode({ pool, bell, transport: createSimulator({ clock: systemClock, logFile }) });
  await eventually(async () => (await enrolled()) === 500 && (await open()) === 0, "every enrolment has ended", 30_000);
  const { count: logged } = await one<{ count: number }>(pool, "SELECT count(*) FROM events");
  await eventually(() => heard.length >= logged - 16, "the events are heard"); // but for the devices that came up before it listened
  await node.stop();
  leave.abort();
  await following;
  await tailer.stop();

  const flows = await query<{ id: string; lead_id: string; trigger: string; status: string; failure_code: string | null; text: string | null; phone: string }>(
    pool,
    "SELECT f.id, f.lead_id, st.trigger, f.status, f.failure_code, f.text, l.phone FROM flows f JOIN sequence_steps st ON st.id = f.step_id JOIN leads l ON l.id = f.lead_id",
  );
  expect(flows).toHaveLength(200 * 5 + 100 * 2);
  expect(new Set(flows.map(({ lead_id, trigger }) => `${lead_id} ${trigger}`)).size).toBe(flows.length);
  const poison = flows.filter(({ trigger }) => trigger === "c2");
  expect(poison).toHaveLength(cold.length);
  expect(poison.every(({ status, failure_code }) => status === "FAILED" && failure_code === "TEMPLATE_ERROR")).toBe(true);
  const others = flows.filter(({ trigger }) => trigger !== "c2");
  expect(others.every(({ status, failure_code }) => status === "SENT" || failure_code === "REJECTED")).toBe(true);
  const refused = others.filter(({ status }) => status === "FAILED").length / others.length;
  expect(refused).toBeGreaterThan(0.12);
  expect(refused).toBeLessThan(0.28);

  const messageIds = await messageIdsOf(pool);
  const witnessed = (await readWitness(logFile)).map(({ messageId, phone, text }) => ({ id: messageIds.flowIdOf(messageId), phone, text }));
  const sent = flows.filter(({ status }) => status === "SENT").map(({ id, phone, text }) => ({ id, phone, text }));
  const byId = (a: { id: string | null }, b: { id: string | null }) => ((a.id ?? "") < (b.id ?? "") ? -1 : 1);
  expect(witnessed.toSorted(byId)).toEqual(sent.toSorted(byId));

  expect(await query(pool, "SELECT trigger FROM leads WHERE trigger IS NOT NULL")).toEqual([]);
  await expectCountsTrue(pool);
  await expectOneEventPerChange(pool, workspaceId);
  const heardFlows = heard.filter(({ type }) => type.startsWith("FLOW_")).map(({ type, flowId }) => `${type} ${flowId}`);
  expect(new Set(heardFlows).size).toBe(heardFlows.length);
  expect(heardFlows).toHaveLength((await one<{ count: number }>(pool, "SELECT count(*) FROM events WHERE type LIKE 'FLOW%'")).count);
}, 45_000);

describe("a node", () => {
  test("that is stopped finishes what is on its way, and leaves the rest to the next", async () => {
    const puppet = createPuppet(systemClock);
    await addDevice(pool, workspaceId);
    await addSequence(pool, workspaceId, one1);
    await addLeads(pool, workspaceId, 10, "one");
    puppet.setFate(() => "hold");
    node = await startTestNode({ pool, transport: puppet });
    await eventually(() => puppet.held.length === 1, "one is on its way");
    const stopped = node.stop();
    puppet.held[0]?.answer({ kind: "accepted", at: new Date() });
    await stopped;
    expect(await statuses()).toEqual({ SENT: 1, ACTIVE: 9 });
    puppet.setFate(() => "accept");
    node = await startTestNode({ pool, transport: puppet });
    await eventually(async () => (await open()) === 0, "the next sends the rest");
    expect(new Set(puppet.wire.map(({ phone }) => phone)).size).toBe(10);
    expect(puppet.wire).toHaveLength(10);
  });

  test("ends a flow as DEADLINE_MISSED, and writes nothing, where its attempt took too long", async () => {
    const clock = createJumpingClock();
    const puppet = createPuppet(clock);
    await addDevice(pool, workspaceId);
    await addSequence(pool, workspaceId, one1);
    const slow = new pg.Client(database.url);
    await slow.connect();
    node = await startTestNode({ pool, clock, transport: puppet });
    await eventually(() => puppet.sessions.size === 1, "it is online");
    await slow.query("BEGIN");
    await slow.query("SELECT FROM nodes FOR UPDATE"); // attempts wait
    await addLeads(pool, workspaceId, 1, "one");
    node.bell.ring("enrollment");
    await eventually(async () => (await query(pool, "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%WITH lease AS%' AND datname = current_database()")).length > 0, "the attempt waits");
    clock.jump(11 * SECOND_MS);
    await slow.query("COMMIT");
    await slow.end();
    await eventually(async () => (await statuses())["FAILED DEADLINE_MISSED"] === 1, "it ends");
    expect(puppet.wire).toEqual([]);
  });

  test("asks again where the answer to an attempt was lost, and sends once", async () => {
    const puppet = createPuppet(systemClock);
    let lose = 1;
    const lossy = new Proxy(pool, {
      get(target, property) {
        const value = Reflect.get(target, property) as unknown;
        if (property !== "query") return typeof value === "function" ? value.bind(target) : value;
        return async (...args: [{ name?: string }]) => {
          const result = await (target.query as (...a: unknown[]) => Promise<unknown>).apply(target, args);
          if (args[0]?.name === "attempt" && lose-- > 0) throw new Error("Connection terminated unexpectedly");
          return result;
        };
      },
    });
    await addDevice(pool, workspaceId);
    await addSequence(pool, workspaceId, one1);
    await addLeads(pool, workspaceId, 1, "one");
    node = await startTestNode({ pool: lossy, transport: puppet });
    await eventually(async () => (await statuses())["SENT"] === 1, "it is sent");
    expect(await statuses()).toEqual({ SENT: 1 });
    expect(puppet.wire).toHaveLength(1);
    expect((await one<{ count: number }>(pool, "SELECT count(*) FROM device_attempts")).count).toBe(1);
  });

  test("settles at last what it could not while Postgres was away", async () => {
    const puppet = createPuppet(systemClock);
    let away = false;
    const flaky = new Proxy(pool, {
      get(target, property) {
        const value = Reflect.get(target, property) as unknown;
        if (property !== "query") return typeof value === "function" ? value.bind(target) : value;
        return (...args: [{ name?: string }]) => (away && args[0]?.name === "settle" ? Promise.reject(new Error("away")) : (target.query as (...a: unknown[]) => Promise<unknown>).apply(target, args));
      },
    });
    await addDevice(pool, workspaceId);
    await addSequence(pool, workspaceId, one1);
    await addLeads(pool, workspaceId, 1, "one");
    away = true;
    node = await startTestNode({ pool: flaky, transport: puppet });
    await eventually(() => puppet.wire.length === 1, "it is sent");
    expect(await statuses()).toEqual({ PROCESSING: 1 });
    away = false;
    await eventually(async () => (await statuses())["SENT"] === 1, "it is settled");
  });

  test("rescues as unknown what a node before it left, and an acknowledgement that comes then makes it sent", async () => {
    const clock = createJumpingClock();
    const puppet = createPuppet(clock);
    const deviceId = await addDevice(pool, workspaceId);
    await addSequence(pool, workspaceId, { steps: [{ trigger: "one" }, { trigger: "two" }] });
    await addLeads(pool, workspaceId, 1, "one");
    puppet.setFate(() => "hold");
    node = await startTestNode({ pool, clock, transport: puppet, settings: { stuckMs: 500 } });
    await eventually(async () => (await statuses())["FAILED OUTCOME_UNKNOWN"] === 1, "it is rescued");
    const { messageId } = puppet.wire[0] ?? { messageId: "" };
    puppet.sessions.get(deviceId)?.receipt({ messageId, kind: "accepted", at: new Date() });
    await eventually(async () => (await statuses())["SENT"] === 1, "it is corrected");
    expect(await statuses()).toEqual({ SENT: 1, ACTIVE: 1 });
    puppet.held[0]?.answer({ kind: "accepted", at: new Date() });
    await node.stop();
    expect(await query(pool, "SELECT type FROM events WHERE flow_id = (SELECT id FROM flows WHERE status = 'SENT') ORDER BY xid, id")).toEqual(["FLOW_ACTIVATED", "FLOW_FAILED", "FLOW_SENT"].map((type) => ({ type })));
    await expectCountsTrue(pool);
  });

  test("moves leads on whose step was removed, and ends those of leads who opted out or are gone", async () => {
    const puppet = createPuppet(systemClock);
    await addDevice(pool, workspaceId);
    await addSequence(pool, workspaceId, { steps: [{ trigger: "a" }, { trigger: "b", text: "B" }] });
    await addSequence(pool, workspaceId, { steps: [{ trigger: "z" }] });
    const [, optedOut, deleted] = await addLeads(pool, workspaceId, 3, "a,z");
    await enrolAll(pool);
    await pool.query("UPDATE leads SET opted_out_at = now() WHERE id = $1", [optedOut]);
    await pool.query("DELETE FROM leads WHERE id = $1", [deleted]);
    await pool.query("DELETE FROM sequence_steps WHERE trigger = 'a'");
    await pool.query("UPDATE sequence_steps SET is_entry_point = true WHERE trigger = 'b'");
    node = await startTestNode({ pool, transport: puppet });
    await eventually(async () => (await open()) === 0, "all have ended");
    expect(puppet.wire.map(({ text }) => text).toSorted()).toEqual(["B", expect.stringMatching(/^Hello Lead/)]);
    const ended = await query(pool, "SELECT status, stop_reason, count(*) FROM enrollments GROUP BY 1, 2 ORDER BY 1, 2");
    expect(ended).toEqual([
      { status: "COMPLETED", stop_reason: null, count: 2 },
      { status: "STOPPED", stop_reason: "ERASED", count: 2 },
      { status: "STOPPED", stop_reason: "OPTED_OUT", count: 2 },
    ]);
  });

  test("renders anew what was edited after it was claimed", async () => {
    const clock = createJumpingClock();
    const puppet = createPuppet(clock);
    await addDevice(pool, workspaceId);
    await addSequence(pool, workspaceId, { steps: [{ trigger: "one", text: "Old" }], minDelaySeconds: 1 });
    await addLeads(pool, workspaceId, 2, "one");
    node = await startTestNode({ pool, clock, transport: puppet, settings: { dispatchIntervalMs: 2000 } });
    await eventually(() => puppet.wire.length === 1, "the first");
    await pool.query("UPDATE sequence_steps SET message_text = 'New'");
    await eventually(() => (clock.jump(SECOND_MS / 4), puppet.wire.length === 2), "the second");
    expect(puppet.wire.map(({ text }) => text)).toEqual(["Old", "New"]);
  });
});
