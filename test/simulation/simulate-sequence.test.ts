// What simulateSequence says of people, held against what they are then sent: by the real dispatcher, in virtual time, on a real Postgres.

import { drizzle } from "drizzle-orm/node-postgres";
import { graphql } from "graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Tx } from "../../src/db/workspace.ts";
import { schema } from "../../src/graphql/schema.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import type { Loose } from "../support/server.ts";
import { type SimulatedDatabase, type Statement, startSimulatedDatabase } from "./database.ts";
import { createQuiet } from "./quiet.ts";
import { setStage } from "./run.ts";
import { type Db, FAULTLESS, type Lead, type Scenario, type Sequence, type Workspace } from "./scenario.ts";

const CYCLE_MS = 10 * SECOND_MS;

const CALM: Omit<Scenario, "startAt"> = {
  nodes: 1,
  dispatchIntervalMs: CYCLE_MS,
  sendConcurrency: 100,
  maxDevices: 3000,
  enrollBatch: 1000,
  minStepDelayHours: 1,
  troubleMs: 0,
  faults: FAULTLESS,
};

type StepSpec = { trigger: string; next?: string; delayHours?: number; entry?: boolean; branches?: readonly Record<string, unknown>[] };
type SequenceSpec = { name: string; steps: readonly StepSpec[]; time?: string; zone?: string; startDelayMinutes?: number; greeting?: boolean };

const ipoh = (nextTrigger: string | null) => ({ condition: "ATTRIBUTE_EQUALS", value: { city: "Ipoh" }, nextTrigger });
const yoga = (nextTrigger: string | null) => ({ condition: "NICHE_IN", value: { niches: ["yoga", "pilates"] }, nextTrigger });
const unread = (nextTrigger: string | null) => ({ condition: "READ", value: null, nextTrigger });

/** COLD has a window, and branches into WARM, which has none; WARM leads on to HOT, which has one in a zone of its own, and branches as well. */
const SEQUENCES: readonly SequenceSpec[] = [
  {
    name: "cold",
    time: "09:00",
    startDelayMinutes: 90,
    greeting: true,
    steps: [
      { trigger: "cold1", next: "cold2", entry: true },
      { trigger: "cold2", next: "cold3", delayHours: 36, branches: [ipoh("warm1"), unread("hot1"), yoga("cold4")] },
      { trigger: "cold3", next: "warm1" },
      { trigger: "cold4", branches: [ipoh("hot1"), yoga(null)] },
    ],
  },
  {
    name: "warm",
    steps: [
      { trigger: "warm1", next: "warm2", delayHours: 5 },
      { trigger: "warm2", next: "warm3", delayHours: 7, branches: [yoga("hot1"), unread(null)] },
      { trigger: "warm3", next: "hot1", delayHours: 1.5 },
    ],
  },
  {
    name: "hot",
    time: "20:30",
    zone: "America/New_York",
    steps: [
      { trigger: "hot1", next: "hot2", delayHours: 24 },
      { trigger: "hot2", next: "hot3", delayHours: 48, branches: [yoga(null)] },
      { trigger: "hot3" },
    ],
  },
];

const PEOPLE = ["Asia/Kuala_Lumpur", "Europe/London", "America/Santiago", null].flatMap((timeZone) => [
  { timeZone, niche: null, attributes: { city: "Ipoh" } },
  { timeZone, niche: "yoga", attributes: {} },
  { timeZone, niche: "pilates", attributes: { city: "Ipoh" } },
  { timeZone, niche: null, attributes: { city: "Johor" } },
]);

type Rules = { quiet: readonly [string, string] | null; cap: readonly [number, number] | null };

async function fill(db: Db, { quiet, cap }: Rules): Promise<Workspace[]> {
  const add = async (text: string, values: unknown[]) => (await db.query<{ id: string }>(text, values)).rows[0]?.id as string;
  const id = await add("INSERT INTO workspaces (name, quiet_start, quiet_end, cap_messages, cap_hours) VALUES ('Dry', $1, $2, $3, $4) RETURNING id", [...(quiet ?? [null, null]), ...(cap ?? [null, null])]);
  const devices = [];
  for (const _ of PEOPLE) devices.push({ id: await add("INSERT INTO devices (workspace_id, name, transport) VALUES ($1, 'Device', 'SIMULATOR') RETURNING id", [id]), hourlyLimit: 80, dailyLimit: 800 });
  const sequences: Sequence[] = [];
  for (const { name, steps, time = null, zone = null, startDelayMinutes = 0, greeting = false } of SEQUENCES) {
    const text = `INSERT INTO sequences (workspace_id, name, schedule_time, time_zone, start_delay_minutes, greeting, stop_on_reply, min_delay_seconds, max_delay_seconds) VALUES ($1, $2, $3, $4, $5, $6, false, 0, 1) RETURNING id`;
    const sequenceId = await add(text, [id, name, time, zone, startDelayMinutes, greeting]);
    for (const [day, { trigger, next = null, delayHours = null, entry = false, branches = [] }] of steps.entries()) {
      await db.query(
        `INSERT INTO sequence_steps (workspace_id, sequence_id, day_number, trigger, next_trigger, trigger_delay_hours, is_entry_point, message_text, branches) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
        [id, sequenceId, day + 1, trigger, next, delayHours, entry || trigger === "warm1" || trigger === "hot1", `${trigger} for {{name}}, {{niche|nobody}}`, JSON.stringify(branches)],
      );
    }
    sequences.push({ id: sequenceId, prefix: name, steps: [], minDelaySeconds: 0, scheduleTime: time, toleranceMinutes: 10, timeZone: zone });
  }
  for (const sequence of sequences) await db.query("UPDATE sequences SET is_active = true WHERE id = $1", [sequence.id]);
  const leads: Lead[] = [];
  for (const [n, { timeZone, niche, attributes }] of PEOPLE.entries()) {
    const phone = `6011${String(n).padStart(7, "0")}`;
    const text = "INSERT INTO leads (workspace_id, phone, name, time_zone, niche, attributes, trigger) VALUES ($1, $2, $3, $4, $5, $6, 'cold1') RETURNING id";
    leads.push({ id: await add(text, [id, phone, `Lead ${n}`, timeZone, niche, JSON.stringify(attributes)]), phone, timeZone });
  }
  return [{ id, timeZone: "Asia/Kuala_Lumpur", quiet, cap: cap && { messages: cap[0], hours: cap[1] }, ceiling: null, devices, sequences, leads }];
}

let database: SimulatedDatabase;
beforeAll(async () => {
  database = await startSimulatedDatabase();
});
afterAll(() => database.stop());

/** Asked through GraphQL, at this moment of virtual time. */
async function ask(at: number, workspaceId: string, query: string, variableValues: Record<string, unknown>): Promise<Loose> {
  let last: Promise<unknown> = Promise.resolve();
  const execute = (given: string | Statement, values?: unknown[]) => {
    const statement = typeof given === "string" ? { text: given, values } : { ...given, values: values ?? given.values };
    const answer = last.then(() => database.execute(at, statement)); // one after the other, as a client of its own would
    last = answer;
    return answer;
  };
  const $client = { query: execute };
  const db = { id: workspaceId, read: (work: (tx: Tx) => unknown) => work(drizzle($client as never) as unknown as Tx) };
  const access = { workspaceId, scopes: ["ADMIN"] };
  const { data, errors } = await graphql({ schema, source: query, variableValues, contextValue: { db, access, minStepDelayHours: CALM.minStepDelayHours } });
  expect(errors).toBeUndefined();
  return data;
}

const SIMULATE = `query ($sequenceId: ID!, $leadId: ID!, $from: DateTime!, $assumptions: [SimulationAssumptionInput!]!) {
  simulateSequence(sequenceId: $sequenceId, leadId: $leadId, from: $from, assumptions: $assumptions) { end finishesAt messages { step { trigger } sequence { name } dueAt sendAt windowClosesAt text branch { condition } } } }`;

const RULES: readonly (Rules & { readonly rules: string })[] = [
  { rules: "windows alone", quiet: null, cap: null },
  { rules: "a frequency cap", quiet: null, cap: [1, 30] },
  { rules: "quiet hours and a frequency cap", quiet: ["22:30", "07:15"], cap: [2, 40] },
];

test.for(RULES)("simulateSequence against what then really happens, with $rules", { timeout: 300_000 }, async (rules) => {
  // London and New York put their clocks forward within the days to come, Santiago back.
  const scenario = { ...CALM, startAt: Date.UTC(2030, 2, 7, 3, 17, 23) };
  const stage = await setStage({ database, seed: 0, scenario, fill: (db) => fill(db, rules) });
  const { world, wire, workspaces, problem } = stage;
  const [{ id: workspaceId, leads, sequences }] = workspaces as [Workspace];

  // Asked before anything was sent, of somebody who will have read the messages that are read below.
  const said: Loose[] = [];
  for (const [n, { id }] of leads.entries()) {
    const assumptions = n % 3 === 0 ? [{ trigger: "cold2", read: true }, { trigger: "warm2", read: true }] : [];
    const variables = { sequenceId: `Sequence:${sequences[0]?.id}`, leadId: `Lead:${id}`, from: new Date(scenario.startAt).toISOString(), assumptions };
    said.push({ ...(await ask(scenario.startAt, workspaceId, SIMULATE, variables)).simulateSequence, reads: assumptions.length > 0 });
  }

  const readers = new Set(leads.filter((_, n) => said[n]?.reads).map(({ phone }) => phone));
  const toRead: string[] = [];
  wire.onWrite = (message) => {
    if (readers.has(message.phone) && /^(?:.*\n\n)?(?:cold2|warm2) /s.test(message.text)) toRead.push(message.flowId);
  };
  const quiet = createQuiet({ ...stage, scenario, onStill: async () => {} });
  while (problem() === null) {
    await world.step();
    for (const flowId of toRead.splice(0)) {
      const read = () => void database.execute(world.now(), { text: "UPDATE flows SET read_at = clock_timestamp() WHERE id = $1", values: [flowId] });
      world.after(MINUTE_MS, null, "a message is read", read);
    }
    if (await quiet()) break;
  }
  expect({ problem: problem(), lastEvents: problem() === null ? [] : world.trace.last(100) }).toEqual({ problem: null, lastEvents: [] });

  let flows = 0;
  for (const [n, { phone }] of leads.entries()) {
    const happened = wire.written.filter((message) => message.phone === phone);
    const messages: Loose[] = said[n].messages;
    const shown = (times: readonly number[]) => times.map((at) => new Date(at).toISOString());
    const context = { rules: rules.rules, person: PEOPLE[n], said: messages.map(({ step, sendAt }) => [step.trigger, sendAt]), sent: shown(happened.map(({ at }) => at)) };
    // The very texts, greeting and all, in their order.
    expect({ ...context, texts: happened.map(({ text }) => text) }).toEqual({ ...context, texts: messages.map(({ text }) => text) });
    const late = happened.map(({ at }, place) => at - Date.parse(messages[place].sendAt)).filter((ms) => ms < 0 || ms > CYCLE_MS);
    expect({ ...context, late }).toEqual({ ...context, late: [] });
    expect(said[n].end).toBe("COMPLETED");
    expect(happened.at(-1)?.at ?? 0).toBeLessThan(Date.parse(said[n].finishesAt) + HOUR_MS / 60);
    flows += happened.length;
  }
  // They went different ways: by every branch, and through all three sequences.
  const ways = new Set(said.map(({ messages }) => messages.map(({ step }: Loose) => step.trigger).join(" ")));
  expect(ways.size).toBeGreaterThan(4);
  expect(new Set(said.flatMap(({ messages }) => messages.map(({ branch }: Loose) => branch?.condition ?? null)))).toEqual(new Set([null, "ATTRIBUTE_EQUALS", "NICHE_IN", "READ"]));
  expect(flows).toBeGreaterThan(50);
});

const CAPACITY = `query ($sequenceId: ID!, $from: DateTime!, $leads: Int!) {
  simulateSequence(sequenceId: $sequenceId, from: $from, leads: $leads) { finishesAt capacity { devices finishesAt missingDevices periods { from until due taken capacity missingDevices } } } }`;

test("the finish date of more leads than the devices can send to in a window is the day on which the last one is sent", { timeout: 300_000 }, async () => {
  const LEADS = 150;
  const scenario = { ...CALM, startAt: Date.UTC(2030, 5, 3, 0, 0, 0) };
  const fillMany = async (db: Db): Promise<Workspace[]> => {
    const add = async (text: string, values: unknown[]) => (await db.query<{ id: string }>(text, values)).rows[0]?.id as string;
    const id = await add("INSERT INTO workspaces (name) VALUES ('Many') RETURNING id", []);
    const devices = [];
    for (let n = 0; n < 2; n++) devices.push({ id: await add("INSERT INTO devices (workspace_id, name, transport) VALUES ($1, 'Device', 'SIMULATOR') RETURNING id", [id]), hourlyLimit: 80, dailyLimit: 800 });
    const sequenceId = await add("INSERT INTO sequences (workspace_id, name, schedule_time, min_delay_seconds, max_delay_seconds) VALUES ($1, 'Many', '09:00', 10, 31) RETURNING id", [id]);
    await db.query("INSERT INTO sequence_steps (workspace_id, sequence_id, day_number, trigger, next_trigger, is_entry_point, message_text) VALUES ($1, $2, 1, 'm1', 'm2', true, 'm1 Hi'), ($1, $2, 2, 'm2', NULL, false, 'm2 Hi')", [id, sequenceId]);
    await db.query("UPDATE sequences SET is_active = true WHERE id = $1", [sequenceId]);
    await db.query("INSERT INTO leads (workspace_id, phone, trigger) SELECT $1, (60110000000 + n)::text, 'm1' FROM generate_series(1, $2::int) AS n", [id, LEADS]);
    return [{ id, timeZone: "Asia/Kuala_Lumpur", quiet: null, cap: null, ceiling: null, devices, sequences: [{ id: sequenceId, prefix: "m", steps: [], minDelaySeconds: 10, scheduleTime: "09:00", toleranceMinutes: 10, timeZone: null }], leads: [] }];
  };
  const stage = await setStage({ database, seed: 0, scenario, fill: fillMany });
  const { world, wire, workspaces, problem } = stage;
  const [{ id, sequences }] = workspaces as [Workspace];
  const variables = { sequenceId: `Sequence:${sequences[0]?.id}`, from: new Date(scenario.startAt).toISOString(), leads: LEADS };
  const { finishesAt, capacity } = (await ask(scenario.startAt, id, CAPACITY, variables)).simulateSequence;
  // 2 devices, a message every 21.5 s, ten minutes without the last ten seconds: 28 each and window; each person twice.
  expect(capacity.devices).toBe(2);
  expect(capacity.periods[0]).toMatchObject({ due: LEADS, capacity: 56, missingDevices: 4 });
  expect(capacity.missingDevices).toBe(4);
  expect(Date.parse(finishesAt)).toBe(Date.UTC(2030, 5, 4, 1));

  wire.onWrite = () => {};
  const quiet = createQuiet({ ...stage, scenario, onStill: async () => {} });
  while (problem() === null) {
    await world.step();
    // Passed over, a device's pause would be the longest each time.
    const timeOfDay = world.now() % DAY_MS;
    if (timeOfDay >= HOUR_MS && timeOfDay < HOUR_MS + 10 * MINUTE_MS) continue;
    if (await quiet()) break;
  }
  expect(problem()).toBeNull();
  expect(wire.written).toHaveLength(2 * LEADS);
  const days = (times: readonly number[]) => [...Map.groupBy(times, (at) => Math.floor(at / DAY_MS))].map(([day, all]) => [day, all.length]);
  const said = capacity.periods.flatMap(({ from, taken }: Loose) => Array<number>(taken).fill(Date.parse(from)));
  // Window by window within what chance does to the pauses; to the day at the end.
  expect(Math.abs((days(said)[0]?.[1] ?? 0) - (days(wire.written.map(({ at }) => at))[0]?.[1] ?? 0))).toBeLessThanOrEqual(6);
  expect(Math.floor(Date.parse(capacity.finishesAt) / DAY_MS)).toBe(Math.floor((wire.written.at(-1)?.at ?? 0) / DAY_MS));
});
