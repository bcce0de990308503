// A/B tests of campaigns: by the same rules as those of steps.

import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { campaignCalls } from "../support/campaigns.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, one, query } from "../support/factories.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { createPuppet, type Puppet } from "../support/puppet.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let node: TestNode;
let puppet: Puppet;
let calls: ReturnType<typeof campaignCalls>;
beforeAll(async () => {
  server = await testServer();
  calls = campaignCalls(server);
  puppet = createPuppet(systemClock);
  for (let n = 0; n < 20; n++) await addDevice(server.database.pool, DEFAULT_WORKSPACE_ID, { hourlyLimit: 1_000_000, dailyLimit: 1_000_000 });
  node = await startTestNode({ pool: server.database.pool, transport: puppet });
});
afterAll(async () => {
  await node.stop();
  await server.stop();
});

const A = { name: "A", share: 30, text: "Text A for {{name}}" };
const B = { name: "B", share: 20, text: "Text B for {{name}}" };

const RESULTS = "query ($id: ID!) { campaign(id: $id) { variants { name share text } variantResults { variant sent failed delivered read replied optedOut } } }";
const read = async (id: string): Promise<Loose> => (await calls.ask(RESULTS, { id })).campaign;

/** Of people who are in no other test's audience. */
const audienceOf = (ids: readonly string[]) => ({ ids: ids.map((id) => `Lead:${id}`) });

test("each variant goes to its share, is told by the flow, and its results are counted; test messages are not", async () => {
  const ids = await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 1000);
  const { campaign, userErrors } = await calls.create({ text: "Own text for {{name}}", variants: [A, B], audience: audienceOf(ids) });
  expect(userErrors).toEqual([]);
  await calls.test(campaign.id, { leadId: `Lead:${ids[0]}` });
  await eventually(() => puppet.wire.length === 1, "the test message is sent");
  expect((await read(campaign.id)).variantResults).toEqual([]);
  await calls.launch(campaign.id);
  await eventually(async () => (await calls.read(campaign.id)).status === "COMPLETED", "all are sent");
  await server.database.pool.query("UPDATE leads SET opted_out_at = clock_timestamp() WHERE id = $1", [ids[0]]);
  const { variants, variantResults } = await read(campaign.id);
  expect(variants).toEqual([A, B]);
  expect(variantResults.map(({ variant, failed }: Loose) => [variant, failed])).toEqual([[null, 0], ["A", 0], ["B", 0]]);
  expect(variantResults.reduce((sum: number, { sent }: Loose) => sum + sent, 0)).toBe(1000);
  expect(variantResults.reduce((sum: number, { optedOut }: Loose) => sum + optedOut, 0)).toBe(1);
  // Of 1,000 the shares are met within five standard deviations.
  for (const [index, share] of [0.5, 0.3, 0.2].entries()) expect(Math.abs(variantResults[index].sent - 1000 * share)).toBeLessThan(5 * Math.sqrt(1000 * share * (1 - share)));
  const texts = await query(
    server.database.pool,
    "SELECT variant, split_part(text, ' for', 1) AS text FROM flows WHERE campaign_id = $1 GROUP BY 1, 2 ORDER BY 1",
    [campaign.id.replace("Campaign:", "")],
  );
  expect(texts).toEqual([{ variant: "", text: "Own text" }, { variant: "A", text: "Text A" }, { variant: "B", text: "Text B" }]);
  // The test message was the very text that the person then got.
  const { flows } = (await calls.ask("query ($id: ID!) { lead(id: $id) { flows(first: 2) { nodes { text variant } } } }", { id: `Lead:${ids[0]}` })).lead;
  expect(flows.nodes).toHaveLength(2);
  expect(flows.nodes[0]).toEqual(flows.nodes[1]);
});

test("a retry is of the same variant", async () => {
  const ids = await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 20);
  puppet.setFate(() => "refuse");
  const { campaign } = await calls.create({ variants: [{ ...A, share: 50 }], audience: audienceOf(ids) });
  await calls.launch(campaign.id);
  await eventually(async () => (await calls.read(campaign.id)).progress.failed === 20, "all are refused");
  puppet.setFate(() => "accept");
  await calls.ask("mutation ($id: ID!) { retryFlows(filter: { campaignId: $id }) { userErrors { message } } }", { id: campaign.id });
  await eventually(async () => (await calls.read(campaign.id)).progress.sent === 20, "all are sent");
  const rows = await query(server.database.pool, "SELECT FROM flows f JOIN flows r ON r.retry_of = f.id WHERE f.campaign_id = $1 AND f.variant = r.variant AND f.text = r.text", [campaign.id.replace("Campaign:", "")]);
  expect(rows).toHaveLength(20);
});

test("wrong variants are refused with their place, a change is checked as a whole and raises the revision", async () => {
  const wrong = await calls.create({ variants: [A, { ...A, share: 90, text: "Hi {name" }] });
  expect(wrong.userErrors.map(({ code, field }: Loose) => ({ code, field }))).toEqual([
    { code: "INVALID", field: ["input", "variants", "1", "name"] },
    { code: "INVALID", field: ["input", "variants", "1", "text"] },
    { code: "INVALID", field: ["input", "variants"] },
  ]);
  const { campaign } = await calls.create({ variants: [A] });
  const revision = async () => (await one<{ revision: number }>(server.database.pool, "SELECT revision FROM campaigns WHERE id = $1", [campaign.id.replace("Campaign:", "")])).revision;
  const before = await revision();
  expect((await calls.update(campaign.id, { variants: [{ ...A, share: 101 }] })).userErrors).toMatchObject([{ field: ["input", "variants", "0", "share"] }, { field: ["input", "variants"] }]);
  expect(await revision()).toBe(before);
  await calls.update(campaign.id, { variants: [B] });
  expect(await revision()).toBeGreaterThan(before);
  expect((await read(campaign.id)).variants).toEqual([B]);
  await calls.update(campaign.id, { name: "Another" });
  expect((await read(campaign.id)).variants).toEqual([B]);
  await calls.update(campaign.id, { variants: null });
  expect((await read(campaign.id)).variants).toEqual([]);
});
