import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, one, query } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { sequenceCalls } from "../support/sequences.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let node: TestNode;
let calls: ReturnType<typeof sequenceCalls>;
beforeAll(async () => {
  server = await testServer({ minStepDelayHours: 0 });
  calls = sequenceCalls(server);
  await addDevice(server.database.pool, DEFAULT_WORKSPACE_ID, { hourlyLimit: 10_000, dailyLimit: 10_000 });
  node = await startTestNode({ pool: server.database.pool });
});
afterAll(async () => {
  await node.stop();
  await server.stop();
});

/** Triggers of this test alone. */
let t: (name: string) => string;
beforeEach(() => {
  const prefix = crypto.randomUUID().slice(0, 8);
  t = (name) => `${prefix}_${name}`;
});

type To = { readonly condition: string; readonly value?: Record<string, unknown>; readonly to: string | null };
type Way = { readonly next?: string | null; readonly branches?: readonly To[]; readonly hours?: number };

/** A sequence of steps by their names, each with where it leads; the text of a step is its name. */
async function running(ways: Readonly<Record<string, Way>>, more: Record<string, unknown> = {}): Promise<string> {
  const { sequence, userErrors } = await calls.create({
    minDelaySeconds: 0,
    maxDelaySeconds: 0,
    stopOnReply: false,
    ...more,
    steps: Object.entries(ways).map(([name, { next = null, branches = [], hours = 0 }], index) => ({
      dayNumber: index + 1,
      trigger: t(name),
      nextTrigger: next === null ? null : t(next),
      triggerDelayHours: hours,
      isEntryPoint: index === 0,
      text: name,
      branches: branches.map(({ to, ...branch }) => ({ ...branch, nextTrigger: to === null ? null : t(to) })),
    })),
  });
  expect(userErrors).toEqual([]);
  await calls.activate(sequence.id);
  return sequence.id;
}

async function enrol(name: string, columns: Record<string, unknown> = {}): Promise<string> {
  const [id = ""] = await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 1);
  await server.database.pool.query(
    `UPDATE leads SET trigger = $2, niche = $3, attributes = $4 WHERE id = $1`,
    [id, t(name), columns["niche"] ?? null, JSON.stringify(columns["attributes"] ?? {})],
  );
  node.bell.ring("enrollment");
  return id;
}

/** The texts that the lead was sent, once nothing waits for it any more. */
async function sentTo(leadId: string): Promise<string[]> {
  const { pool } = server.database;
  const open = () => query(pool, "SELECT FROM leads l WHERE l.id = $1 AND (l.trigger IS NOT NULL OR EXISTS (SELECT FROM enrollments e WHERE e.lead_id = l.id AND e.status IN ('ACTIVE', 'PAUSED')))", [leadId]);
  await eventually(async () => (await open()).length === 0, "all is sent");
  return (await query<{ text: string }>(pool, "SELECT text FROM flows WHERE lead_id = $1 AND status = 'SENT' ORDER BY attempted_at", [leadId])).map(({ text }) => text);
}

const CITY = (city: string, to: string | null) => ({ condition: "ATTRIBUTE_EQUALS", value: { city }, to });
const NICHES = (niches: string[], to: string | null) => ({ condition: "NICHE_IN", value: { niches }, to });

describe("which step follows", () => {
  test("the order of branches: the first whose condition holds is taken, and else the next trigger", async () => {
    await running({
      first: { next: "else", branches: [CITY("Ipoh", "ipoh"), NICHES(["fitness", "yoga"], "sport"), CITY("Penang", null)] },
      else: {},
      ipoh: {},
      sport: {},
    });
    const cases: [Record<string, unknown>, string[]][] = [
      [{ attributes: { city: "Ipoh" }, niche: "yoga" }, ["first", "ipoh"]],
      [{ attributes: { city: "Penang" }, niche: "yoga" }, ["first", "sport"]],
      [{ attributes: { city: "Penang" }, niche: "food" }, ["first"]],
      [{ attributes: { city: "Kuching" } }, ["first", "else"]],
      [{}, ["first", "else"]],
    ];
    const leads = await Promise.all(cases.map(([columns]) => enrol("first", columns)));
    expect(await Promise.all(leads.map(sentTo))).toEqual(cases.map(([, texts]) => texts));
  });

  test("is decided when it is due: by what was read and replied until then", async () => {
    await running({
      first: { next: "silent", hours: 1, branches: [{ condition: "REPLIED_SINCE", to: "replied" }, { condition: "READ", to: "read" }] },
      silent: {},
      replied: {},
      read: {},
    });
    const { pool } = server.database;
    const [silent, replied, read, before] = await Promise.all([0, 1, 2, 3].map(() => enrol("first")));
    const waiting = (id: string | undefined) =>
      one<{ waiting: boolean }>(pool, "SELECT EXISTS (SELECT FROM flows WHERE lead_id = $1 AND status = 'ACTIVE' AND undecided AND NOT queued) AS waiting", [id]).then((row) => row.waiting);
    const all = [silent, replied, read, before];
    await eventually(async () => (await Promise.all(all.map(waiting))).every(Boolean), "all wait, undecided");
    const { data } = await server.query("query ($id: ID!) { lead(id: $id) { flows(first: 5, filter: { status: ACTIVE }) { nodes { id step { id } waitingFor { reason } } } } }", { id: `Lead:${silent}` });
    expect(data.lead.flows.nodes).toMatchObject([{ step: null, waitingFor: [{ reason: "NOT_DUE" }] }]);
    expect((await server.query("mutation ($id: ID!) { cancelFlow(id: $id) { userErrors { code message } } }", { id: data.lead.flows.nodes[0].id })).data.cancelFlow.userErrors).toMatchObject([{ code: "INVALID_STATE" }]);
    await pool.query("UPDATE leads SET last_replied_at = clock_timestamp() WHERE id = $1", [replied]);
    await pool.query("UPDATE leads SET last_replied_at = clock_timestamp() - interval '1 day' WHERE id = $1", [before]);
    await pool.query("UPDATE flows SET read_at = clock_timestamp() WHERE lead_id = $1 AND status = 'SENT'", [read]);
    await pool.query("UPDATE flows SET due_at = clock_timestamp() WHERE lead_id = ANY ($1) AND undecided", [all]);
    expect(await Promise.all(all.map((id) => sentTo(String(id))))).toEqual([["first", "silent"], ["first", "replied"], ["first", "read"], ["first", "silent"]]);
  });

  test("leads into another sequence, once, and is counted there", async () => {
    const warm = await running({ warm: {} });
    const cold = await running({ cold: { next: null, branches: [CITY("Ipoh", "warm")] } });
    const [goes, ends] = [await enrol("cold", { attributes: { city: "Ipoh" } }), await enrol("cold")];
    expect(await sentTo(goes)).toEqual(["cold", "warm"]);
    expect(await sentTo(ends)).toEqual(["cold"]);
    const progress = async (id: string) => (await server.query("query ($id: ID!) { sequence(id: $id) { progress { enrolled active completed flowsSent } } }", { id })).data.sequence.progress;
    expect(await progress(cold)).toEqual({ enrolled: 2, active: 0, completed: 2, flowsSent: 2 });
    expect(await progress(warm)).toEqual({ enrolled: 1, active: 0, completed: 1, flowsSent: 1 });
    const { data } = await server.query("query ($id: ID!) { lead(id: $id) { enrollments { nodes { status flows { text status } } } } }", { id: `Lead:${goes}` });
    expect(data.lead.enrollments.nodes.map((each: Loose) => each.flows)).toEqual([[{ text: "warm", status: "SENT" }], [{ text: "cold", status: "SENT" }]]);
  });

  test("goes past a step that was removed meanwhile, also where it was a branch's", async () => {
    await running({ first: { next: "else", hours: 1, branches: [CITY("Ipoh", "ipoh")] }, else: {}, ipoh: { next: "last" }, last: {} });
    const lead = await enrol("first", { attributes: { city: "Ipoh" } });
    const { pool } = server.database;
    await eventually(async () => (await query(pool, "SELECT FROM flows WHERE lead_id = $1 AND undecided", [lead])).length === 1, "it waits");
    const { id } = await one<{ id: string }>(pool, "SELECT id FROM sequence_steps WHERE trigger = $1", [t("ipoh")]);
    expect((await server.query("mutation ($id: ID!) { deleteSequenceStep(id: $id) { sequence { steps { trigger branches { nextTrigger } } } userErrors { message } } }", { id: `SequenceStep:${id}` })).data.deleteSequenceStep).toMatchObject({
      sequence: { steps: [{ trigger: t("first"), branches: [{ nextTrigger: t("last") }] }, {}, {}] },
      userErrors: [],
    });
    await pool.query("UPDATE flows SET due_at = clock_timestamp() WHERE lead_id = $1 AND undecided", [lead]);
    expect(await sentTo(lead)).toEqual(["first", "last"]);
  });

  test("waits with a paused enrolment, and keeps what remained of its delay", async () => {
    await running({ first: { next: "else", hours: 1, branches: [CITY("Ipoh", "ipoh")] }, else: {}, ipoh: {} });
    const lead = await enrol("first", { attributes: { city: "Ipoh" } });
    const { pool } = server.database;
    const flow = () => one<{ undecided: boolean; queued: boolean; minutes: number }>(pool, "SELECT undecided, queued, round(extract(epoch FROM due_at - clock_timestamp()) / 60)::int AS minutes FROM flows WHERE lead_id = $1 AND status = 'ACTIVE'", [lead]);
    await eventually(async () => (await query(pool, "SELECT FROM flows WHERE lead_id = $1 AND undecided", [lead])).length === 1, "it waits");
    const enrollment = (await one<{ id: string }>(pool, "SELECT id FROM enrollments WHERE lead_id = $1", [lead])).id;
    const change = (what: string) => server.query(`mutation ($id: ID!) { ${what}(id: $id) { userErrors { message } } }`, { id: `Enrollment:${enrollment}` });
    await change("pauseEnrollment");
    expect(await flow()).toMatchObject({ undecided: false, queued: false });
    await pool.query("UPDATE enrollments SET paused_lane_time = paused_lane_time - interval '30 minutes' WHERE id = $1", [enrollment]);
    await change("resumeEnrollment");
    expect(await flow()).toEqual({ undecided: true, queued: false, minutes: 90 });
    await pool.query("UPDATE flows SET due_at = clock_timestamp() WHERE lead_id = $1 AND undecided", [lead]);
    expect(await sentTo(lead)).toEqual(["first", "ipoh"]);
  });
});

describe("branches are refused", () => {
  const step = (name: string, more: Record<string, unknown> = {}) => ({ dayNumber: 1, trigger: t(name), isEntryPoint: name === "a", text: name, ...more });

  test("with their place where they are wrong, lead nowhere, or in a loop", async () => {
    const { userErrors } = await calls.create({
      stopOnReply: false,
      steps: [
        step("a", { nextTrigger: t("b"), branches: [{ condition: "ATTRIBUTE_EQUALS" }, { condition: "READ", nextTrigger: t("nowhere") }] }),
        step("b", { branches: [{ condition: "READ", nextTrigger: t("a") }] }),
      ],
    });
    expect(userErrors.map(({ field, message }: Loose) => [field.slice(1).join("."), message])).toEqual([
      ["steps.0.branches.0.value", expect.stringContaining("ATTRIBUTE_EQUALS compares")],
      ["steps.0.branches.1.nextTrigger", expect.stringContaining("branch 2: no step has the next trigger")],
      ["steps.1.nextTrigger", expect.stringContaining("lead in a loop")],
    ]);
  });

  test("where who replies leaves the sequence anyway", async () => {
    const { userErrors } = await calls.create({ steps: [step("a", { branches: [{ condition: "REPLIED_SINCE", nextTrigger: null }] })] });
    expect(userErrors).toMatchObject([{ field: ["input", "steps", "0", "branches", "0", "condition"] }]);
  });

  test("by SQL in another shape, whoever writes them", async () => {
    await running({ first: {} });
    const write = (branches: unknown) => server.database.pool.query("UPDATE sequence_steps SET branches = $2 WHERE trigger = $1", [t("first"), JSON.stringify(branches)]);
    await expect(write([{ condition: "MOON", value: null, nextTrigger: null }])).rejects.toThrow("sequence_steps_branches");
    await expect(write({})).rejects.toThrow("sequence_steps_branches");
    await write([{ condition: "READ", value: null, nextTrigger: null }]);
  });
});
