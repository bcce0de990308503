// Four months of daily messages in seconds, over both changes of daylight saving, judged by the clocks on people's walls.

import { afterAll, beforeAll, expect, test } from "vitest";
import { DAY_MS, MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { type SimulatedDatabase, startSimulatedDatabase } from "./database.ts";
import { firstInstantAt, localDay } from "./local-time.ts";
import { createQuiet } from "./quiet.ts";
import { setStage } from "./run.ts";
import { type Db, FAULTLESS, type Lead, type Scenario, type Sequence, type Workspace } from "./scenario.ts";

/** Two changes in each zone but the last: a whole hour, half an hour, at midnight. The times lie before, within what is skipped or doubled, and after. */
const PLACES: readonly (readonly [zone: string, times: readonly string[]])[] = [
  ["Europe/London", ["01:30", "09:00"]], //        skipped on 31 March, doubled on 27 October
  ["America/New_York", ["01:30", "02:30"]], //     02:30 skipped on 10 March, 01:30 doubled on 3 November
  ["Australia/Lord_Howe", ["01:45", "02:15"]], //  01:45 doubled on 7 April, 02:15 skipped on 6 October
  ["America/Santiago", ["00:30", "23:30"]], //     23:30 doubled on 6 April, 00:30 skipped on 8 September
  ["Africa/Cairo", ["00:30", "23:30"]], //         00:30 skipped on 26 April, 23:30 doubled on 31 October
  ["Asia/Kuala_Lumpur", ["02:30"]], //             never changes
];

const TOLERANCE_MINUTES = 10;

/** Each of the five zones changes once in each of these. */
const SEASONS = [
  { season: "spring", startAt: Date.UTC(2030, 2, 5, 16), days: 60 },
  { season: "autumn", startAt: Date.UTC(2030, 8, 1, 16), days: 66 },
];

const CALM: Omit<Scenario, "startAt"> = {
  nodes: 1,
  dispatchIntervalMs: 10 * SECOND_MS,
  sendConcurrency: 100,
  maxDevices: 3000,
  enrollBatch: 1000,
  minStepDelayHours: 1,
  troubleMs: 0,
  faults: FAULTLESS,
};

async function fill(db: Db, days: number): Promise<Workspace[]> {
  const add = async (text: string, values: unknown[]) => (await db.query<{ id: string }>(text, values)).rows[0]?.id as string;
  const id = await add("INSERT INTO workspaces (name) VALUES ('Months') RETURNING id", []);
  const device = { id: await add("INSERT INTO devices (workspace_id, name, transport) VALUES ($1, 'Device', 'SIMULATOR') RETURNING id", [id]), hourlyLimit: 80, dailyLimit: 800 };
  const sequences: Sequence[] = [];
  for (const time of new Set(PLACES.flatMap(([, times]) => times))) {
    const prefix = `s${time.replace(":", "")}d`;
    const sequenceId = await add(
      "INSERT INTO sequences (workspace_id, name, schedule_time, schedule_tolerance_minutes, min_delay_seconds, max_delay_seconds) VALUES ($1, $2, $3, $4, 1, 5) RETURNING id",
      [id, prefix, time, TOLERANCE_MINUTES],
    );
    await db.query(
      `INSERT INTO sequence_steps (workspace_id, sequence_id, day_number, trigger, next_trigger, is_entry_point, message_text)
       SELECT $1, $2, n, $3 || n, CASE WHEN n < $4::int THEN $3 || (n + 1) END, n = 1, $3 || n || ' Hello' FROM generate_series(1, $4::int) AS n`,
      [id, sequenceId, prefix, days],
    );
    await db.query("UPDATE sequences SET is_active = true WHERE id = $1", [sequenceId]);
    sequences.push({ id: sequenceId, prefix, steps: [], minDelaySeconds: 1, scheduleTime: time, toleranceMinutes: TOLERANCE_MINUTES, timeZone: null });
  }
  const leads: Lead[] = [];
  for (const [zone, times] of PLACES) {
    for (const time of times) {
      const phone = `6011${String(leads.length).padStart(7, "0")}`;
      const text = "INSERT INTO leads (workspace_id, phone, name, time_zone, trigger) VALUES ($1, $2, 'Lead', $3, $4) RETURNING id";
      leads.push({ id: await add(text, [id, phone, zone, `s${time.replace(":", "")}d1`]), phone, timeZone: zone });
    }
  }
  return [{ id, timeZone: "Asia/Kuala_Lumpur", quiet: null, cap: null, ceiling: null, devices: [device], sequences, leads }];
}

let database: SimulatedDatabase;

beforeAll(async () => {
  database = await startSimulatedDatabase();
});
afterAll(() => database.stop());

test.for(SEASONS)("a daily message comes once each day at its time, however the clocks are changed in $season", { timeout: 300_000 }, async ({ startAt, days }) => {
  const scenario = { ...CALM, startAt };
  const stage = await setStage({ database, seed: 0, scenario, fill: (db) => fill(db, days) });
  const { world, wire, workspaces, promises, problem } = stage;
  const quiet = createQuiet({ ...stage, scenario, onStill: async () => {} });
  while (problem() === null) {
    await world.step();
    if (await quiet()) break;
  }
  await promises.checkRows();
  expect({ problem: problem(), lastEvents: problem() === null ? [] : world.trace.last(100) }).toEqual({ problem: null, lastEvents: [] });

  const leads = workspaces[0]?.leads ?? [];
  for (const [index, [zone, time]] of PLACES.flatMap(([place, times]) => times.map((each) => [place, each] as const)).entries()) {
    const times = wire.written.filter(({ phone }) => phone === leads[index]?.phone).map(({ at }) => at);
    const first = localDay(zone, times[0] ?? 0);
    const minutes = Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
    const opens = Array.from({ length: days }, (_, day) => firstInstantAt(zone, first + day * DAY_MS + minutes * MINUTE_MS));
    // A day's message, in that day's window: none skipped, and none twice.
    expect({ zone, time, late: times.map((at, day) => at - (opens[day] ?? 0)).filter((ms) => ms < 0 || ms > TOLERANCE_MINUTES * MINUTE_MS), count: times.length }).toEqual({ zone, time, late: [], count: days });
  }
});
