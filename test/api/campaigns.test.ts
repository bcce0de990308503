// A campaign's whole life, through the API and with a node that sends.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { createBell } from "../../src/events/bell.ts";
import type { Transport } from "../../src/transports/transport.ts";
import { campaignCalls, launched } from "../support/campaigns.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, one, query } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let node: TestNode | undefined;
let calls: ReturnType<typeof campaignCalls>;
const bell = createBell();

beforeEach(async () => {
  server = await testServer({ bell });
  calls = campaignCalls(server);
});
afterEach(async () => {
  await node?.stop();
  node = undefined;
  await server.stop();
});

const pool = () => server.database.pool;
const leads = (count: number) => addLeads(pool(), DEFAULT_WORKSPACE_ID, count);
const devices = async (count: number) => {
  for (let n = 0; n < count; n++) await addDevice(pool(), DEFAULT_WORKSPACE_ID, { hourlyLimit: 10_000, dailyLimit: 10_000 });
};
const start = async (transport?: Transport) => {
  node = await startTestNode({ pool: pool(), bell, ...(transport && { transport }) });
};
const over = (id: string, status = "COMPLETED") =>
  eventually(async () => {
    const campaign = await calls.read(id);
    return campaign.status === status && campaign.finishedAt !== null;
  }, `it is ${status}`);
const statuses = async () =>
  Object.fromEntries((await query<{ key: string; n: number }>(pool(), "SELECT status || coalesce(' ' || skip_reason, '') AS key, count(*)::int AS n FROM flows GROUP BY 1")).map(({ key, n }) => [key, n]));

test("a campaign goes to each lead of its audience once, and is complete", async () => {
  await leads(300);
  await devices(3);
  await start();
  const id = await launched(calls);
  await over(id);
  const { progress, startedAt } = await calls.read(id);
  expect(progress).toEqual({ total: 300, waiting: 0, sent: 300, failed: 0, skipped: 0, cancelled: 0, percent: 100, estimatedFinishAt: null });
  expect(startedAt).not.toBeNull();
  expect(await one(pool(), "SELECT count(DISTINCT lead_id)::int AS leads, count(*)::int AS flows FROM flows WHERE text LIKE 'Hello Lead %'")).toEqual({ leads: 300, flows: 300 });
});

test("its flows name the campaign and no sequence, in lists, events and SQL", async () => {
  const [lead] = await leads(1);
  await devices(1);
  await start();
  const id = await launched(calls);
  await over(id);
  const flow = "id status text isTest campaign { id } sequence { id } step { id } enrollment { id } waitingFor { reason }";
  const found = await calls.ask(
    `query($id: ID!, $lead: ID!) { campaign(id: $id) { flows { totalCount nodes { ${flow} } } } flows(filter: { campaignId: $id }) { nodes { id } } lead(id: $lead) { flows { nodes { id } } } }`,
    { id, lead: `Lead:${lead}` },
  );
  const [node] = found.campaign.flows.nodes;
  expect(node).toMatchObject({ status: "SENT", isTest: false, campaign: { id }, sequence: null, step: null, enrollment: null, waitingFor: [] });
  expect(node.text).toMatch(/^Hello Lead/);
  expect([found.flows.nodes, found.lead.flows.nodes]).toEqual([[{ id: node.id }], [{ id: node.id }]]);
  expect(await query(pool(), "SELECT status, campaign_id, sequence_id FROM broadcast_messages")).toEqual([{ status: "sent", campaign_id: id.split(":")[1], sequence_id: null }]);
  expect(await query(pool(), "SELECT FROM sequence_contacts")).toEqual([]);
  expect(await query(pool(), "SELECT type, campaign_id FROM events WHERE flow_id IS NOT NULL ORDER BY xid, id, place")).toEqual(
    ["FLOW_ACTIVATED", "FLOW_SENT"].map((type) => ({ type, campaign_id: id.split(":")[1] })),
  );
});

describe("the audience", () => {
  test("is fixed at the launch, without who has opted out", async () => {
    const [gone] = await leads(10);
    await pool().query("UPDATE leads SET opted_out_at = now() WHERE id = $1", [gone]);
    const id = await launched(calls, { startAt: new Date(Date.now() + 3_600_000).toISOString() });
    await leads(5);
    await pool().query("UPDATE leads SET niche = 'changed'");
    expect(await calls.read(id)).toMatchObject({ status: "SCHEDULED", startedAt: null, progress: { total: 9, waiting: 9 } });
  });
});
