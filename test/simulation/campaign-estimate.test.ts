// Hours of a campaign in seconds, at the real limits and pace: when it was said to be done, and when it was.

import { afterAll, beforeAll, expect, test } from "vitest";
import { estimatedFinishes } from "../../src/campaigns/capacity.ts";
import { launchCampaign } from "../../src/campaigns/lifecycle.ts";
import { createCampaign } from "../../src/campaigns/service.ts";
import { workspaceDb } from "../../src/db/workspace.ts";
import { MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { type SimulatedDatabase, startSimulatedDatabase } from "./database.ts";
import { createQuiet } from "./quiet.ts";
import { setStage } from "./run.ts";
import { type Db, FAULTLESS, type Lead, type Scenario, type Workspace } from "./scenario.ts";

const SCENARIO: Scenario = {
  startAt: Date.UTC(2030, 2, 5, 1),
  nodes: 1,
  dispatchIntervalMs: 10 * SECOND_MS,
  sendConcurrency: 100,
  maxDevices: 3000,
  enrollBatch: 1000,
  minStepDelayHours: 1,
  troubleMs: 0,
  faults: FAULTLESS,
};

/** Far longer than the longest pause of a device. */
const STILL_MS = 2 * MINUTE_MS;

type Case = { readonly name: string; readonly leads: number; readonly devices: number; readonly quiet?: readonly [string, string] };

const CASES: readonly Case[] = [
  { name: "that ends before any limit", leads: 240, devices: 4 },
  { name: "that takes its devices' hourly limits for hours", leads: 400, devices: 3 },
  { name: "that quiet hours break in two", leads: 280, devices: 3, quiet: ["09:30", "11:30"] },
];

async function fill(db: Db, { leads: count, devices: fleet, quiet }: Case): Promise<Workspace[]> {
  const add = async (text: string, values: unknown[]) => (await db.query<{ id: string }>(text, values)).rows[0]?.id as string;
  const id = await add("INSERT INTO workspaces (name, quiet_start, quiet_end) VALUES ('Estimates', $1, $2) RETURNING id", [quiet?.[0] ?? null, quiet?.[1] ?? null]);
  const devices = [];
  for (let n = 0; n < fleet; n++) {
    devices.push({ id: await add("INSERT INTO devices (workspace_id, name, transport) VALUES ($1, 'Device', 'SIMULATOR') RETURNING id", [id]), hourlyLimit: 80, dailyLimit: 800 });
  }
  const leads: Lead[] = [];
  for (let n = 0; n < count; n++) {
    const phone = `6011${String(n).padStart(7, "0")}`;
    leads.push({ id: await add("INSERT INTO leads (workspace_id, phone, name) VALUES ($1, $2, 'Lead') RETURNING id", [id, phone]), phone, timeZone: null });
  }
  return [{ id, timeZone: "Asia/Kuala_Lumpur", quiet: quiet ?? null, cap: null, ceiling: null, devices, sequences: [], leads }];
}

let database: SimulatedDatabase;
beforeAll(async () => {
  database = await startSimulatedDatabase();
});
afterAll(() => database.stop());

test.for(CASES)("the end of a campaign $name is foretold within 15 %, from its fifth minute on", { timeout: 300_000 }, async (each) => {
  const stage = await setStage({ database, seed: 0, scenario: SCENARIO, fill: (db) => fill(db, each) });
  const { world, server, wire, workspaces, problem, campaigns } = stage;
  const workspaceId = workspaces[0]?.id ?? "";
  const pool = server.connect(world.spawn("caller"));
  const writes = { db: workspaceDb(pool, workspaceId), bell: { ring: () => {}, listen: () => () => {} } };
  const foretold: { readonly at: number; readonly finish: number }[] = [];
  let launchedAt = NaN;
  let failure: unknown;
  const begin = async () => {
    const input = { name: "c", text: "c0_ Hello", audience: {}, minDelaySeconds: 5, maxDelaySeconds: 15, greeting: false, visibleVariation: false, variants: [] };
    const created = await createCampaign(writes, input);
    if (!created.ok) throw new Error("refused");
    campaigns.note({ id: created.value, workspaceId, prefix: "c0_", minDelaySeconds: 5 });
    await launchCampaign(writes, created.value, null);
    launchedAt = world.now();
    const look = async () => {
      const [finish] = await estimatedFinishes(writes.db, [created.value]);
      if (!finish) return;
      foretold.push({ at: world.now(), finish: finish.getTime() });
      world.after(20 * MINUTE_MS, null, "asks for the end", () => void look().catch((error: unknown) => (failure = error)));
    };
    world.after(5 * MINUTE_MS, null, "asks for the end", () => void look().catch((error: unknown) => (failure = error)));
  };
  world.after(MINUTE_MS, null, "launches", () => void begin().catch((error: unknown) => (failure = error)));
  const quiet = createQuiet({ ...stage, scenario: SCENARIO, onStill: async () => {} });
  while (problem() === null && failure === undefined) {
    await world.step();
    // Only where no device may send: passing over the feeder's cycles would take the devices' time.
    const isStill = world.now() - Math.max(launchedAt, wire.written.at(-1)?.at ?? 0) > STILL_MS;
    if (isStill && (await quiet())) break;
  }
  expect([problem(), failure]).toEqual([null, undefined]);

  const [{ finished_at: finishedAt } = { finished_at: new Date(NaN) }] = await server.look<{ finished_at: Date }>("SELECT finished_at FROM campaigns");
  const took = finishedAt.getTime() - launchedAt;
  const wrong = foretold.map(({ at, finish }) => ({ afterMinutes: Math.round((at - launchedAt) / MINUTE_MS), share: (finish - finishedAt.getTime()) / took }));
  expect(foretold.length).toBeGreaterThan(0);
  expect(wrong.filter(({ share }) => Math.abs(share) > 0.15)).toEqual([]);
});
