import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { entry, sequenceCalls, step } from "../support/sequences.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let node: TestNode;
let calls: ReturnType<typeof sequenceCalls>;
beforeAll(async () => {
  server = await testServer({ minStepDelayHours: 0 });
  calls = sequenceCalls(server);
  await addDevice(server.database.pool, DEFAULT_WORKSPACE_ID, { hourlyLimit: 1000, dailyLimit: 1000 });
  node = await startTestNode({ pool: server.database.pool });
});
afterAll(async () => {
  await node.stop();
  await server.stop();
});

let prefix: string;
beforeEach(() => {
  prefix = `t${crypto.randomUUID().slice(0, 8)}`;
});
const t = (name: string) => `${prefix}_${name}`;
let phones = 60_120_000_000;

const upsert = async (fields: Record<string, unknown>): Promise<string> => {
  const { data } = await server.query("mutation ($input: [LeadInput!]!) { upsertLeads(input: $input) { leads { id } userErrors { message } } }", { input: [{ phone: `+${phones++}`, ...fields }] });
  expect(data.upsertLeads.userErrors).toEqual([]);
  return data.upsertLeads.leads[0].id;
};

/** The triggers of the steps that the lead was sent, in their order. */
const sentTo = async (id: string): Promise<string[]> => {
  const { data } = await server.query("query ($id: ID!) { lead(id: $id) { enrollments(first: 10) { nodes { status flows { status step { trigger } } } } } }", { id });
  const enrollments: Loose[] = data.lead.enrollments.nodes;
  if (enrollments.length === 0 || enrollments.some(({ status }) => status === "ACTIVE")) return [];
  return enrollments.flatMap(({ flows }) => flows.filter(({ status }: Loose) => status === "SENT").map((flow: Loose) => flow.step.trigger.replace(`${prefix}_`, ""))).sort();
};

async function running(branches: readonly Record<string, unknown>[]): Promise<Loose> {
  const ends = ["else", "ipoh", "yoga"].map((name) => step(t(name)));
  const first = { ...entry(t("0first"), t("else"), { triggerDelayHours: 0 }), branches };
  const { sequence, userErrors } = await calls.create({ minDelaySeconds: 0, maxDelaySeconds: 0, steps: [first as never, ...ends] });
  expect(userErrors).toEqual([]);
  expect((await calls.activate(sequence.id)).userErrors).toEqual([]);
  return sequence;
}

const IPOH = { condition: "ATTRIBUTE_EQUALS", value: { city: "Ipoh" } };
const YOGA = { condition: "NICHE_IN", value: { niches: ["yoga", "pilates"] } };

test("the order of branches", async () => {
  const sequence = await running([{ ...IPOH, nextTrigger: t("ipoh") }, { ...YOGA, nextTrigger: t("yoga") }]);
  const people = { both: { niche: "yoga", attributes: { city: "Ipoh" } }, second: { niche: "pilates", attributes: { city: "Johor" } }, neither: { niche: "golf" }, nothing: {} };
  const ids: Record<string, string> = {};
  for (const [name, fields] of Object.entries(people)) ids[name] = await upsert({ ...fields, triggers: [t("0first")] });
  node.bell.ring("enrollment");
  const ways = async (): Promise<Record<string, string[]>> => Object.fromEntries(await Promise.all(Object.entries(ids).map(async ([name, id]) => [name, await sentTo(id)])));
  await eventually(async () => Object.values(await ways()).every((way) => way.length === 2), "all have come to the end", 20_000);
  expect(await ways()).toEqual({ both: ["0first", "ipoh"], second: ["0first", "yoga"], neither: ["0first", "else"], nothing: ["0first", "else"] });

  // The other way round, the same person goes the other way.
  const [{ id }] = sequence.steps;
  const turned = await calls.updateStep({ id, branches: [{ ...YOGA, nextTrigger: t("yoga") }, { ...IPOH, nextTrigger: t("ipoh") }] });
  expect(turned.userErrors).toEqual([]);
  const another = await upsert({ ...people.both, triggers: [t("0first")] });
  node.bell.ring("enrollment");
  await eventually(async () => (await sentTo(another)).length === 2, "it has come to the end", 20_000);
  expect(await sentTo(another)).toEqual(["0first", "yoga"]);
});

test("Sequence.graph has the branches in their order, and the sequence that they lead on to", async () => {
  const warm = await calls.create({ name: 'WARM "up"', steps: [entry(t("warm"))] });
  expect(warm.userErrors).toEqual([]);
  const { sequence, userErrors } = await calls.create({ name: "COLD", steps: [{ ...entry(t("cold"), null), branches: [{ condition: "READ", nextTrigger: t("warm") }] } as never] });
  expect(userErrors).toEqual([]);
  const { data, errors } = await server.query(
    "query ($id: ID!) { sequence(id: $id) { graph { isWhole mermaid sequences { id } nodes { name kind label step { id } sequence { id } } edges { from to label delayHours branch { condition nextTrigger } } } } }",
    { id: sequence.id },
  );
  expect(errors).toBeUndefined();
  const { nodes, edges, sequences, mermaid } = data.sequence.graph;
  expect(sequences).toEqual([{ id: sequence.id }, { id: warm.sequence.id }]);
  expect(nodes.map(({ kind, step, sequence }: Loose) => [kind, step?.id ?? null, sequence.id])).toEqual([
    ["STEP", sequence.steps[0].id, sequence.id],
    ["STEP", warm.sequence.steps[0].id, warm.sequence.id],
    ["END", null, sequence.id],
    ["END", null, warm.sequence.id],
  ]);
  expect(edges.map(({ from, to, branch }: Loose) => [from, to, branch?.condition ?? null])).toEqual([
    [nodes[0].name, nodes[1].name, "READ"],
    [nodes[0].name, nodes[2].name, null],
    [nodes[1].name, nodes[3].name, null],
  ]);
  expect(mermaid).toContain('["WARM #34;up#34;"]');
  // For good, and still to be looked at.
  expect((await calls.archive(sequence.id)).userErrors).toEqual([]);
  const archived = await server.query("query ($id: ID!) { sequence(id: $id) { graph { nodes { kind } } } }", { id: sequence.id });
  expect(archived.data.sequence.graph.nodes).toHaveLength(4);
});
