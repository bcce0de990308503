// A campaign's whole life, through the API and with a node that sends.

import { afterEach, beforeEach, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { feedLane } from "../../src/campaigns/feed.ts";
import { createBell } from "../../src/events/bell.ts";
import type { Tailer } from "../../src/events/tailer.ts";
import type { Transport } from "../../src/transports/transport.ts";
import { startEventLog } from "../support/event-log.ts";
import { campaignCalls, launched } from "../support/campaigns.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, one, query } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let node: TestNode | undefined;
let calls: ReturnType<typeof campaignCalls>;
const bell = createBell();

let tailer: Tailer;

beforeEach(async () => {
  server = await testServer(async ({ pool }) => {
    const log = await startEventLog(pool, bell);
    tailer = log.tailer;
    return log;
  });
  calls = campaignCalls(server);
});
afterEach(async () => {
  await node?.stop();
  node = undefined;
  await server.stop();
  await tailer.stop();
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

test("a test message goes to one lead, through the same dispatcher, and counts for nothing", async () => {
  const [me] = await leads(3);
  await devices(1);
  await start();
  const created = await calls.create({ text: "Try {{name}}" });
  const { id } = created.campaign;
  const { flow, userErrors } = await calls.test(id, { leadId: `Lead:${me}` });
  expect([userErrors, flow]).toMatchObject([[], { isTest: true, campaign: { id } }]);
  await eventually(async () => (await statuses())["SENT"] === 1, "the test is sent");
  expect(await calls.read(id)).toMatchObject({ status: "DRAFT", progress: { total: 0, sent: 0 } });
  // The person gets the campaign's own message, too.
  expect((await calls.launch(id)).userErrors).toEqual([]);
  await over(id);
  expect((await calls.read(id)).progress).toMatchObject({ total: 3, sent: 3 });
  expect(await query(pool(), "SELECT lead_id, count(*)::int AS n FROM flows GROUP BY 1 ORDER BY 2 DESC LIMIT 1")).toEqual([{ lead_id: me, n: 2 }]);
});

test("a test goes out while the campaign is paused, and is cancelled with a draft that is deleted", async () => {
  const [me] = await leads(2);
  await devices(1);
  const id = await launched(calls);
  await calls.pause(id);
  await calls.test(id, { leadId: `Lead:${me}` });
  const draft = (await calls.create()).campaign.id;
  const waiting = (await calls.test(draft, { leadId: `Lead:${me}` })).flow.id;
  expect(await calls.remove(draft)).toEqual({ deletedCampaignId: draft, userErrors: [] });
  expect((await calls.ask("query($id: ID!) { flow(id: $id) { status campaign { id } } }", { id: waiting })).flow).toEqual({ status: "CANCELLED", campaign: null });
  await start();
  await eventually(async () => (await statuses())["SENT"] === 1, "the test is sent");
  expect(await calls.read(id)).toMatchObject({ status: "PAUSED", progress: { waiting: 2, sent: 0 } });
});

test("whoever opts out while it runs is skipped, in the queue or not yet in it, and each lead is counted once", async () => {
  const all = await leads(40);
  await devices(1);
  const id = await launched(calls);
  const optOut = async (lead: string) => calls.ask("mutation($id: ID!) { optOutLead(id: $id) { userErrors { message } } }", { id: `Lead:${lead}` });
  await calls.pause(id);
  for (const lead of all.slice(10, 20)) await optOut(lead);
  await calls.resume(id);
  await start();
  await over(id);
  expect((await calls.read(id)).progress).toMatchObject({ total: 40, waiting: 0, sent: 30, skipped: 10 });
  expect(await statuses()).toEqual({ SENT: 30, "SKIPPED OPTED_OUT": 10 });
});

test("an opt-out skips at once what waits in the queue, also of a paused campaign", async () => {
  const [lead] = await leads(1);
  const id = await launched(calls);
  const laneId = (await one<{ id: number }>(pool(), "SELECT id FROM lanes")).id;
  await feedLane(pool(), id.split(":")[1] ?? "", laneId, 10);
  await calls.pause(id);
  await calls.ask("mutation($id: ID!) { optOutLead(id: $id) { userErrors { message } } }", { id: `Lead:${lead}` });
  expect(await statuses()).toEqual({ "SKIPPED OPTED_OUT": 1 });
  expect((await calls.read(id)).progress).toMatchObject({ waiting: 0, skipped: 1, percent: 100 });
});

test("what its flows wait for is said, gate by gate", async () => {
  await leads(1);
  const id = await launched(calls);
  const laneId = (await one<{ id: number }>(pool(), "SELECT id FROM lanes")).id;
  await feedLane(pool(), id.split(":")[1] ?? "", laneId, 1);
  await addDevice(pool(), DEFAULT_WORKSPACE_ID, { status: "ONLINE" });
  const reasons = async () => (await calls.read(id), (await calls.ask("{ flows { nodes { waitingFor { reason message } } } }")).flows.nodes[0].waitingFor);
  expect(await reasons()).toMatchObject([{ reason: "QUEUED" }]);
  await calls.pause(id);
  expect(await reasons()).toEqual([{ reason: "CAMPAIGN_PAUSED", message: "Its campaign is PAUSED; it goes on when the campaign is resumed." }]);
  await calls.resume(id);
  await pool().query("UPDATE workspaces SET first_contacts_held_at = now()");
  expect(await reasons()).toMatchObject([{ reason: "SYSTEM_HOLD" }]);
  await calls.cancel(id);
  expect(await reasons()).toMatchObject([{ reason: "CAMPAIGN_PAUSED", message: "Its campaign is cancelled; it is about to be cancelled, too." }, { reason: "SYSTEM_HOLD" }]);
});

test("while first contacts are held, it goes to those who have written", async () => {
  const all = await leads(6);
  await pool().query("UPDATE leads SET last_replied_at = now() WHERE id = ANY ($1::uuid[])", [all.slice(4)]);
  await devices(1);
  await pool().query("UPDATE workspaces SET first_contacts_held_at = now()");
  const id = await launched(calls);
  await start();
  await eventually(async () => (await calls.read(id)).progress.sent === 2, "two are sent");
  expect(await query(pool(), "SELECT lead_id FROM flows WHERE status = 'SENT' ORDER BY 1")).toEqual(all.slice(4).map((lead_id) => ({ lead_id })));
  await pool().query("UPDATE workspaces SET first_contacts_held_at = NULL");
  await over(id);
});

test("with a greeting it begins with the workspace's, by the person's time of day; the text is the same again in a preview", async () => {
  await leads(1);
  await devices(1);
  await pool().query("UPDATE workspaces SET greetings = '[{\"from\": \"00:00\", \"templates\": [\"Salam {{name}}\"]}]'");
  await start();
  const id = await launched(calls, { greeting: true, text: "{News|Tidings} for {{name}}" });
  await over(id);
  const { text } = await one<{ text: string }>(pool(), "SELECT text FROM flows");
  expect(text).toMatch(/^Salam Lead 0\n\n(News|Tidings) for Lead 0$/);
});

test("campaignProgress tells of it as it goes on, at most once a second, and ends with it", async () => {
  await leads(200);
  await devices(2);
  const id = await launched(calls);
  const client = server.webSocket();
  const seen: { at: number; status: string; sent: number }[] = [];
  const following = (async () => {
    for await (const { data } of client.iterate({ query: "subscription($id: ID!) { campaignProgress(id: $id) { status progress { sent } } }", variables: { id } })) {
      const { status, progress } = (data as Loose).campaignProgress;
      seen.push({ at: performance.now(), status, sent: progress.sent });
    }
  })();
  await eventually(() => seen.length === 1, "it is shown as it is");
  await start();
  await following;
  expect(seen[0]).toMatchObject({ status: "RUNNING", sent: 0 });
  expect(seen.at(-1)).toMatchObject({ status: "COMPLETED", sent: 200 });
  const gaps = seen.slice(1).map(({ at }, index) => at - (seen[index]?.at ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThan(900);
});

test("flow subscriptions can be asked for one campaign's alone", async () => {
  const [lead] = await leads(1);
  const [wanted, other] = [(await calls.create()).campaign.id, (await calls.create()).campaign.id];
  const client = server.webSocket();
  const heard: Loose[] = [];
  void (async () => {
    for await (const { data } of client.iterate({ query: "subscription($id: ID!) { flowEvents(campaignId: $id) { type flow { campaign { id } } } }", variables: { id: wanted } })) {
      heard.push((data as Loose).flowEvents);
    }
  })();
  // Until it listens: what was before it is not heard.
  while (heard.length < 3) for (const id of [other, wanted]) await calls.test(id, { leadId: `Lead:${lead}` });
  expect(new Set(heard.map((event) => JSON.stringify(event)))).toEqual(new Set([JSON.stringify({ type: "FLOW_ACTIVATED", flow: { campaign: { id: wanted } } })]));
});
