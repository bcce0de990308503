import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { DAY_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addWorkspace, query } from "../support/factories.ts";
import { startTestNode } from "../support/node.ts";
import { entry, sequenceCalls, step } from "../support/sequences.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let calls: ReturnType<typeof sequenceCalls>;
beforeAll(async () => {
  server = await testServer({ minStepDelayHours: 0 });
  calls = sequenceCalls(server);
});
afterAll(() => server.stop());

let prefix: string;
beforeEach(async () => {
  prefix = `t${crypto.randomUUID().slice(0, 8)}`;
  await server.database.pool.query("DELETE FROM devices");
  await server.database.pool.query("UPDATE workspaces SET quiet_start = NULL, quiet_end = NULL, cap_messages = NULL, cap_hours = NULL, hourly_ceiling = NULL, require_consent = false");
});
const t = (name: string) => `${prefix}_${name}`;

const SIMULATE = `query ($sequenceId: ID!, $trigger: String, $leadId: ID, $lead: SimulatedLeadInput, $from: DateTime, $days: Int! = 365, $leads: Int! = 1, $assumptions: [SimulationAssumptionInput!]! = []) {
  simulateSequence(sequenceId: $sequenceId, trigger: $trigger, leadId: $leadId, lead: $lead, from: $from, days: $days, leads: $leads, assumptions: $assumptions) {
    end finishesAt messages { step { trigger } sequence { name } dueAt sendAt windowClosesAt text problem missing variant branch { condition nextTrigger } }
    capacity { leads devices finishesAt missingDevices isCeilingInTheWay periods { sequence { name } from until due taken capacity missingDevices } } } }`;

const simulate = async (variables: Record<string, unknown>): Promise<Loose> => {
  const { data, errors } = await server.query(SIMULATE, variables);
  expect(errors).toBeUndefined();
  return data.simulateSequence;
};
const refusal = async (variables: Record<string, unknown>) => (await server.query(SIMULATE, variables)).errors?.map(({ message, extensions }) => [extensions["code"], message]);
const waysOf = ({ messages }: Loose) => messages.map((message: Loose) => message.step.trigger.replace(`${prefix}_`, ""));

async function created(input: Record<string, unknown>, steps: readonly unknown[]): Promise<string> {
  const { sequence, userErrors } = await calls.create({ ...input, steps: steps as never });
  expect(userErrors).toEqual([]);
  return sequence.id;
}

const READ = { condition: "READ", nextTrigger: null };

test("a hypothetical lead is sent the texts of its own way, at the times of its own zone, without anything being written", async () => {
  const hot = await created({ name: "Hot", greeting: false }, [entry(t("hot"), null, { text: "Hot for {{name}}" })]);
  const id = await created({ name: "Cold", scheduleTime: "09:00", greeting: true, stopOnReply: false }, [
    { ...entry(t("1"), t("2"), { text: "One for {{name}} of {{town}}" }), branches: [{ condition: "NICHE_IN", value: { niches: ["yoga"] }, nextTrigger: t("yoga") }] },
    step(t("2")),
    { ...step(t("yoga"), null, { text: "Yoga" }), branches: [{ condition: "READ", nextTrigger: t("hot") }] },
  ]);
  const everything = async () => query(server.database.pool, "SELECT (SELECT count(*) FROM flows) AS flows, (SELECT count(*) FROM enrollments) AS enrollments, (SELECT count(*) FROM leads) AS leads, (SELECT count(*) FROM lanes) AS lanes, (SELECT count(*) FROM event_batches) AS events, (SELECT sum(revision) FROM sequences) AS revisions");
  const before = await everything();
  const from = "2030-06-01T12:00:00.000Z";
  const lead = { name: "Aisha", niche: "yoga", timeZone: "Europe/London" };
  const said = await simulate({ sequenceId: id, from, lead, assumptions: [{ trigger: t("yoga"), read: true }] });
  expect(said.messages.map(({ step, dueAt, sendAt, windowClosesAt, text, missing, branch }: Loose) => [step.trigger, dueAt, sendAt, windowClosesAt, text, missing, branch?.condition ?? null])).toEqual([
    [t("1"), "2030-06-02T08:00:00.000Z", "2030-06-02T08:00:00.000Z", "2030-06-02T08:10:00.000Z", "Selamat pagi Aisha\n\nOne for Aisha of ", ["town"], null],
    [t("yoga"), "2030-06-03T08:00:00.000Z", "2030-06-03T08:00:00.000Z", "2030-06-03T08:10:00.000Z", "Selamat pagi Aisha\n\nYoga", [], "NICHE_IN"],
    [t("hot"), "2030-06-04T08:00:00.000Z", "2030-06-04T08:00:00.000Z", null, "Hot for Aisha", [], "READ"],
  ]);
  expect([said.end, said.finishesAt]).toEqual(["COMPLETED", "2030-06-04T08:00:00.000Z"]);
  expect(waysOf(await simulate({ sequenceId: id, from, lead: { ...lead, niche: "golf" } }))).toEqual(["1", "2"]);
  expect(waysOf(await simulate({ sequenceId: id, from, lead }))).toEqual(["1", "yoga"]);
  expect(waysOf(await simulate({ sequenceId: hot, from }))).toEqual(["hot"]);
  expect(await everything()).toEqual(before);
});

test("simulateSequence against what a server then really sends, branches and a chained sequence included", async () => {
  const { pool } = server.database;
  for (let n = 0; n < 8; n++) await addDevice(pool, DEFAULT_WORKSPACE_ID, { hourlyLimit: 1000, dailyLimit: 1000 });
  const SOON = 0.0006; // 2.16 s
  const quick = { minDelaySeconds: 0, maxDelaySeconds: 0, stopOnReply: false, triggerDelayHours: SOON };
  await calls.activate(await created({ ...quick, name: "Warm" }, [entry(t("w1"), t("w2")), step(t("w2"))]));
  const id = await created({ ...quick, name: "Cold" }, [
    { ...entry(t("c1"), t("c2")), branches: [{ condition: "ATTRIBUTE_EQUALS", value: { city: "Ipoh" }, nextTrigger: t("c3") }, { condition: "NICHE_IN", value: { niches: ["yoga"] }, nextTrigger: t("w1") }] },
    step(t("c2"), t("c3")),
    step(t("c3"), t("w1")),
  ]);
  expect((await calls.activate(id)).userErrors).toEqual([]);
  const leads = await addLeads(pool, DEFAULT_WORKSPACE_ID, 6);
  await pool.query("UPDATE leads SET attributes = CASE WHEN n % 3 = 0 THEN '{\"city\": \"Ipoh\"}' ELSE '{}' END::jsonb, niche = CASE WHEN n % 3 = 1 THEN 'yoga' END FROM unnest($1::uuid[]) WITH ORDINALITY AS w(lead_id, n) WHERE id = w.lead_id", [leads]);
  const node = await startTestNode({ pool });
  try {
    await pool.query("UPDATE leads SET trigger = $2 WHERE id = ANY ($1)", [leads, t("c1")]);
    node.bell.ring("enrollment");
    const open = async () => query<{ lead_id: string }>(pool, "SELECT lead_id FROM enrollments WHERE status = 'ACTIVE' OR $1 > (SELECT count(*) FROM enrollments)", [leads.length]);
    await eventually(async () => (await query(pool, "SELECT FROM enrollments")).length >= leads.length && (await open()).length === 0, "all have come to the end", 25_000);
  } finally {
    await node.stop();
  }
  const ways = new Set<string>();
  for (const leadId of leads) {
    const sent = await query<{ trigger: string; at: Date; enrolled: Date; text: string }>(
      pool,
      "SELECT st.trigger, f.attempted_at AS at, min(e.created_at) OVER () AS enrolled, f.text FROM flows f JOIN sequence_steps st ON st.id = f.step_id JOIN enrollments e ON e.id = f.enrollment_id WHERE f.lead_id = $1 AND f.status = 'SENT' ORDER BY f.attempted_at",
      [leadId],
    );
    const said = await simulate({ sequenceId: id, leadId: `Lead:${leadId}`, from: sent[0]?.enrolled.toISOString() });
    expect(waysOf(said)).toEqual(sent.map(({ trigger }) => trigger.replace(`${prefix}_`, "")));
    expect(said.messages.map(({ text }: Loose) => text)).toEqual(sent.map(({ text }) => text));
    // Within one cycle of ten seconds, with all the room that a busy machine wants.
    for (const [place, { at }] of sent.entries()) {
      const late = at.getTime() - Date.parse(said.messages[place].sendAt);
      expect(late).toBeGreaterThan(-SECOND_MS / 100);
      expect(late).toBeLessThan(10 * SECOND_MS);
    }
    ways.add(waysOf(said).join(" "));
  }
  expect([...ways].sort()).toEqual(["c1 c2 c3 w1 w2", "c1 c3 w1 w2", "c1 w1 w2"]);
});

test("replies, opt-outs and missing consent end it, and the span too", async () => {
  const { pool } = server.database;
  const id = await created({ triggerDelayHours: 24 }, [entry(t("1"), t("2")), step(t("2"), t("3")), step(t("3"))]);
  const [leadId = ""] = await addLeads(pool, DEFAULT_WORKSPACE_ID, 1);
  const ends = async (more: Record<string, unknown>) => {
    const said = await simulate({ sequenceId: id, ...more });
    return [said.end, said.messages.length];
  };
  expect(await ends({})).toEqual(["COMPLETED", 3]);
  expect(await ends({ assumptions: [{ trigger: t("2"), replied: true }] })).toEqual(["REPLIED", 2]);
  expect(await ends({ days: 1 })).toEqual(["SPAN_OVER", 2]);
  await pool.query("UPDATE workspaces SET require_consent = true WHERE id = $1", [DEFAULT_WORKSPACE_ID]);
  expect(await ends({ leadId: `Lead:${leadId}` })).toEqual(["NO_CONSENT", 0]);
  expect(await ends({ lead: { name: "Somebody new" } })).toEqual(["COMPLETED", 3]);
  await pool.query("UPDATE leads SET opted_out_at = clock_timestamp() WHERE id = $1", [leadId]);
  expect(await ends({ leadId: `Lead:${leadId}` })).toEqual(["OPTED_OUT", 0]);
});

test("a loop that SQL wrote ends, and so does a window that quiet hours cover", async () => {
  const { pool } = server.database;
  const id = await created({ triggerDelayHours: 1 }, [entry(t("1"), t("2")), step(t("2"))]);
  await pool.query("UPDATE sequence_steps SET next_trigger = $1 WHERE trigger = $2", [t("1"), t("2")]);
  const said = await simulate({ sequenceId: id, days: 3650 });
  expect([said.end, said.messages.length]).toEqual(["TOO_MANY_MESSAGES", 1000]);
  const timed = await created({ scheduleTime: "09:00" }, [entry(t("9"))]);
  await pool.query("UPDATE workspaces SET quiet_start = '08:00', quiet_end = '10:00' WHERE id = $1", [DEFAULT_WORKSPACE_ID]);
  expect(await simulate({ sequenceId: timed, leads: 10 })).toMatchObject({ end: "NEVER_OPEN", messages: [], finishesAt: null, capacity: { finishesAt: null, periods: [] } });
});

test("the capacity that is missing is named, window by window", async () => {
  const { pool } = server.database;
  for (const more of [{}, {}, { status: "BANNED" }]) await addDevice(pool, DEFAULT_WORKSPACE_ID, more);
  const from = "2030-06-01T12:00:00.000Z";
  const timed = await created({ name: "Timed", scheduleTime: "09:00", timeZone: "UTC", minDelaySeconds: 14, maxDelaySeconds: 24 }, [entry(t("1"))]);
  const { capacity } = await simulate({ sequenceId: timed, from, leads: 1000 });
  // 2 devices at a message every 20 s: 30 each in ten minutes less ten seconds.
  expect(capacity).toMatchObject({ leads: 1000, devices: 2, missingDevices: 32, isCeilingInTheWay: false });
  expect(capacity.periods[0]).toMatchObject({ sequence: { name: "Timed" }, from: "2030-06-02T09:00:00.000Z", until: "2030-06-02T09:10:00.000Z", due: 1000, capacity: 60, missingDevices: 32 });
  expect(capacity.periods[1].due).toBe(1000 - capacity.periods[0].taken);
  const days = Math.round((Date.parse(capacity.finishesAt) - Date.parse("2030-06-02T09:00:00.000Z")) / DAY_MS);
  expect(days).toBe(Math.ceil(1000 / capacity.periods[0].taken) - 1);

  const any = await created({ name: "Any" }, [entry(t("2"))]);
  expect((await simulate({ sequenceId: any, from, leads: 10_000 })).capacity).toMatchObject({ missingDevices: 11, periods: Array.from({ length: 7 }, () => ({})) });
  await pool.query("UPDATE workspaces SET hourly_ceiling = 100 WHERE id = $1", [DEFAULT_WORKSPACE_ID]);
  expect((await simulate({ sequenceId: any, from, leads: 10_000 })).capacity).toMatchObject({ isCeilingInTheWay: true });
  await pool.query("DELETE FROM devices");
  expect((await simulate({ sequenceId: any, from, leads: 10 })).capacity).toMatchObject({ devices: 0, finishesAt: null, missingDevices: 1 });
});

test("what cannot be rendered is said, and the others are shown", async () => {
  const id = await created({}, [entry(t("1"), t("2"), { text: "{{city}}" }), step(t("2"), null, { text: "Two" })]);
  const { messages } = await simulate({ sequenceId: id });
  expect(messages.map(({ text, problem, missing }: Loose) => [text, problem !== null, missing])).toEqual([[null, true, ["city"]], ["Two", false, []]]);
});

test("wrong input is refused with what would be right", async () => {
  const { pool } = server.database;
  const id = await created({}, [entry(t("1"))]);
  const nobody = crypto.randomUUID();
  expect(await refusal({ sequenceId: id, days: 0 })).toEqual([["BAD_USER_INPUT", "days is 0; write a whole number from 1 to 3650."]]);
  expect(await refusal({ sequenceId: id, leads: 100_000_000 })).toEqual([["BAD_USER_INPUT", expect.stringContaining("write a whole number from 1 to 10000000")]]);
  expect(await refusal({ sequenceId: id, trigger: "elsewhere" })).toEqual([["BAD_USER_INPUT", `No lead begins there; the sequence is entered at ${t("1")}.`]]);
  expect(await refusal({ sequenceId: id, leadId: `Lead:${nobody}` })).toEqual([["BAD_USER_INPUT", expect.stringContaining("There is no lead")]]);
  expect(await refusal({ sequenceId: id, leadId: `Lead:${nobody}`, lead: {} })).toEqual([["BAD_USER_INPUT", expect.stringContaining("not both")]]);
  expect(await refusal({ sequenceId: await created({}, []) })).toEqual([["BAD_USER_INPUT", expect.stringContaining("no entry point")]]);
  // Another workspace's is none.
  const other = await addWorkspace(pool);
  const token = await server.tokenFor(["READ"], other);
  expect((await server.query(SIMULATE, { sequenceId: id }, token)).errors?.[0]?.message).toContain("There is no sequence");
});

test("a step's READ branch is followed where it is assumed alone", async () => {
  const id = await created({}, [{ ...entry(t("1"), t("2")), branches: [READ] }, step(t("2"))]);
  expect(waysOf(await simulate({ sequenceId: id }))).toEqual(["1", "2"]);
  expect(waysOf(await simulate({ sequenceId: id, assumptions: [{ trigger: t("1"), read: true }] }))).toEqual(["1"]);
});
