// A campaign's flows on their way through attempt, settle, correct and retry: each lead is counted once, whatever becomes of its message.

import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cancelCampaign, pauseCampaign, resumeCampaign } from "../../src/campaigns/lifecycle.ts";
import { updateCampaign } from "../../src/campaigns/service.ts";
import { testCampaign } from "../../src/campaigns/test-send.ts";
import { createFeeder } from "../../src/campaigns/feeder.ts";
import { attemptFlows, type AttemptRequest } from "../../src/dispatcher/attempt.ts";
import { correctFlows } from "../../src/dispatcher/correct.ts";
import { recordReplies } from "../../src/replies/record.ts";
import { retryFlow } from "../../src/flows/retry.ts";
import { type Ending, type Settlement, settleFlows } from "../../src/flows/settle.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { accepted, attemptAll, hindranceOf, holdLease, REFUSED, requestFor, settlementsOf, UNKNOWN, waitingFlows } from "../support/attempts.ts";
import { addCampaign, campaignWrites, feedAll, valueOf } from "../support/campaign-rows.ts";
import { expectCampaignCountsTrue } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addLeads, addSequence, addWorkspace, enrolAll, one, query, silent } from "../support/factories.ts";

let database: TestDatabase;
let pool: pg.Pool;
let lease: string;
let workspaceId: string;
let deviceId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
  lease = await holdLease(pool);
});
afterAll(() => database.drop());
beforeEach(async () => {
  workspaceId = await addWorkspace(pool);
  deviceId = await addDevice(pool, workspaceId);
});
afterEach(() => expectCampaignCountsTrue(pool));

const writes = () => campaignWrites(pool, workspaceId);
const settleAll = async (settlements: readonly Settlement[]) => void (await settleFlows(pool, settlements, 0));
const totals = (id: string) => one(pool, "SELECT waiting, sent, failed, skipped, cancelled FROM campaign_totals WHERE campaign_id = $1", [id]);
const state = async (id: string) => (await one<{ status: string }>(pool, "SELECT status FROM campaigns WHERE id = $1", [id])).status;
const tendCampaigns = () => createFeeder({ pool, clock: systemClock, logger: silent, claimBatch: 10, settleAll, onFed: () => {} }).runOnce();

/** A campaign to so many new leads, all in the queue. */
async function fed(leads = 1): Promise<string> {
  await addLeads(pool, workspaceId, leads);
  const id = await addCampaign(pool, workspaceId);
  await feedAll(pool, id);
  return id;
}
const waiting = () => waitingFlows(pool, workspaceId);
const attempt = async (): Promise<AttemptRequest[]> => attemptAll(pool, lease, await waiting(), deviceId);
const hindrances = async (requests: readonly AttemptRequest[]) => (await attemptFlows(pool, lease, requests)).map(hindranceOf);

/** A campaign to one lead whose flow ended so. */
async function ended(ending: Ending): Promise<{ id: string; flowId: string }> {
  const id = await fed();
  const [request] = await attempt();
  if (!request) throw new Error("nothing was attempted");
  await settleAll(settlementsOf([request], ending));
  return { id, flowId: request.flowId };
}
const retry = async (flowId: string) => valueOf(await retryFlow(writes(), flowId, null));
const acknowledge = (flowId: string) => correctFlows(pool, [{ flowId, kind: "accepted", at: new Date() }], settleAll);

describe("its flow is not attempted", () => {
  test("once the campaign is paused, until it is resumed", async () => {
    const id = await fed();
    const requests = (await waiting()).map((flow) => requestFor(flow, deviceId));
    valueOf(await pauseCampaign(writes(), id));
    expect(await hindrances(requests)).toEqual(["not_now"]);
    valueOf(await resumeCampaign(writes(), id));
    expect(await hindrances(requests)).toEqual([null]);
  });

  test("once the campaign is cancelled, whoever has claimed it before", async () => {
    const id = await fed();
    const requests = (await waiting()).map((flow) => requestFor(flow, deviceId));
    valueOf(await cancelCampaign(writes(), id));
    expect(await hindrances(requests)).toEqual(["superseded"]);
  });

  test("once the person has opted out", async () => {
    await fed();
    const requests = (await waiting()).map((flow) => requestFor(flow, deviceId));
    await pool.query("UPDATE leads SET opted_out_at = now() WHERE workspace_id = $1", [workspaceId]);
    expect(await hindrances(requests)).toEqual(["opted_out"]);
  });

  test("with a text from before an edit, or with an old greeting", async () => {
    await addLeads(pool, workspaceId, 1);
    const id = await addCampaign(pool, workspaceId, { startAt: new Date(Date.now() + 3_600_000) });
    await pool.query("UPDATE campaigns SET status = 'RUNNING' WHERE id = $1", [id]);
    await feedAll(pool, id);
    const before = (await waiting()).map((flow) => requestFor(flow, deviceId));
    await pool.query("UPDATE campaigns SET status = 'SCHEDULED' WHERE id = $1", [id]);
    valueOf(await updateCampaign(writes(), id, { text: "New" }));
    await pool.query("UPDATE campaigns SET status = 'RUNNING' WHERE id = $1", [id]);
    expect(await hindrances(before)).toEqual(["edited"]);
    const after = (await waiting()).map((flow) => requestFor(flow, deviceId));
    await pool.query("UPDATE workspaces SET form_of_address = 'Tuan' WHERE id = $1", [workspaceId]);
    expect(await hindrances(after)).toEqual(["edited"]);
  });

  test("twice", async () => {
    await fed();
    const flows = await waiting();
    expect(await hindrances(flows.map((flow) => requestFor(flow, deviceId)))).toEqual([null]);
    expect(await hindrances(flows.map((flow) => requestFor(flow, deviceId)))).toEqual(["gone"]);
  });
});

test("a STOP skips what campaigns have in the queue for that person", async () => {
  const id = await fed(2);
  const { phone } = await one<{ phone: string }>(pool, "SELECT l.phone FROM leads l JOIN flows f ON f.lead_id = l.id WHERE f.campaign_id = $1 ORDER BY f.id LIMIT 1", [id]);
  await recordReplies(pool, [{ workspaceId, deviceId, messageId: "m1", phone, text: "Stop", at: new Date() }]);
  expect(await totals(id)).toMatchObject({ waiting: 1, skipped: 1 });
});

test("a batch of both kinds is answered in its order", async () => {
  await addSequence(pool, workspaceId, { steps: [{ trigger: "both" }] });
  await addLeads(pool, workspaceId, 2, "both");
  await enrolAll(pool);
  await feedAll(pool, await addCampaign(pool, workspaceId));
  const flows = (await waiting()).toSorted((a, b) => a.lead_id.localeCompare(b.lead_id) || a.id.localeCompare(b.id));
  expect(flows.map(({ campaign_id }) => campaign_id !== null)).toEqual([false, true, false, true]);
  const requests = flows.map((flow) => requestFor(flow, deviceId));
  await pool.query("UPDATE leads SET opted_out_at = now() WHERE id = $1", [flows[2]?.lead_id]);
  expect(await hindrances(requests)).toEqual([null, null, "opted_out", "opted_out"]);
});

test("whom it was sent to is known to that device from then on", async () => {
  await fed(2);
  await settleAll(settlementsOf(await attempt(), accepted()));
  expect(await query(pool, "SELECT DISTINCT last_device_id FROM leads WHERE workspace_id = $1", [workspaceId])).toEqual([{ last_device_id: deviceId }]);
});

describe("a retry", () => {
  test("takes the lead out of the failed ones, opens a campaign that was complete, and counts as it ends", async () => {
    const { id, flowId } = await ended(REFUSED);
    expect(await totals(id)).toMatchObject({ waiting: 0, failed: 1 });
    await tendCampaigns();
    expect(await state(id)).toBe("COMPLETED");
    await retry(flowId);
    expect([await state(id), await totals(id)]).toMatchObject(["RUNNING", { waiting: 1, failed: 0 }]);
    await tendCampaigns();
    expect(await state(id)).toBe("RUNNING");
    await settleAll(settlementsOf(await attempt(), accepted()));
    await tendCampaigns();
    expect([await state(id), await totals(id)]).toMatchObject(["COMPLETED", { waiting: 0, sent: 1, failed: 0 }]);
  });

  test("of a cancelled campaign's flow is refused", async () => {
    const { id, flowId } = await ended(REFUSED);
    valueOf(await cancelCampaign(writes(), id));
    expect(await retryFlow(writes(), flowId, null)).toMatchObject({ ok: false, errors: [{ code: "INVALID_STATE", message: "Its campaign was cancelled, for good." }] });
  });

  test("is cancelled by a late acknowledgement of what it repeats, and the lead counts as sent", async () => {
    const { id, flowId } = await ended(UNKNOWN);
    await retry(flowId);
    await acknowledge(flowId);
    expect(await totals(id)).toEqual({ waiting: 0, sent: 1, failed: 0, skipped: 0, cancelled: 0 });
    expect(await waiting()).toEqual([]);
  });

  test("that is under way counts the lead once, when the acknowledgement of the first comes meanwhile", async () => {
    const { id, flowId } = await ended(UNKNOWN);
    await retry(flowId);
    const requests = await attempt();
    await acknowledge(flowId);
    expect(await totals(id)).toMatchObject({ waiting: 1, sent: 0, failed: 0 });
    await settleAll(settlementsOf(requests, REFUSED));
    expect(await totals(id)).toMatchObject({ waiting: 0, sent: 1, failed: 0 });
  });

  test.each([
    ["failed", REFUSED],
    ["was sent", accepted()],
  ])("that has %s is one lead with what it repeats, when that one is acknowledged after it", async (_word, ending) => {
    const { id, flowId } = await ended(UNKNOWN);
    await retry(flowId);
    await settleAll(settlementsOf(await attempt(), ending));
    await acknowledge(flowId);
    expect(await totals(id)).toEqual({ waiting: 0, sent: 1, failed: 0, skipped: 0, cancelled: 0 });
  });
});

test("a late acknowledgement turns a failed lead into one that was sent to", async () => {
  const { id, flowId } = await ended(UNKNOWN);
  expect(await totals(id)).toMatchObject({ failed: 1 });
  await acknowledge(flowId);
  expect(await totals(id)).toMatchObject({ sent: 1, failed: 0 });
  expect(await query(pool, "SELECT type FROM events WHERE campaign_id = $1 ORDER BY xid, id, place", [id])).toEqual([{ type: "FLOW_ACTIVATED" }, { type: "FLOW_FAILED" }, { type: "FLOW_SENT" }]);
});

describe("of two that want the same person under a frequency cap, the older goes first:", () => {
  beforeEach(() => pool.query("UPDATE workspaces SET cap_messages = 1, cap_hours = 24 WHERE id = $1", [workspaceId]));
  let leadId: string;
  let word = 0;
  const enrol = async () => {
    word += 1;
    await addSequence(pool, workspaceId, { steps: [{ trigger: `cap_${word}` }] });
    await pool.query("UPDATE leads SET trigger = $2 WHERE id = $1", [leadId, `cap_${word}`]);
    await enrolAll(pool);
  };
  const campaign = async () => feedAll(pool, await addCampaign(pool, workspaceId));

  test.each([
    ["an enrolment before a campaign", [enrol, campaign]],
    ["a campaign before an enrolment", [campaign, enrol]],
    ["a campaign before the next", [campaign, campaign]],
  ])("%s", async (_name, makers) => {
    [leadId = ""] = await addLeads(pool, workspaceId, 1);
    const made: string[] = [];
    for (const make of makers) {
      await make();
      made.push((await waiting()).map(({ id }) => id).find((id) => !made.includes(id)) ?? "");
    }
    const requestOf = async (id: string | undefined) => (await waiting()).filter((flow) => flow.id === id).map((flow) => requestFor(flow, deviceId));
    const [older, younger] = [await requestOf(made[0]), await requestOf(made[1])];
    expect(await hindrances(younger)).toEqual(["not_now"]);
    await pool.query("UPDATE flows SET due_at = now() - interval '1 second' WHERE workspace_id = $1 AND queued", [workspaceId]);
    expect(await hindrances([...younger, ...older])).toEqual(["not_now", null]);
  });

  test("a test message is as old as itself", async () => {
    [leadId = ""] = await addLeads(pool, workspaceId, 1);
    const id = await addCampaign(pool, workspaceId);
    await feedAll(pool, id);
    const tried = valueOf(await testCampaign(writes(), id, { leadId }));
    const requests = (await waiting()).filter((flow) => flow.id === tried).map((flow) => requestFor(flow, deviceId));
    expect(await hindrances(requests)).toEqual(["not_now"]);
  });
});
