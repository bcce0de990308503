// Greetings and visible variation, from the workspace's row to the wire.

import type pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { workspaceDb } from "../../src/db/workspace.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Greeting } from "../../src/messages/greeting.ts";
import { loadStyle } from "../../src/messages/preview.ts";
import { previewTemplate } from "../../src/messages/render.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addSequence, addWorkspace, one, query } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { createPuppet } from "../support/puppet.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;
let node: TestNode | undefined;

beforeEach(async () => {
  database = await testDatabase();
  pool = database.pool;
  workspaceId = await addWorkspace(pool, { timeZone: "UTC" });
  await addDevice(pool, workspaceId, { hourlyLimit: 1000, dailyLimit: 1000 });
});
afterEach(async () => {
  await node?.stop();
  node = undefined;
  await database.drop();
});

const setGreetings = (greetings: readonly Greeting[]) => pool.query("UPDATE workspaces SET greetings = $2 WHERE id = $1", [workspaceId, JSON.stringify(greetings)]);
const always = (...templates: string[]) => setGreetings([{ from: "00:00", templates }]);
const setSequence = (id: string, columns: string) => pool.query(`UPDATE sequences SET ${columns} WHERE id = $1`, [id]);
const flows = () => query<{ id: string; lead_id: string; status: string; failure_code: string | null; failure_message: string | null; text: string | null }>(pool, "SELECT id, lead_id, status, failure_code, failure_message, text FROM flows ORDER BY lead_id");
const settled = () => eventually(async () => (await flows()).every(({ status }) => status === "SENT" || status === "FAILED"), "all is settled");

test("a message is greeted by the time of day in the lead's zone, else the sequence's, else the workspace's", async () => {
  // Every hour has a greeting of its own, so that the text says which time it was chosen for.
  const hours = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0"));
  await setGreetings(hours.map((hour) => ({ from: `${hour}:00`, templates: [`${hour} {{name}}`] })));
  const zoned = await addSequence(pool, workspaceId, { steps: [{ trigger: "zoned", text: "Hello" }] });
  const plain = await addSequence(pool, workspaceId, { steps: [{ trigger: "plain", text: "Hello" }] });
  await setSequence(zoned, "greeting = true, time_zone = 'Asia/Kathmandu'");
  await setSequence(plain, "greeting = true");
  const [own, ofSequence] = (await addLeads(pool, workspaceId, 2)) as [string, string];
  const [ofWorkspace] = (await addLeads(pool, workspaceId, 1)) as [string];
  await pool.query("UPDATE leads SET time_zone = 'Pacific/Kiritimati' WHERE id = $1", [own]);
  await pool.query("UPDATE leads SET name = '+60 12-345 6789' WHERE id = $1", [ofWorkspace]);
  const hourIn = async (zone: string) => (await one<{ hour: string }>(pool, "SELECT to_char(clock_timestamp() AT TIME ZONE $1, 'HH24') AS hour", [zone])).hour;
  const zones = { [own]: "Pacific/Kiritimati", [ofSequence]: "Asia/Kathmandu", [ofWorkspace]: "UTC" };
  const now = async () => Object.fromEntries(await Promise.all(Object.entries(zones).map(async ([id, zone]) => [id, await hourIn(zone)])));

  const before = await now();
  const puppet = createPuppet(systemClock);
  node = await startTestNode({ pool, transport: puppet });
  await pool.query("UPDATE leads SET trigger = CASE id WHEN $2 THEN 'plain' ELSE 'zoned' END WHERE workspace_id = $1", [workspaceId, ofWorkspace]);
  await eventually(() => puppet.wire.length === 3, "all are sent");
  await settled();
  const after = await now();
  const names = { [own]: "Lead 0", [ofSequence]: "Lead 1", [ofWorkspace]: "Cik" };
  for (const { id, lead_id, text } of await flows()) {
    // The hour may end while the test runs.
    expect([before, after].map((hour) => `${hour[lead_id]} ${names[lead_id]}\n\nHello`)).toContain(text);
    expect(puppet.wire.find(({ flowId }) => flowId === id)?.text).toBe(text);
  }
});

test("the preview with a flow's id is the text that goes out, and texts vary", async () => {
  await always("Selamat pagi {{name}}", "Hai {{name}}");
  const sequenceId = await addSequence(pool, workspaceId, { steps: [{ trigger: "one", text: "{Come|Join us} in {{city|town}}" }] });
  await setSequence(sequenceId, "greeting = true, visible_variation = true");
  await addLeads(pool, workspaceId, 60, "one");
  node = await startTestNode({ pool, transport: createPuppet(systemClock) });
  await eventually(async () => (await flows()).length === 60, "all are enrolled");
  await settled();
  const style = await loadStyle(workspaceDb(pool, workspaceId), { sequenceId, leadId: null, greeting: null, isVaried: null, at: null });
  const leads = new Map((await query<{ id: string; name: string; phone: string }>(pool, "SELECT id, name, phone FROM leads")).map((lead) => [lead.id, lead]));
  for (const { id, lead_id, text } of await flows()) {
    const { name, phone } = leads.get(lead_id) ?? { name: null, phone: "" };
    expect(previewTemplate("{Come|Join us} in {{city|town}}", { name, phone, niche: null, attributes: {} }, id, style)).toEqual({ text, variants: 32, missing: ["city"] });
  }
  const shapes = new Set((await flows()).map(({ text }) => text?.replace(/Lead \d+/, "Lead")));
  expect(shapes.size).toBeGreaterThan(10);
});

test.each([
  ["the greetings", () => always("Good day {{name}}"), "Good day Cik\n\nHello"],
  ["the form of address", () => pool.query("UPDATE workspaces SET form_of_address = 'Tuan' WHERE id = $1", [workspaceId]), "Hi Tuan\n\nHello"],
  ["whether it greets", () => pool.query("UPDATE sequences SET greeting = false WHERE workspace_id = $1", [workspaceId]), "Hello"],
])("a change of %s changes what is not attempted yet, also where a worker has it already", async (_what, change, expected) => {
  await always("Hi {{name}}");
  const sequenceId = await addSequence(pool, workspaceId, { steps: [{ trigger: "one", text: "Hello" }] });
  await setSequence(sequenceId, "greeting = true");
  await addLeads(pool, workspaceId, 2);
  await pool.query("UPDATE leads SET name = NULL, trigger = 'one'");
  const puppet = createPuppet(systemClock);
  puppet.setFate(() => "hold");
  node = await startTestNode({ pool, transport: puppet });
  await eventually(() => puppet.held.length === 1, "the first is on its way");
  await change();
  puppet.setFate(() => "accept");
  puppet.held[0]?.answer({ kind: "accepted", at: new Date() });
  await eventually(() => puppet.wire.length === 2, "the second is sent");
  expect(puppet.wire.map(({ text }) => text)).toEqual(["Hi Cik\n\nHello", expected]);
});

test("people who have written are greeted, too, while first contacts are held", async () => {
  await always("Hi {{name}}");
  const sequenceId = await addSequence(pool, workspaceId, { steps: [{ trigger: "one", text: "Hello" }] });
  await setSequence(sequenceId, "greeting = true");
  await pool.query("UPDATE workspaces SET first_contacts_held_at = now() WHERE id = $1", [workspaceId]);
  const [leadId] = await addLeads(pool, workspaceId, 1, "one");
  await pool.query("UPDATE leads SET last_replied_at = now() WHERE id = $1", [leadId]);
  const puppet = createPuppet(systemClock);
  node = await startTestNode({ pool, transport: puppet });
  await eventually(() => puppet.wire.length === 1, "it is sent");
  expect(puppet.wire[0]?.text).toBe("Hi Lead 0\n\nHello");
});

test("a greeting that SQL broke fails its flows with TEMPLATE_ERROR, and no others", async () => {
  await always("Hi {name");
  const greeting = await addSequence(pool, workspaceId, { steps: [{ trigger: "greets", text: "Hello" }] });
  await setSequence(greeting, "greeting = true");
  await addSequence(pool, workspaceId, { steps: [{ trigger: "plain", text: "Hello" }] });
  const leadIds = [...(await addLeads(pool, workspaceId, 1, "greets")), ...(await addLeads(pool, workspaceId, 1, "plain"))];
  node = await startTestNode({ pool, transport: createPuppet(systemClock) });
  await eventually(async () => (await flows()).length === 2, "both are enrolled");
  await settled();
  const rows = await flows();
  const [broken, plain] = leadIds.map((id) => rows.find(({ lead_id }) => lead_id === id));
  expect(broken).toMatchObject({ status: "FAILED", failure_code: "TEMPLATE_ERROR", failure_message: expect.stringContaining("The workspace's greeting 'Hi {name' is wrong") });
  expect(plain).toMatchObject({ status: "SENT", text: "Hello" });
});

test.each(["[]", "{}", '"Hi"', "[1]", "[{}]", '[{"from":"5:00","templates":["Hi"]}]', '[{"from":"24:00","templates":["Hi"]}]', '[{"from":"05:00","templates":[]}]', '[{"from":"05:00","templates":"Hi"}]', '[{"from":"05:00","templates":[1]}]', '[{"from":"05:00","templates":["Hi"]},null]', '[[{"from":"05:00","templates":["Hi"]}]]'])(
  "Postgres takes no greetings of another shape: %s",
  async (greetings) => {
    await expect(pool.query("UPDATE workspaces SET greetings = $1", [greetings])).rejects.toThrow("workspaces_greetings");
  },
);
