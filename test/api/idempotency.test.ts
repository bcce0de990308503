// Whatever takes an idempotencyKey has its effect once, and gives the first answer again, also where fifty callers ask at the same time.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { buildSchema, getNamedType, isInputObjectType } from "graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createCampaign } from "../../src/campaigns/service.ts";
import { settleFlows } from "../../src/flows/settle.ts";
import { campaignWrites, valueOf } from "../support/campaign-rows.ts";
import { addDevice, addEnrolled, addLeads, addSequence, addWorkspace, one } from "../support/factories.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

const schema = buildSchema(readFileSync(new URL("../../schema/schema.graphql", import.meta.url), "utf8"));

const AT_ONCE = 50;

type Case = {
  /** Its arguments, without the key; with it where `isInInput`. */
  readonly variables: (of: Fixture) => Record<string, unknown>;
  readonly query: string;
  /** SQL: how many effects there were in the workspace $1. */
  readonly effects: string;
};

type Fixture = { readonly workspaceId: string; readonly sequence: string; readonly campaign: string; readonly draft: string; readonly flow: string; readonly lead: string };

const counted = (table: string, more = "true") => `SELECT count(*)::int AS count FROM ${table} WHERE workspace_id = $1 AND ${more}`;

const CASES: Readonly<Record<string, Case>> = {
  createDevice: { query: "($input: CreateDeviceInput!) { it: createDevice(input: $input) { device { id } userErrors { code message } } }", variables: () => ({ input: { name: "Once" } }), effects: counted("devices", "name = 'Once'") },
  createSequence: { query: "($input: CreateSequenceInput!) { it: createSequence(input: $input) { sequence { id } userErrors { code message } } }", variables: () => ({ input: { name: "Once" } }), effects: counted("sequences", "name = 'Once'") },
  createCampaign: { query: "($input: CreateCampaignInput!) { it: createCampaign(input: $input) { campaign { id } userErrors { code message } } }", variables: () => ({ input: { name: "Once", text: "Hello", audience: {} } }), effects: counted("campaigns", "name = 'Once'") },
  createSequenceStep: {
    query: "($sequenceId: ID!, $input: SequenceStepInput!, $key: String) { it: createSequenceStep(sequenceId: $sequenceId, input: $input, idempotencyKey: $key) { step { id } userErrors { code message } } }",
    variables: ({ draft }) => ({ sequenceId: draft, input: { dayNumber: 9, trigger: "once", text: "Hello" } }),
    effects: counted("sequence_steps", "trigger = 'once'"),
  },
  createLead: { query: "($input: LeadInput!, $key: String) { it: createLead(input: $input, idempotencyKey: $key) { lead { id } userErrors { code message } } }", variables: () => ({ input: { phone: "+60171234567" } }), effects: counted("leads", "phone = '60171234567'") },
  upsertLeads: { query: "($input: [LeadInput!]!, $key: String) { it: upsertLeads(input: $input, idempotencyKey: $key) { created updated leads { id } userErrors { code message } } }", variables: () => ({ input: [{ phone: "+60171234568" }] }), effects: counted("leads", "phone = '60171234568'") },
  setLeadTriggers: {
    query: "($filter: LeadFilter!, $key: String) { it: setLeadTriggers(filter: $filter, triggers: [\"once\"], mode: ADD, idempotencyKey: $key) { affected userErrors { code message } } }",
    variables: ({ lead }) => ({ filter: { ids: [lead] } }),
    effects: counted("leads", "'once' = ANY (string_to_array(trigger, ','))"),
  },
  enrollLeads: { query: "($sequenceId: ID!, $filter: LeadFilter!, $key: String) { it: enrollLeads(sequenceId: $sequenceId, filter: $filter, idempotencyKey: $key) { enrolled skipped userErrors { code message } } }", variables: ({ sequence, lead }) => ({ sequenceId: sequence, filter: { ids: [lead] } }), effects: counted("enrollments") },
  launchCampaign: { query: "($id: ID!, $key: String) { it: launchCampaign(id: $id, idempotencyKey: $key) { campaign { id status } userErrors { code message } } }", variables: ({ campaign }) => ({ id: campaign }), effects: counted("campaign_leads") },
  testCampaign: { query: "($id: ID!, $phone: PhoneNumber!, $key: String) { it: testCampaign(id: $id, phone: $phone, idempotencyKey: $key) { flow { id } userErrors { code message } } }", variables: ({ campaign }) => ({ id: campaign, phone: "+60179876543" }), effects: counted("flows", "campaign_id IS NOT NULL") },
  retryFlow: { query: "($id: ID!, $key: String) { it: retryFlow(id: $id, idempotencyKey: $key) { flow { id } userErrors { code message } } }", variables: ({ flow }) => ({ id: flow }), effects: counted("flows", "retry_of IS NOT NULL") },
  retryFlows: { query: "($filter: FlowFilter!, $key: String) { it: retryFlows(filter: $filter, idempotencyKey: $key) { retried refused userErrors { code message } } }", variables: () => ({ filter: { status: ["FAILED"] } }), effects: counted("flows", "retry_of IS NOT NULL") },
  importLeads: { query: "", variables: () => ({}), effects: counted("lead_imports") },
};

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

/** One thing of each kind, and a message that has failed. */
async function fixture(): Promise<Fixture & { readonly secret: string }> {
  const { pool } = server.database;
  const workspaceId = await addWorkspace(pool);
  await addDevice(pool, workspaceId, { status: "ONLINE" });
  const sequence = await addSequence(pool, workspaceId, { name: "Active", steps: [{ trigger: "a" }] });
  const draft = await addSequence(pool, workspaceId, { name: "Draft", steps: [{ trigger: "b" }], active: false });
  const { leadIds: [failed = ""] } = await addEnrolled(pool, workspaceId, { name: "Earlier", steps: [{ trigger: "c" }, { trigger: "d" }] });
  const { id: flow } = await one<{ id: string }>(pool, "SELECT current_flow_id AS id FROM enrollments WHERE lead_id = $1", [failed]);
  const attemptId = randomUUID();
  await pool.query("UPDATE flows SET queued = false, status = 'PROCESSING', attempted_at = now(), attempt_id = $2 WHERE id = $1", [flow, attemptId]);
  await settleFlows(pool, [{ flowId: flow, attemptId, ending: { kind: "refused", code: "REJECTED", message: "no" } }], 1);
  const [lead = ""] = await addLeads(pool, workspaceId, 1);
  await pool.query("UPDATE leads SET phone = '60179876543' WHERE id = $1", [lead]);
  const campaign = valueOf(
    await createCampaign(campaignWrites(pool, workspaceId), { name: "Draft", text: "Hello", audience: { ids: [lead] }, minDelaySeconds: 5, maxDelaySeconds: 15, greeting: false, visibleVariation: false, variants: [] }),
  );
  const ids = Object.entries({ Sequence: sequence, Campaign: campaign, Flow: flow, Lead: lead }).map(([type, id]) => [type.toLowerCase(), `${type}:${id}`]);
  return { workspaceId, draft: `Sequence:${draft}`, ...Object.fromEntries(ids), secret: await server.tokenFor(["ADMIN"], workspaceId) };
}

async function importLeads(secret: string, key: string): Promise<Loose> {
  const form = new FormData();
  const query = "mutation ($file: File!, $key: String) { it: importLeads(file: $file, idempotencyKey: $key) { leadImport { id } userErrors { code message } } }";
  form.set("operations", JSON.stringify({ query, variables: { file: null, key } }));
  form.set("map", JSON.stringify({ 0: ["variables.file"] }));
  form.set("0", new File(["phone\n+60123456789\n"], "once.csv"));
  const response = await fetch(server.url, { method: "POST", headers: { authorization: `Bearer ${secret}` }, body: form });
  return ((await response.json()) as Loose).data.it;
}

test("has a case for every mutation that takes a key", () => {
  const takers = Object.values(schema.getMutationType()?.getFields() ?? {}).filter(({ args }) =>
    args.some(({ name, type }) => {
      const named = getNamedType(type);
      return name === "idempotencyKey" || (isInputObjectType(named) && "idempotencyKey" in named.getFields());
    }),
  );
  expect(takers.map(({ name }) => name).toSorted()).toEqual(Object.keys(CASES).toSorted());
});

test.each(Object.entries(CASES))("%s, called by fifty at once, has one effect, and one answer", { timeout: 60_000 }, async (name, { query, variables, effects }) => {
  const of = await fixture();
  const before = (await one<{ count: number }>(server.database.pool, effects, [of.workspaceId])).count;
  const given = variables(of);
  const call = async () => {
    if (name === "importLeads") return importLeads(of.secret, "once");
    const withKey = query.includes("$key") ? { ...given, key: "once" } : { input: { ...(given["input"] as object), idempotencyKey: "once" } };
    const { data, errors } = await server.query(`mutation ${query}`, withKey, of.secret);
    expect(errors).toBeUndefined();
    return data.it;
  };
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, call));
  expect(answers[0].userErrors).toEqual([]);
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  const after = (await one<{ count: number }>(server.database.pool, effects, [of.workspaceId])).count;
  expect(after - before).toBe(1);
});
