import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { workspaceDb } from "../../src/db/workspace.ts";
import { attemptFlows } from "../../src/dispatcher/attempt.ts";
import { createBell } from "../../src/events/bell.ts";
import { settleFlows } from "../../src/flows/settle.ts";
import { optInLead, optOutLead } from "../../src/leads/opt-out.ts";
import { recordReplies } from "../../src/replies/record.ts";
import { pauseEnrollments } from "../../src/sequences/pause.ts";
import { transaction } from "../../src/db/transaction.ts";
import type { IncomingReply } from "../../src/transports/transport.ts";
import { accepted, attemptAll, hindranceOf, holdLease, makeDue, REFUSED, requestFor, sendAll, settlementsOf, waitingFlows } from "../support/attempts.ts";
import { expectCountsTrue, expectOneEventPerChange } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addEnrolled, addLeads, addSequence, addWorkspace, enrolAll, one, query } from "../support/factories.ts";

let database: TestDatabase;
let pool: pg.Pool;
let lease: string;
let workspaceId: string;
let deviceId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
  lease = await holdLease(pool);
});
afterAll(() => database.drop());
beforeEach(async () => {
  workspaceId = await addWorkspace(pool);
  deviceId = await addDevice(pool, workspaceId);
});
afterEach(async () => {
  await expectCountsTrue(pool);
  await expectOneEventPerChange(pool, workspaceId);
});

const THREE = { steps: [{ trigger: "one" }, { trigger: "two" }, { trigger: "three" }] };
const phoneOf = async (leadId: string | undefined) => (await one<{ phone: string }>(pool, "SELECT phone FROM leads WHERE id = $1", [leadId])).phone;
const replyOf = async (leadId: string | undefined, text = "Hello", more: Partial<IncomingReply> = {}): Promise<IncomingReply> => ({
  workspaceId,
  deviceId,
  messageId: randomUUID(),
  phone: await phoneOf(leadId),
  text,
  at: new Date(Date.now() - 1000),
  ...more,
});
const reply = async (leadId: string | undefined, text?: string, more?: Partial<IncomingReply>) => recordReplies(pool, [await replyOf(leadId, text, more)]);
const send = () => sendAll(pool, lease, workspaceId, deviceId, accepted());

type State = { readonly status: string; readonly stop_reason: string | null; readonly flow: string; readonly skip_reason: string | null };
const states = () =>
  query<State>(
    pool,
    "SELECT e.status, e.stop_reason, f.status AS flow, f.skip_reason FROM enrollments e JOIN flows f ON f.id = e.current_flow_id WHERE e.workspace_id = $1 ORDER BY e.id",
    [workspaceId],
  );
const leadNow = (id: string | undefined) => one(pool, "SELECT trigger, last_replied_at, replied_device_id, opted_out_at IS NOT NULL AS out, opt_out_reason FROM leads WHERE id = $1", [id]);
const replyEvents = () =>
  query<{ text: string; device_id: string; opted_out: boolean }>(pool, "SELECT r.text, e.device_id, r.opted_out FROM events e JOIN replies r ON r.id = e.reply_id WHERE e.workspace_id = $1 AND e.type = 'REPLY' ORDER BY e.xid, e.id, e.place", [workspaceId]);

const RUNS: State = { status: "ACTIVE", stop_reason: null, flow: "ACTIVE", skip_reason: null };
const STOPPED_BY_REPLY: State = { status: "STOPPED", stop_reason: "REPLIED", flow: "SKIPPED", skip_reason: "REPLIED" };
const STOPPED_BY_STOP: State = { status: "STOPPED", stop_reason: "OPTED_OUT", flow: "SKIPPED", skip_reason: "OPTED_OUT" };

describe("a reply", () => {
  test("stops the enrolment and skips what waits, with the reason; its word is taken off the lead", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE, 2);
    await send();
    const at = new Date(Date.now() - 5000);
    const recorded = await reply(leadIds[0], "Yes, I am interested", { at });
    expect(recorded).toEqual([{ replyId: expect.any(String), leadId: leadIds[0], optedOut: false, isNew: true, confirmation: null }]);
    expect(await states()).toEqual([STOPPED_BY_REPLY, RUNS]);
    expect(await leadNow(leadIds[0])).toEqual({ trigger: null, last_replied_at: at, replied_device_id: deviceId, out: false, opt_out_reason: null });
    expect(await leadNow(leadIds[1])).toMatchObject({ trigger: "one", last_replied_at: null, replied_device_id: null });
    expect(await replyEvents()).toEqual([{ text: "Yes, I am interested", device_id: deviceId, opted_out: false }]);
    const skipped = "SELECT e.reason FROM events e JOIN flows f ON f.id = e.flow_id WHERE e.workspace_id = $1 AND e.type = 'FLOW_SKIPPED' AND f.lead_id = $2";
    expect(await query(pool, skipped, [workspaceId, leadIds[0]])).toEqual([{ reason: "REPLIED" }]);
  });

  test("leaves a sequence alone that does not stop on reply, and one of which nothing has been sent yet", async () => {
    const going = await addSequence(pool, workspaceId, { steps: [{ trigger: "a1" }, { trigger: "a2" }] });
    await pool.query("UPDATE sequences SET stop_on_reply = false WHERE id = $1", [going]);
    const [leadId] = await addLeads(pool, workspaceId, 1, "a1");
    await enrolAll(pool);
    await send();
    await addSequence(pool, workspaceId, { steps: [{ trigger: "b1" }, { trigger: "b2" }] });
    await pool.query("UPDATE leads SET trigger = 'a1,b1' WHERE id = $1", [leadId]);
    await enrolAll(pool);
    await reply(leadId);
    expect(await states()).toEqual([RUNS, RUNS]);
    // The same person again, once both have written.
    await send();
    await reply(leadId);
    expect(await states()).toEqual([{ status: "COMPLETED", stop_reason: null, flow: "SENT", skip_reason: null }, STOPPED_BY_REPLY]);
  });

  test("stops what is paused, too, and what failed was attempted as well", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE);
    await sendAll(pool, lease, workspaceId, deviceId, REFUSED);
    const [enrollment] = await query<{ id: string }>(pool, "SELECT id FROM enrollments WHERE workspace_id = $1", [workspaceId]);
    await transaction(pool, (client) => pauseEnrollments(client, [enrollment?.id ?? ""]));
    await reply(leadIds[0]);
    expect(await states()).toEqual([STOPPED_BY_REPLY]);
  });

  test("while its message is on its way lets that end as it does, and nothing follows", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE);
    const requests = await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId);
    await reply(leadIds[0]);
    expect(await states()).toEqual([{ status: "STOPPED", stop_reason: "REPLIED", flow: "PROCESSING", skip_reason: null }]);
    await settleFlows(pool, settlementsOf(requests, accepted()), 0);
    expect(await states()).toEqual([{ status: "STOPPED", stop_reason: "REPLIED", flow: "SENT", skip_reason: null }]);
  });

  test("that is delivered again changes nothing, not even an enrolment since", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE);
    await send();
    const first = await replyOf(leadIds[0]);
    const [recorded] = await recordReplies(pool, [first]);
    await pool.query("UPDATE leads SET trigger = 'one', last_replied_at = '2026-01-01' WHERE id = $1", [leadIds[0]]);
    await enrolAll(pool);
    await send();
    expect(await recordReplies(pool, [first, { ...first, text: "Another text" }])).toEqual([
      { ...recorded, isNew: false },
      { ...recorded, isNew: false },
    ]);
    expect(await states()).toEqual([STOPPED_BY_REPLY, RUNS]);
    expect(await leadNow(leadIds[0])).toMatchObject({ last_replied_at: new Date("2026-01-01T00:00:00Z") });
    expect(await replyEvents()).toHaveLength(1);
  });

  test("that comes late is not the last one, and none is from the future", async () => {
    const other = await addDevice(pool, workspaceId);
    const [leadId] = await addLeads(pool, workspaceId, 1);
    const before = Date.now();
    await reply(leadId, "From the future", { at: new Date("2100-01-01T00:00:00Z") });
    await reply(leadId, "Late", { at: new Date("2026-01-01T00:00:00Z"), deviceId: other });
    const { last_replied_at: last, replied_device_id: device } = await one<{ last_replied_at: Date; replied_device_id: string }>(
      pool,
      "SELECT last_replied_at, replied_device_id FROM leads WHERE id = $1",
      [leadId],
    );
    expect(device).toBe(deviceId);
    expect(Math.abs(last.getTime() - before)).toBeLessThan(60_000);
  });

  test("of an unknown number is kept and told of, and nothing else: no lead comes of it, and none of another workspace is touched", async () => {
    const [elsewhere] = await addLeads(pool, await addWorkspace(pool), 1);
    const leads = await query(pool, "SELECT count(*) FROM leads");
    const recorded = await recordReplies(pool, [
      await replyOf(elsewhere, "Hi"),
      await replyOf(elsewhere, "Hidden", { phone: null }),
      await replyOf(elsewhere, "STOP"),
    ]);
    expect(recorded).toEqual([false, false, true].map((optedOut) => ({ replyId: expect.any(String), leadId: null, optedOut, isNew: true, confirmation: null })));
    expect(await query(pool, "SELECT count(*) FROM leads")).toEqual(leads);
    expect(await leadNow(elsewhere)).toMatchObject({ last_replied_at: null, out: false });
    expect((await replyEvents()).map(({ text }) => text).toSorted()).toEqual(["Hi", "Hidden", "STOP"]);
  });

  test("holds any text", async () => {
    const [leadId] = await addLeads(pool, workspaceId, 1);
    const text = 'NUL \0, half \uD83D, "quotes", {braces}, \\, NULL';
    await recordReplies(pool, [await replyOf(leadId, text, { messageId: 'id "\\\0' }), await replyOf(leadId, "NULL")]);
    expect((await replyEvents()).map((event) => event.text)).toEqual(['NUL , half \uFFFD, "quotes", {braces}, \\, NULL', "NULL"]);
  });
});

describe("many at once", () => {
  test("of one person are recorded one by one, told in their order, and the last counts", async () => {
    const other = await addDevice(pool, workspaceId);
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE, 2);
    await send();
    const at = new Date(Date.now() - 10_000);
    const later = new Date(Date.now() - 5000);
    // Of one second, as WhatsApp counts; and those of the other lead among them.
    const replies = [
      await replyOf(leadIds[1], "z", { at }),
      ...(await Promise.all(["a", "b", "c", "d"].map((text) => replyOf(leadIds[0], text, { at })))),
      await replyOf(leadIds[0], "e", { at: later, deviceId: other }),
      await replyOf(leadIds[1], "f", { at: later }),
    ];
    const recorded = await recordReplies(pool, replies);
    expect(recorded.map(({ leadId, isNew }) => [leadId, isNew])).toEqual([1, 0, 0, 0, 0, 0, 1].map((lead) => [leadIds[lead], true]));
    expect((await replyEvents()).map(({ text }) => text)).toEqual(["z", "a", "b", "c", "d", "e", "f"]);
    expect(await states()).toEqual([STOPPED_BY_REPLY, STOPPED_BY_REPLY]);
    expect(await leadNow(leadIds[0])).toMatchObject({ last_replied_at: later, replied_device_id: other });
  });

  test("of several workspaces go by each one's own words", async () => {
    const elsewhere = await addWorkspace(pool);
    await pool.query("UPDATE workspaces SET stop_words = '{tamat}', stop_confirmation = 'Bye' WHERE id = $1", [elsewhere]);
    const [here] = await addLeads(pool, workspaceId, 1);
    const [there] = await addLeads(pool, elsewhere, 1);
    const of = { workspaceId: elsewhere, deviceId: await addDevice(pool, elsewhere) };
    const recorded = await recordReplies(pool, [await replyOf(here, "tamat"), await replyOf(there, "stop", of), await replyOf(here, "stop"), await replyOf(there, "Tamat.", of)]);
    expect(recorded.map(({ optedOut, confirmation }) => [optedOut, confirmation])).toEqual([
      [false, null],
      [false, null],
      [true, null],
      [true, "Bye"],
    ]);
    expect([await leadNow(here), await leadNow(there)]).toMatchObject([{ out: true }, { out: true, opt_out_reason: "Replied with the stop word 'tamat'." }]);
  });
});

describe("STOP", () => {
  test.each(["stop", "unsubscribe", "berhenti", "henti", "batal"])("as %j opts out, over all sequences and devices, and nothing is attempted from then on", async (word) => {
    const other = await addDevice(pool, workspaceId);
    const sequence = await addSequence(pool, workspaceId, { steps: [{ trigger: "a1" }, { trigger: "a2" }] });
    await pool.query("UPDATE sequences SET stop_on_reply = false WHERE id = $1", [sequence]);
    await addSequence(pool, workspaceId, { steps: [{ trigger: "b1" }] });
    const [leadId, stays] = await addLeads(pool, workspaceId, 2, "a1,b1");
    await enrolAll(pool);
    await makeDue(pool, workspaceId);
    const claimed = (await waitingFlows(pool, workspaceId)).filter((flow) => flow.lead_id === leadId);
    expect(claimed).toHaveLength(2);
    const [recorded] = await reply(leadId, ` ${word.toUpperCase()}! `);
    expect(recorded).toMatchObject({ leadId, optedOut: true, isNew: true });
    expect(await leadNow(leadId)).toMatchObject({ out: true, opt_out_reason: `Replied with the stop word '${word}'.`, trigger: null });
    const answers = await attemptFlows(pool, lease, [claimed[0], claimed[1]].flatMap((flow, index) => (flow ? [requestFor(flow, index === 0 ? deviceId : other)] : [])));
    expect(answers.map(hindranceOf)).toEqual(["gone", "gone"]);
    expect((await states()).toSorted((a, b) => a.status.localeCompare(b.status))).toEqual([RUNS, RUNS, STOPPED_BY_STOP, STOPPED_BY_STOP]);
    expect(await leadNow(stays)).toMatchObject({ out: false, trigger: "a1,b1" });
  });

  test("is confirmed once, and final as of the first time", async () => {
    await pool.query("UPDATE workspaces SET stop_confirmation = 'You will hear no more.' WHERE id = $1", [workspaceId]);
    const [twice, again] = await addLeads(pool, workspaceId, 2);
    const first = await replyOf(twice, "stop");
    const confirmations = async (...replies: IncomingReply[]) => (await recordReplies(pool, replies)).map(({ confirmation }) => confirmation);
    expect(await confirmations(first, await replyOf(twice, "BERHENTI"), await replyOf(again, "hello"))).toEqual(["You will hear no more.", null, null]);
    const before = await one(pool, "SELECT opted_out_at, opt_out_reason FROM leads WHERE id = $1", [twice]);
    expect(await confirmations(first, await replyOf(twice, "batal"))).toEqual([null, null]);
    expect(await one(pool, "SELECT opted_out_at, opt_out_reason FROM leads WHERE id = $1", [twice])).toEqual(before);
    await optOutLead({ db: workspaceDb(pool, workspaceId), bell: createBell() }, again ?? "", "by phone");
    expect(await confirmations(await replyOf(again, "stop"))).toEqual([null]);
    expect(await leadNow(again)).toMatchObject({ opt_out_reason: "by phone" });
  });

  test("is not heard a second time by who has agreed again since", async () => {
    const [leadId] = await addLeads(pool, workspaceId, 1);
    const stop = await replyOf(leadId, "stop");
    await recordReplies(pool, [stop]);
    const consent = { source: "in store", at: new Date(Date.now() + 60_000) };
    expect(await optInLead({ db: workspaceDb(pool, workspaceId), bell: createBell() }, leadId ?? "", consent)).toMatchObject({ ok: true });
    await addSequence(pool, workspaceId, THREE);
    await pool.query("UPDATE leads SET trigger = 'one' WHERE id = $1", [leadId]);
    await enrolAll(pool);
    await recordReplies(pool, [stop]);
    expect(await leadNow(leadId)).toMatchObject({ out: false });
    expect(await states()).toEqual([RUNS]);
  });

  test("that was recorded by a process which died then is obeyed at once, and swept by who records it again", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE);
    const [flow] = await waitingFlows(pool, workspaceId);
    const stop = await replyOf(leadIds[0], "stop");
    await recordReplies(pool, [stop]);
    // As it is between the two transactions.
    await pool.query("UPDATE enrollments SET status = 'ACTIVE', stop_reason = NULL, finished_at = NULL WHERE workspace_id = $1", [workspaceId]);
    await pool.query("UPDATE flows SET status = 'ACTIVE', queued = true, settled_at = NULL, skip_reason = NULL WHERE workspace_id = $1", [workspaceId]);
    await pool.query("DELETE FROM event_batches WHERE workspace_id = $1 AND type = 'FLOW_SKIPPED'", [workspaceId]);
    await pool.query("DELETE FROM sequence_count_deltas WHERE workspace_id = $1 AND stopped > 0", [workspaceId]);
    expect(flow && (await attemptFlows(pool, lease, [requestFor(flow, deviceId)])).map(hindranceOf)).toEqual(["opted_out"]);
    expect(await recordReplies(pool, [stop])).toMatchObject([{ isNew: false, optedOut: true }]);
    expect(await states()).toEqual([STOPPED_BY_STOP]);
  });

  test("waits for nobody who holds the flows or the enrolments", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE);
    const holder = await pool.connect();
    await holder.query("BEGIN");
    await holder.query("SELECT FROM enrollments WHERE workspace_id = $1 FOR UPDATE", [workspaceId]);
    await holder.query("SELECT FROM flows WHERE workspace_id = $1 FOR UPDATE", [workspaceId]);
    const recording = reply(leadIds[0], "stop");
    const isOut = async () => (await one<{ out: boolean }>(pool, "SELECT opted_out_at IS NOT NULL AS out FROM leads WHERE id = $1", [leadIds[0]])).out;
    await eventually(isOut, "the opt-out has committed");
    expect(await states()).toEqual([RUNS]);
    await holder.query("COMMIT");
    holder.release();
    await recording;
    expect(await states()).toEqual([STOPPED_BY_STOP]);
  });
});

/** The pool, and the SQLSTATEs of what failed on it: retries hide that Postgres had to end a deadlock. */
function watched(): { readonly pool: pg.Pool; readonly failures: string[] } {
  const failures: string[] = [];
  const watching = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(of, name) {
        const value: unknown = Reflect.get(of, name);
        if (typeof value !== "function") return value;
        if (name === "connect") return async () => watching(await (value as () => Promise<object>).call(of));
        if (name !== "query") return value.bind(of) as unknown;
        return async (...given: unknown[]) => (value as (...given: unknown[]) => Promise<unknown>).apply(of, given).catch((error: { code: string }) => {
          failures.push(error.code);
          throw error;
        });
      },
    });
  return { pool: watching(pool), failures };
}

describe("replies that race", () => {
  test("with their flows' settling leave nobody with a flow, and Postgres has no deadlock to end", async () => {
    // One that goes on, and one that ends where it is settled first: then the lead's row is written by both.
    await addSequence(pool, workspaceId, { ...THREE, delayHours: 0 });
    await addSequence(pool, workspaceId, { steps: [{ trigger: "only" }] });
    const leadIds = await addLeads(pool, workspaceId, 300, "one,only");
    await enrolAll(pool);
    const requests = await attemptAll(pool, lease, await waitingFlows(pool, workspaceId), deviceId);
    const replies = await Promise.all(leadIds.map((leadId, index) => replyOf(leadId, index % 5 === 0 ? "stop" : "hello")));
    const { pool: racing, failures } = watched();
    // Each batch in an order of its own, and every third reply delivered twice.
    const batches = [0, 1, 2, 3, 4, 5].map((n) => replies.filter((_, index) => index % 6 === n || index % 3 === n % 3)).map((batch, n) => (n % 2 === 0 ? batch : batch.toReversed()));
    const [recorded] = await Promise.all([
      Promise.all(batches.map((batch) => recordReplies(racing, batch))),
      ...[0, 1, 2, 3, 4, 5].map((n) => settleFlows(racing, settlementsOf(requests.filter((_, index) => index % 6 === n), accepted()), 0)),
    ]);
    expect(recorded.flat().filter(({ isNew }) => isNew)).toHaveLength(300);
    const ended = "SELECT e.stop_reason, count(*)::int FROM enrollments e WHERE e.workspace_id = $1 AND e.trigger = 'one' GROUP BY 1 ORDER BY 1";
    expect(await query(pool, ended, [workspaceId])).toEqual([
      { stop_reason: "OPTED_OUT", count: 60 },
      { stop_reason: "REPLIED", count: 240 },
    ]);
    expect(await query(pool, "SELECT FROM leads WHERE workspace_id = $1 AND trigger IS NOT NULL", [workspaceId])).toEqual([]);
    expect(await waitingFlows(pool, workspaceId)).toEqual([]);
    expect(await one(pool, "SELECT count(*)::int FROM events WHERE workspace_id = $1 AND type = 'REPLY'", [workspaceId])).toEqual({ count: 300 });
    expect(failures).toEqual([]);
  });

  test("with one another, of the same people and the same messages, in any order, wait their turn", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE, 400);
    await send();
    const once = await Promise.all(leadIds.map((leadId) => replyOf(leadId, "hello")));
    const { pool: racing, failures } = watched();
    const orders = [once, once.toReversed(), once.toSorted((a, b) => a.messageId.localeCompare(b.messageId)), once.toSorted((a, b) => b.messageId.localeCompare(a.messageId))];
    // Of each order, the same messages and others of the same people.
    const batches = orders.flatMap((replies) => [replies, replies.map((reply) => ({ ...reply, messageId: randomUUID() }))]);
    const recorded = await Promise.all(batches.map((batch) => recordReplies(racing, batch)));
    expect(recorded.flat().filter(({ isNew }) => isNew)).toHaveLength(5 * 400);
    expect(failures).toEqual([]);
    expect(await query(pool, "SELECT status, stop_reason, count(*)::int FROM enrollments WHERE workspace_id = $1 GROUP BY 1, 2", [workspaceId])).toEqual([
      { status: "STOPPED", stop_reason: "REPLIED", count: 400 },
    ]);
  });

  test("with settling, which writes the lead last, wait for the enrolment before they take the lead", async () => {
    const { leadIds } = await addEnrolled(pool, workspaceId, THREE);
    await send();
    const settling = await pool.connect();
    await settling.query("BEGIN");
    await settling.query("SELECT FROM enrollments WHERE workspace_id = $1 FOR UPDATE", [workspaceId]);
    const recording = reply(leadIds[0]);
    const waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    await eventually(async () => (await query(pool, waiting)).length > 0, "the reply waits");
    await settling.query("SELECT FROM leads WHERE id = $1 FOR UPDATE NOWAIT", [leadIds[0]]);
    await settling.query("COMMIT");
    settling.release();
    await recording;
    expect(await states()).toEqual([STOPPED_BY_REPLY]);
  });

  test("to ask for the same are confirmed once", async () => {
    await pool.query("UPDATE workspaces SET stop_confirmation = 'Bye' WHERE id = $1", [workspaceId]);
    const leadIds = await addLeads(pool, workspaceId, 100);
    const asking = async () => recordReplies(pool, await Promise.all(leadIds.map((leadId) => replyOf(leadId, "stop"))));
    const recorded = (await Promise.all([asking(), asking(), asking()])).flat();
    expect(recorded.filter(({ confirmation }) => confirmation === "Bye").map(({ leadId }) => leadId).toSorted()).toEqual(leadIds.toSorted());
  });
});
