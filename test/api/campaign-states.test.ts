// What can be done with a campaign, and what is refused, with what would be right. Nothing is sent here.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CAMPAIGN_TRANSITIONS, type CampaignStatus } from "../../src/campaigns/states.ts";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { campaignCalls, launched } from "../support/campaigns.ts";
import { addLeads, addWorkspace, one } from "../support/factories.ts";
import { feedAll } from "../support/campaign-rows.ts";
import { statementsDuring } from "../support/statements.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let calls: ReturnType<typeof campaignCalls>;

beforeAll(async () => {
  server = await testServer();
  calls = campaignCalls(server);
});
afterAll(() => server.stop());
beforeEach(() => server.database.pool.query("TRUNCATE campaigns, campaign_leads, leads, flows, lanes, sequences, event_batches, idempotency_keys CASCADE"));

const leads = (count: number) => addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, count);
const LATER = new Date(Date.now() + 3_600_000).toISOString();

/** A campaign in this state, as the API and the feeder bring one there. */
async function inState(status: CampaignStatus): Promise<string> {
  if (status === "DRAFT") return (await calls.create()).campaign.id;
  const id = await launched(calls, status === "SCHEDULED" ? { startAt: LATER } : {});
  if (status === "PAUSED") await calls.pause(id);
  if (status === "CANCELLED") await calls.cancel(id);
  if (status === "COMPLETED") await server.database.pool.query("UPDATE campaigns SET status = 'COMPLETED', finished_at = now()");
  return id;
}

describe("a new campaign", () => {
  test("is a draft with what it was given, and the contract's defaults", async () => {
    const { createCampaign } = await calls.ask(
      "mutation($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { name status text audience startAt minDelaySeconds maxDelaySeconds greeting visibleVariation } } }",
      { input: { name: " News ", text: "Hi {{name}}", audience: { niche: ["yoga"], createdAfter: "2026-01-02T03:04:05.000Z" } } },
    );
    expect(createCampaign.campaign).toEqual({
      name: "News",
      status: "DRAFT",
      text: "Hi {{name}}",
      audience: { niche: ["yoga"], createdAfter: "2026-01-02T03:04:05.000Z" },
      startAt: null,
      minDelaySeconds: 5,
      maxDelaySeconds: 15,
      greeting: false,
      visibleVariation: false,
    });
  });

  test("shows its audience with ids that can be used again", async () => {
    const [lead] = await leads(1);
    const audience = { ids: [`Lead:${lead}`] };
    const { campaign } = await calls.create({ audience });
    expect(campaign.audience).toEqual(audience);
  });

  test.each([
    [{ name: " " }, "name", "1 to 200 characters"],
    [{ text: "Hi {name" }, "text", "never closed"],
    [{ minDelaySeconds: -1 }, "minDelaySeconds", "whole number from 0"],
    [{ minDelaySeconds: 9, maxDelaySeconds: 3 }, "minDelaySeconds", "above maxDelaySeconds"],
    [{ audience: { enrollmentStatus: ["ACTIVE"] } }, "audience", "needs a sequenceId"],
  ])("with %o is refused", async (input, field, message) => {
    const { campaign, userErrors } = await calls.create({ maxDelaySeconds: 15, ...input });
    expect([campaign, userErrors[0].field.slice(0, 2)]).toEqual([null, ["input", field]]);
    expect(userErrors[0].message).toContain(message);
  });

  test("is made once for a key", async () => {
    const input = { idempotencyKey: "k1" };
    const [first, second] = [await calls.create(input), await calls.create(input)];
    expect(second.campaign.id).toBe(first.campaign.id);
    expect((await calls.create({ ...input, name: "Other" })).userErrors[0].code).toBe("CONFLICT");
  });
});

describe("a launch", () => {
  test("refuses an audience of nobody, and leaves the draft as it was", async () => {
    const { campaign } = await calls.create({ audience: { niche: ["nobody"] } });
    expect((await calls.launch(campaign.id)).userErrors).toMatchObject([{ code: "INVALID", field: ["id"] }]);
    expect(await calls.read(campaign.id)).toMatchObject({ status: "DRAFT", progress: { total: 0 } });
    expect(await one(server.database.pool, "SELECT count(*)::int AS lanes FROM lanes")).toEqual({ lanes: 0 });
  });

  test("with the same key is one launch", async () => {
    await leads(3);
    const { campaign } = await calls.create();
    const [first, second] = await Promise.all([calls.launch(campaign.id, "k"), calls.launch(campaign.id, "k")]);
    expect([first.userErrors, second.userErrors, second.campaign.progress.total]).toEqual([[], [], 3]);
  });

  test("by two at the same time is one launch, too", async () => {
    await leads(3);
    const { campaign } = await calls.create();
    const answers = await Promise.all([calls.launch(campaign.id), calls.launch(campaign.id)]);
    expect(answers.map(({ userErrors }) => userErrors.length).toSorted()).toEqual([0, 1]);
    expect(await one(server.database.pool, "SELECT count(*)::int AS leads, (SELECT sum(unfed)::int FROM lanes) AS unfed FROM campaign_leads")).toEqual({ leads: 3, unfed: 3 });
  });

  test("at a time that is over begins at once", async () => {
    await leads(1);
    const id = await launched(calls, { startAt: "2020-01-01T00:00:00Z" });
    expect(await calls.read(id)).toMatchObject({ status: "RUNNING" });
  });
});

const CHANGES = ["launch", "pause", "resume", "cancel"] as const;
const ALL: readonly CampaignStatus[] = ["DRAFT", "SCHEDULED", "RUNNING", "PAUSED", "COMPLETED", "CANCELLED"];

describe.each(ALL)("a campaign that is %s", (status) => {
  test.each(CHANGES)("allows %s only as the states say", async (name) => {
    await leads(2);
    const id = await inState(status);
    const { from, to } = CAMPAIGN_TRANSITIONS[name];
    const answer = await calls[name](id);
    const isAsked = name !== "launch" && to.includes(status);
    const isAllowed = from.includes(status) || isAsked;
    const refusal = { code: "INVALID_STATE", field: ["id"], message: expect.stringContaining(`is ${status}; only one that is ${from[0]}`) };
    expect(answer.userErrors).toEqual(isAllowed ? [] : [refusal]);
    expect(isAllowed ? to : [status]).toContain((await calls.read(id)).status);
  });

  test("can be changed only before it runs, deleted only as a draft, and tried until it is over", async () => {
    const [me] = await leads(2);
    const id = await inState(status);
    const isEditable = status === "DRAFT" || status === "SCHEDULED";
    const updated = await calls.update(id, { text: "New", name: "Newer" });
    expect(updated.userErrors.map(({ code }: { code: string }) => code)).toEqual(isEditable ? [] : ["INVALID_STATE"]);
    expect(await calls.read(id)).toMatchObject(isEditable ? { text: "New", name: "Newer" } : { text: "Hello {{name}}", name: "News" });
    const tried = await calls.test(id, { leadId: `Lead:${me}` });
    expect(tried.userErrors.map(({ code }: { code: string }) => code)).toEqual(status === "COMPLETED" || status === "CANCELLED" ? ["INVALID_STATE"] : []);
    const removed = await calls.remove(id);
    expect(removed.deletedCampaignId).toBe(status === "DRAFT" ? id : null);
  });
});

test("the audience of a scheduled campaign is fixed; its start can be put off or taken away", async () => {
  await leads(2);
  const id = await launched(calls, { startAt: LATER });
  expect((await calls.update(id, { audience: { niche: ["yoga"] } })).userErrors).toMatchObject([{ code: "INVALID_STATE", field: ["input", "audience"] }]);
  const later = new Date(Date.now() + 7_200_000).toISOString();
  expect((await calls.update(id, { startAt: later })).campaign.startAt).toBe(later);
  expect((await calls.update(id, { startAt: null })).campaign.startAt).toBeNull();
  expect((await calls.update(id, { text: null })).userErrors).toMatchObject([{ code: "INVALID", field: ["input", "text"] }]);
});

test("a scheduled campaign that is paused waits for its time again when it is resumed", async () => {
  await leads(1);
  const id = await launched(calls, { startAt: LATER });
  expect((await calls.pause(id)).campaign.status).toBe("PAUSED");
  expect((await calls.resume(id)).campaign).toMatchObject({ status: "SCHEDULED", startedAt: null });
});

describe("a test message", () => {
  test.each([
    [{}, "INVALID", "phone"],
    [{ phone: "+60199999999" }, "NOT_FOUND", "phone"],
    [{ phone: "+601" }, "INVALID", "phone"],
    [{ leadId: "Lead:01a20000-0000-7000-8000-000000000000" }, "NOT_FOUND", "leadId"],
  ])("to %o is refused", async (to, code, field) => {
    const { campaign } = await calls.create();
    expect(await calls.test(campaign.id, to)).toMatchObject({ flow: null, userErrors: [{ code, field: [field] }] });
  });

  test("is not sent to who has opted out; to a lead's number it is", async () => {
    const [me, gone] = await leads(2);
    await server.database.pool.query("UPDATE leads SET opted_out_at = now() WHERE id = $1", [gone]);
    const { campaign } = await calls.create();
    expect((await calls.test(campaign.id, { leadId: `Lead:${gone}` })).userErrors).toMatchObject([{ code: "SUPPRESSED", field: ["leadId"] }]);
    const { phone } = await one<{ phone: string }>(server.database.pool, "SELECT phone FROM leads WHERE id = $1", [me]);
    expect((await calls.test(campaign.id, { phone: `+${phone}` })).flow).toMatchObject({ status: "ACTIVE", isTest: true });
  });
});

test("another workspace sees nothing of it", async () => {
  await leads(2);
  const id = await launched(calls);
  const stranger = await server.tokenFor(["MANAGE"], await addWorkspace(server.database.pool));
  const theirs = campaignCalls({ query: (text, variables) => server.query(text, variables, stranger) });
  expect(await theirs.read(id)).toBeNull();
  expect((await theirs.ask("{ campaigns { totalCount nodes { id } } }")).campaigns).toEqual({ totalCount: 0, nodes: [] });
  for (const name of ["launch", "pause", "resume", "cancel", "remove"] as const) expect((await theirs[name](id)).userErrors).toMatchObject([{ code: "NOT_FOUND" }]);
  expect((await theirs.update(id, { name: "Mine" })).userErrors).toMatchObject([{ code: "NOT_FOUND" }]);
});

test("a page of campaigns with all that hangs on it takes as many statements for ten as for two", async () => {
  await leads(3);
  const { pool } = server.database;
  for (let n = 0; n < 10; n++) await feedAll(pool, (await launched(calls)).split(":")[1] ?? "");
  const PAGE = "query($first: Int!) { campaigns(first: $first) { totalCount nodes { name progress { total sent estimatedFinishAt } flows(first: 2) { totalCount nodes { id lead { name } campaign { name } waitingFor { reason } } } } } }";
  const count = async (first: number) => {
    const statements = await statementsDuring(async () => {
      const { campaigns } = await calls.ask(PAGE, { first });
      expect(campaigns.nodes.map((node: Loose) => [node.flows.totalCount, node.flows.nodes.length])).toEqual(Array.from({ length: first }, () => [3, 2]));
    });
    return statements.length;
  };
  expect(await count(10)).toBe(await count(2));
});

test("campaigns are listed newest first, by their states", async () => {
  await leads(1);
  const [draft, running] = [(await calls.create()).campaign.id, await launched(calls)];
  const list = async (status: string | null) =>
    (await calls.ask("query($status: [CampaignStatus!]) { campaigns(status: $status) { totalCount nodes { id } } }", { status: status && [status] })).campaigns;
  expect(await list(null)).toEqual({ totalCount: 2, nodes: [{ id: running }, { id: draft }] });
  expect(await list("DRAFT")).toEqual({ totalCount: 1, nodes: [{ id: draft }] });
});
