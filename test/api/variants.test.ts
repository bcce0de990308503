import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, one, query } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { entry, sequenceCalls } from "../support/sequences.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let node: TestNode;
let calls: ReturnType<typeof sequenceCalls>;
beforeAll(async () => {
  server = await testServer();
  calls = sequenceCalls(server);
  const { pool } = server.database;
  for (let n = 0; n < 1000; n++) await addDevice(pool, DEFAULT_WORKSPACE_ID, { hourlyLimit: 1_000_000, dailyLimit: 1_000_000 });
  node = await startTestNode({ pool, settings: { sendConcurrency: 1000 } });
});
afterAll(async () => {
  await node.stop();
  await server.stop();
});

const A = { name: "A", share: 20, text: "Text A for {{name}}" };
const B = { name: "B", share: 30, text: "Text B for {{name}}" };

let trigger: string;
beforeEach(() => {
  trigger = `t${crypto.randomUUID().slice(0, 8)}`;
});

async function running(variants: readonly Record<string, unknown>[]): Promise<{ stepId: string }> {
  const { sequence, userErrors } = await calls.create({ minDelaySeconds: 0, maxDelaySeconds: 0, steps: [{ ...entry(trigger), text: "Own text for {{name}}", variants }] });
  expect(userErrors).toEqual([]);
  await calls.activate(sequence.id);
  return { stepId: sequence.steps[0].id };
}

const resultsOf = async (stepId: string): Promise<Loose[]> => {
  const { data } = await server.query(
    "query ($id: ID!) { node(id: $id) { ... on SequenceStep { variants { name share text } variantResults { variant sent failed delivered read replied optedOut } } } }",
    { id: stepId },
  );
  return data.node.variantResults;
};

const sentOf = async (stepId: string) => (await resultsOf(stepId)).reduce((sum, { sent }) => sum + sent, 0);

test("A/B shares within 1 % over 100,000", async () => {
  const { stepId } = await running([A, B]);
  await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 100_000, trigger);
  node.bell.ring("enrollment");
  // Asked of the counts that are kept: counting all results anew each time would slow what it waits for.
  const sent = async () => (await one<{ sent: number }>(server.database.pool, "SELECT sent::int FROM sequence_totals t JOIN sequence_steps s USING (sequence_id) WHERE s.id = $1", [stepId.replace("SequenceStep:", "")])).sent;
  await eventually(async () => (await sent()) === 100_000, "all are sent", 100_000);
  const shares = (await resultsOf(stepId)).map(({ variant, sent, failed }) => ({ variant, percent: sent / 1000, failed }));
  expect(shares.map(({ variant, failed }) => [variant, failed])).toEqual([[null, 0], ["A", 0], ["B", 0]]);
  for (const [index, wanted] of [50, 20, 30].entries()) expect(Math.abs((shares[index]?.percent ?? 0) - wanted)).toBeLessThan(1);
  // Each was sent the text that it is counted under.
  const texts = await query(server.database.pool, "SELECT variant, split_part(text, ' for', 1) AS text FROM flows WHERE step_id = $1 GROUP BY 1, 2 ORDER BY 1", [stepId.replace("SequenceStep:", "")]);
  expect(texts).toEqual([{ variant: "", text: "Own text" }, { variant: "A", text: "Text A" }, { variant: "B", text: "Text B" }]);
}, 120_000);

test("a person gets the same variant again, and its flow says which", async () => {
  const { stepId } = await running([{ ...A, share: 50 }]);
  const [leadId] = await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 1, trigger);
  const flowsOf = async () =>
    (await server.query("query ($id: ID!) { lead(id: $id) { flows(first: 10) { nodes { status text variant } } } }", { id: `Lead:${leadId}` })).data.lead.flows.nodes;
  for (const times of [1, 2, 3]) {
    node.bell.ring("enrollment");
    await eventually(async () => (await sentOf(stepId)) === times, "it is sent");
    await eventually(async () => (await one<{ trigger: string | null }>(server.database.pool, "SELECT trigger FROM leads WHERE id = $1", [leadId])).trigger === null, "it has ended");
    if (times < 3) await server.database.pool.query("UPDATE leads SET trigger = $2 WHERE id = $1", [leadId, trigger]);
  }
  const flows = await flowsOf();
  expect(flows).toHaveLength(3);
  expect(new Set(flows.map((flow: Loose) => JSON.stringify(flow))).size).toBe(1);
  expect(flows[0].text.startsWith(flows[0].variant === "A" ? "Text A" : "Own text")).toBe(true);
});

test("results tell what people did within a week, under the variant that they got", async () => {
  const { pool } = server.database;
  const { stepId } = await running([{ ...A, share: 100 }]);
  const ids = await addLeads(pool, DEFAULT_WORKSPACE_ID, 4, trigger);
  node.bell.ring("enrollment");
  await eventually(async () => (await sentOf(stepId)) === 4, "all are sent");
  const { id: deviceId } = await one<{ id: string }>(pool, "SELECT id FROM devices LIMIT 1");
  const reply = async (lead: string | undefined, when: string) => {
    await pool.query("INSERT INTO replies (workspace_id, device_id, message_id, lead_id, text, opted_out, at) SELECT $1, $2, gen_random_uuid(), $3, 'Yes', false, clock_timestamp() + $4::interval", [DEFAULT_WORKSPACE_ID, deviceId, lead, when]);
    await pool.query("UPDATE leads SET last_replied_at = clock_timestamp() + $2::interval WHERE id = $1", [lead, when]);
  };
  await reply(ids[0], "1 hour");
  await reply(ids[1], "8 days");
  await pool.query("UPDATE leads SET opted_out_at = clock_timestamp() WHERE id = $1", [ids[2]]);
  await pool.query("UPDATE flows SET delivered_at = clock_timestamp(), read_at = CASE WHEN lead_id = $2 THEN clock_timestamp() END WHERE lead_id = ANY ($1)", [ids, ids[0]]);
  expect(await resultsOf(stepId)).toEqual([{ variant: "A", sent: 4, failed: 0, delivered: 4, read: 1, replied: 1, optedOut: 1 }]);
});

test("wrong variants are refused with their place, and change nothing", async () => {
  const { userErrors } = await calls.create({ steps: [{ ...entry(trigger), variants: [A, { ...A, share: 90, text: "Hi {name" }] }] });
  expect(userErrors.map(({ code, field }: Loose) => ({ code, field }))).toEqual([
    { code: "INVALID", field: ["input", "steps", "0", "variants", "1", "name"] },
    { code: "INVALID", field: ["input", "steps", "0", "variants", "1", "text"] },
    { code: "INVALID", field: ["input", "steps", "0", "variants"] },
  ]);
  const { sequence } = await calls.create({ steps: [{ ...entry(trigger), variants: [A] }] });
  const step = sequence.steps[0].id;
  const update = async (variants: unknown) =>
    (await server.query("mutation ($input: UpdateSequenceStepInput!) { updateSequenceStep(input: $input) { step { variants { name } } userErrors { field } } }", { input: { id: step, variants } })).data.updateSequenceStep;
  expect((await update([{ ...A, share: 101 }])).userErrors).toMatchObject([{ field: ["input", "variants", "0", "share"] }, { field: ["input", "variants"] }]);
  expect((await update([A, B])).step.variants).toEqual([{ name: "A" }, { name: "B" }]);
  expect((await update([])).step.variants).toEqual([]);
});

test("a change of a variant raises the revision that an attempt asks for", async () => {
  const revision = async (id: string) => (await one<{ revision: number }>(server.database.pool, "SELECT revision FROM sequences WHERE id = $1", [id.replace("Sequence:", "")])).revision;
  const { sequence } = await calls.create({ steps: [{ ...entry(trigger), variants: [A] }] });
  const before = await revision(sequence.id);
  await server.query("mutation ($input: UpdateSequenceStepInput!) { updateSequenceStep(input: $input) { userErrors { field } } }", { input: { id: sequence.steps[0].id, variants: [{ ...A, text: "New" }] } });
  expect(await revision(sequence.id)).toBeGreaterThan(before);
});
