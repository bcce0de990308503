// How campaigns are fed into the queue, and what that survives.

import type pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { feedLane } from "../../src/campaigns/feed.ts";
import { createFeeder } from "../../src/campaigns/feeder.ts";
import { cancelCampaign, pauseCampaign, resumeCampaign } from "../../src/campaigns/lifecycle.ts";
import type { NewCampaign } from "../../src/campaigns/service.ts";
import { settleFlows } from "../../src/flows/settle.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { addCampaign, campaignWrites, feedAll, valueOf } from "../support/campaign-rows.ts";
import { expectCampaignCountsTrue } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addLeads, addWorkspace, one, query, silent } from "../support/factories.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;

beforeEach(async () => {
  database = await testDatabase();
  pool = database.pool;
  workspaceId = await addWorkspace(pool);
});
afterEach(async () => {
  await expectCampaignCountsTrue(pool).finally(() => database.drop());
});

const writes = () => campaignWrites(pool, workspaceId);

async function launch(leads: number, fields: Partial<NewCampaign> = {}): Promise<string> {
  if (leads > 0) await addLeads(pool, workspaceId, leads);
  return addCampaign(pool, workspaceId, fields);
}

const settleAll = async (settlements: Parameters<typeof settleFlows>[1]) => void (await settleFlows(pool, settlements, 0));
const feeder = (claimBatch = 10_000) => createFeeder({ pool, clock: systemClock, logger: silent, claimBatch, settleAll, onFed: () => {} });
const online = async (count: number) => {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push(await addDevice(pool, workspaceId, { status: "ONLINE" }));
  return ids;
};
const totals = (id: string) => one<Record<string, number>>(pool, "SELECT total, waiting, sent, failed, skipped, cancelled FROM campaign_totals WHERE campaign_id = $1", [id]);
const flows = async () => (await one<{ n: number }>(pool, "SELECT count(*)::int AS n FROM flows")).n;
const lane = (id: string) => one<{ id: number; unfed: number }>(pool, "SELECT id, unfed FROM lanes WHERE campaign_id = $1", [id]);
const status = async (id: string) => (await one<{ status: string }>(pool, "SELECT status FROM campaigns WHERE id = $1", [id])).status;

describe("the queue holds what the devices can take, and never all of it at once", () => {
  test("half a minute's messages at the campaign's pace, for each device that could send", async () => {
    await online(4);
    await addDevice(pool, workspaceId, { status: "LOGGED_OUT" });
    const id = await launch(1000);
    await feeder().runOnce();
    expect(await flows()).toBe(4 * 3);
    await feeder().runOnce();
    expect(await flows()).toBe(4 * 3);
    expect(await totals(id)).toEqual({ total: 1000, waiting: 1000, sent: 0, failed: 0, skipped: 0, cancelled: 0 });
  });

  test("nothing without a device; it waits for one", async () => {
    const id = await launch(10);
    await feeder().runOnce();
    expect(await flows()).toBe(0);
    expect(await status(id)).toBe("RUNNING");
  });

  test("what the hourly ceiling leaves in that time", async () => {
    await online(50);
    await pool.query("UPDATE workspaces SET hourly_ceiling = 1200 WHERE id = $1", [workspaceId]);
    await launch(1000);
    await feeder().runOnce();
    expect(await flows()).toBe(10);
  });

  test("leads that one device has to itself do not leave the others idle", async () => {
    const [first] = await online(4);
    await pool.query("UPDATE devices SET spills = false");
    const own = await addLeads(pool, workspaceId, 40);
    await pool.query("UPDATE leads SET preferred_device_id = $1 WHERE id = ANY ($2::uuid[])", [first, own]);
    await launch(100);
    await feeder().runOnce(); // twelve, all of them the first device's, which can take three
    for (let n = 0; n < 5; n++) await feeder().runOnce();
    const waiting = await query<{ bound: boolean; n: number }>(pool, "SELECT bound_device_id IS NOT NULL AS bound, count(*)::int AS n FROM flows WHERE queued GROUP BY 1 ORDER BY 1");
    expect(waiting).toEqual([
      { bound: false, n: 9 },
      { bound: true, n: 40 },
    ]);
  });

  test("what waits for a restricted device keeps nobody else from being fed", async () => {
    const [first] = await online(2);
    const own = await addLeads(pool, workspaceId, 20);
    await pool.query("UPDATE leads SET preferred_device_id = $1 WHERE id = ANY ($2::uuid[])", [first, own]);
    await pool.query("UPDATE devices SET status = 'RESTRICTED', spills = false WHERE id = $1", [first]);
    await launch(20);
    for (let n = 0; n < 12; n++) await feeder().runOnce();
    expect(await one(pool, "SELECT count(*)::int AS n FROM flows WHERE queued AND bound_device_id IS NULL")).toEqual({ n: 3 });
  });

  test("while first contacts are held, it looks for those who have written, behind the others", async () => {
    await online(1);
    await pool.query("UPDATE workspaces SET first_contacts_held_at = now() WHERE id = $1", [workspaceId]);
    await addLeads(pool, workspaceId, 50);
    const wrote = await addLeads(pool, workspaceId, 2);
    await pool.query("UPDATE leads SET last_replied_at = now() WHERE id = ANY ($1::uuid[])", [wrote]);
    await launch(0);
    for (let n = 0; n < 20; n++) await feeder().runOnce();
    expect(await one(pool, "SELECT count(*)::int AS n FROM flows WHERE lead_id = ANY ($1::uuid[])", [wrote])).toEqual({ n: 2 });
  });
});

describe("nobody is fed twice or passed over", () => {
  test("by eight that feed the same lane at the same time", async () => {
    const id = await launch(2000);
    const { id: laneId } = await lane(id);
    const feed = async () => {
      while ((await feedLane(pool, id, laneId, 37)).fed > 0);
    };
    await Promise.all(Array.from({ length: 8 }, feed));
    expect(await one(pool, "SELECT count(*)::int AS flows, count(DISTINCT lead_id)::int AS leads FROM flows")).toEqual({ flows: 2000, leads: 2000 });
    expect((await lane(id)).unfed).toBe(0);
  });

  test("where the feeding transaction is undone half-way, all of it is", async () => {
    const id = await launch(100);
    const { id: laneId } = await lane(id);
    await pool.query("ALTER TABLE campaign_count_deltas ADD CONSTRAINT broken CHECK (fed < 50)");
    await expect(feedLane(pool, id, laneId, 60)).rejects.toThrow("broken");
    expect([await flows(), (await lane(id)).unfed]).toEqual([0, 100]);
    await pool.query("ALTER TABLE campaign_count_deltas DROP CONSTRAINT broken");
    await feedAll(pool, id);
    expect([await flows(), (await lane(id)).unfed]).toEqual([100, 0]);
  });

  test("and nobody at all once it is paused or cancelled", async () => {
    const id = await launch(10);
    const { id: laneId } = await lane(id);
    valueOf(await pauseCampaign(writes(), id));
    expect(await feedLane(pool, id, laneId, 5)).toEqual({ fed: 0, queued: 0 });
    valueOf(await resumeCampaign(writes(), id));
    expect(await feedLane(pool, id, laneId, 5)).toEqual({ fed: 5, queued: 5 });
    valueOf(await cancelCampaign(writes(), id));
    expect(await feedLane(pool, id, laneId, 5)).toEqual({ fed: 0, queued: 0 });
  });
});

test("who has opted out since the launch is skipped when their turn comes, and takes nobody's place in the queue", async () => {
  await online(1);
  const id = await launch(40);
  await pool.query("UPDATE leads SET opted_out_at = now() WHERE phone::bigint % 2 = 0");
  await feeder().runOnce();
  expect(await one(pool, "SELECT count(*) FILTER (WHERE queued)::int AS queued, count(*) FILTER (WHERE skip_reason = 'OPTED_OUT' AND settled_at IS NOT NULL)::int >= 2 AS skipped FROM flows")).toEqual({ queued: 3, skipped: true });
  const { skipped, waiting } = await totals(id);
  expect((skipped ?? 0) + (waiting ?? 0)).toBe(40);
  expect(await one(pool, "SELECT count(*) FILTER (WHERE type = 'FLOW_SKIPPED')::int AS n FROM events WHERE reason = 'OPTED_OUT'")).toEqual({ n: skipped });
});

test("a lead that SQL has deleted since the launch is skipped, too", async () => {
  await online(1);
  const id = await launch(2);
  await pool.query("DELETE FROM leads WHERE id = (SELECT lead_id FROM campaign_leads ORDER BY lead_id LIMIT 1)");
  await feeder().runOnce();
  expect(await totals(id)).toMatchObject({ waiting: 1, skipped: 1 });
});

test("a person is fed into the lane of the zone that they live in by then", async () => {
  await online(1);
  const id = await launch(1);
  await pool.query("UPDATE leads SET time_zone = 'America/New_York'");
  await feeder().runOnce();
  expect(await one(pool, "SELECT a.time_zone, a.campaign_id FROM flows f JOIN lanes a ON a.id = f.lane_id")).toEqual({ time_zone: "America/New_York", campaign_id: id });
});

test("in quiet hours only the people of other zones are fed", async () => {
  await online(10);
  await addLeads(pool, workspaceId, 5);
  const far = await addLeads(pool, workspaceId, 5);
  await pool.query("UPDATE leads SET time_zone = 'Pacific/Honolulu' WHERE id = ANY ($1::uuid[])", [far]);
  // Quiet now for an hour where the workspace is.
  await pool.query("UPDATE workspaces SET quiet_start = (now() AT TIME ZONE time_zone - interval '30 minutes')::time(0), quiet_end = (now() AT TIME ZONE time_zone + interval '30 minutes')::time(0) WHERE id = $1", [workspaceId]);
  await launch(0);
  await feeder().runOnce();
  expect((await query<{ lead_id: string }>(pool, "SELECT lead_id FROM flows")).map((row) => row.lead_id).toSorted()).toEqual(far.toSorted());
});

test("a scheduled campaign begins when its time has come", async () => {
  await online(1);
  const id = await launch(5, { startAt: new Date(Date.now() + 3_600_000) });
  expect(await status(id)).toBe("SCHEDULED");
  await feeder().runOnce();
  expect([await status(id), await flows()]).toEqual(["SCHEDULED", 0]);
  await pool.query("UPDATE campaigns SET start_at = now()");
  await feeder().runOnce();
  expect([await status(id), await flows()]).toEqual(["RUNNING", 3]);
  expect(await one(pool, "SELECT paused_at FROM lanes")).toEqual({ paused_at: null });
});

test("what a cancelled campaign has left in the queue is swept, and the rest counts as cancelled without a row written for it", async () => {
  await online(3);
  const id = await launch(500);
  await feeder().runOnce();
  valueOf(await cancelCampaign(writes(), id));
  expect(await totals(id)).toMatchObject({ waiting: 9, cancelled: 491 });
  await feeder().runOnce();
  expect(await totals(id)).toEqual({ total: 500, waiting: 0, sent: 0, failed: 0, skipped: 0, cancelled: 500 });
  expect(await flows()).toBe(9);
  expect(await one(pool, "SELECT status, finished_at IS NOT NULL AS finished FROM campaigns")).toEqual({ status: "CANCELLED", finished: true });
  expect(await one(pool, "SELECT count(*)::int AS n FROM events WHERE type = 'FLOW_CANCELLED' AND campaign_id = $1", [id])).toEqual({ n: 9 });
});

test("pausing, resuming and cancelling write as many rows for 20,000 leads as for 2", async () => {
  await online(1);
  const written = async (leads: number) => {
    const id = await launch(leads, { audience: { createdAfter: new Date(Date.now() - 1) } });
    const counts: number[] = [];
    for (const change of [pauseCampaign, resumeCampaign, cancelCampaign]) {
      const before = await one<{ at: string }>(pool, "SELECT pg_current_xact_id()::text AS at");
      valueOf(await change(writes(), id));
      const tables = ["campaigns", "campaign_leads", "lanes", "flows", "campaign_count_deltas", "leads"];
      const changed = tables.map((table) => `SELECT count(*) AS n FROM ${table} WHERE xmin::text::bigint > ${before.at}`).join(" UNION ALL ");
      counts.push((await one<{ n: number }>(pool, `SELECT sum(n)::int AS n FROM (${changed}) AS t`)).n);
    }
    return counts;
  };
  const few = await written(2);
  expect(await written(20_000)).toEqual(few);
  expect(few).toEqual([2, 2, 2]);
});
