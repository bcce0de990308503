// What a seed is about: a few workspaces with small limits, so that everything bites within little time.

import type pg from "pg";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import type { Random } from "../../src/lib/random.ts";
import type { WireFaults } from "./wire.ts";

export type Device = { readonly id: string; readonly hourlyLimit: number; readonly dailyLimit: number };
export type Step = { readonly trigger: string; readonly delayHours: number };
export type Sequence = {
  readonly id: string;
  readonly prefix: string;
  readonly steps: readonly Step[];
  readonly minDelaySeconds: number;
  readonly scheduleTime: string | null;
  readonly toleranceMinutes: number;
  readonly timeZone: string | null;
};
export type Lead = { readonly id: string; readonly phone: string; readonly timeZone: string | null };
export type Workspace = {
  readonly id: string;
  readonly timeZone: string;
  readonly quiet: readonly [string, string] | null;
  readonly cap: { readonly messages: number; readonly hours: number } | null;
  /** Of attempts an hour, over all devices. */
  readonly ceiling: number | null;
  readonly devices: Device[];
  readonly sequences: Sequence[];
  readonly leads: Lead[];
};

export type Scenario = {
  readonly startAt: number;
  readonly nodes: number;
  readonly dispatchIntervalMs: number;
  readonly sendConcurrency: number;
  readonly maxDevices: number;
  readonly enrollBatch: number;
  readonly minStepDelayHours: number;
  /** Until then operators work and faults happen; afterwards all is mended, and must come to an end. */
  readonly troubleMs: number;
  readonly faults: Faults;
};

export const FAULTLESS: Faults = {
  wire: { refused: 0, unacknowledged: 0, late: 0, slow: 0, disconnectEveryMs: Infinity },
  lost: 0,
  unanswered: 0,
  silent: 0,
  kills: 0,
  pauses: 0,
  wallSteps: 0,
  restarts: 0,
  outages: 0,
  cuts: 0,
  restrictions: 0,
};

export type Faults = {
  readonly wire: WireFaults;
  /** Shares of statements. */
  readonly lost: number;
  readonly unanswered: number;
  readonly silent: number;
  /** How many of each in the time of trouble. */
  readonly kills: number;
  readonly pauses: number;
  readonly wallSteps: number;
  readonly restarts: number;
  readonly outages: number;
  /** Of one node from Postgres. */
  readonly cuts: number;
  /** Of devices, by WhatsApp. */
  readonly restrictions: number;
};

const ZONES = ["Asia/Kuala_Lumpur", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"];

export const pick = <T>(random: Random, items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
export const upTo = (random: Random, most: number) => Math.floor(random() * (most + 1));
const chance = (random: Random, share: number) => random() < share;

/** Three of each of three workspaces. */
const MOST_DEVICES = 9;

export function drawScenario(random: Random): Scenario {
  const calm = chance(random, 0.25);
  const some = (most: number) => (calm || chance(random, 0.4) ? 0 : most * random());
  const nodes = pick(random, [1, 2, 2, 3]);
  return {
    // Around changes of daylight saving, of which most zones have one in these days.
    startAt: Date.UTC(2030, pick(random, [2, 3, 9, 10]), 1 + upTo(random, 27), upTo(random, 23), upTo(random, 59)),
    nodes,
    dispatchIntervalMs: pick(random, [5, 10, 10, 20]) * SECOND_MS,
    sendConcurrency: pick(random, [1, 2, 100]),
    maxDevices: pick(random, [Math.ceil(MOST_DEVICES / nodes), 3000]),
    enrollBatch: pick(random, [2, 10, 1000]),
    minStepDelayHours: pick(random, [0, 0.1, 1]),
    troubleMs: pick(random, [20 * MINUTE_MS, 2 * HOUR_MS, DAY_MS]),
    faults: {
      wire: { refused: some(0.1), unacknowledged: some(0.1), late: some(0.2), slow: some(0.3), disconnectEveryMs: chance(random, 0.6) ? Infinity : HOUR_MS * (0.2 + 5 * random()) },
      lost: some(0.01),
      unanswered: some(0.02),
      silent: some(0.002),
      kills: calm ? 0 : upTo(random, 3),
      pauses: calm ? 0 : upTo(random, 4),
      wallSteps: calm ? 0 : upTo(random, 2),
      restarts: calm ? 0 : upTo(random, 1),
      outages: calm ? 0 : upTo(random, 1),
      cuts: calm ? 0 : upTo(random, 1),
      restrictions: calm || chance(random, 0.7) ? 0 : 1 + upTo(random, 3), // drawn last: the seeds without are what they were
    },
  };
}

export type Db = Pick<pg.ClientBase, "query">;

const idOf = async (db: Db, text: string, values: unknown[]) => (await db.query<{ id: string }>(text, values)).rows[0]?.id as string;

export async function populate(db: Db, random: Random): Promise<Workspace[]> {
  const workspaces: Workspace[] = [];
  const count = pick(random, [1, 1, 2, 3]);
  for (let n = 0; n < count; n++) workspaces.push(await addWorkspace(db, random, n));
  return workspaces;
}

async function addWorkspace(db: Db, random: Random, n: number): Promise<Workspace> {
  const timeZone = pick(random, ZONES);
  const quiet = chance(random, 0.25) ? pick(random, [["21:00", "08:00"], ["12:00", "13:30"], ["02:30", "03:15"]] as const) : null;
  const cap = chance(random, 0.25) ? { messages: 1 + upTo(random, 1), hours: 1 + upTo(random, 5) } : null;
  const ceiling = chance(random, 0.15) ? 3 + upTo(random, 3) : null;
  const text = `INSERT INTO workspaces (name, time_zone, quiet_start, quiet_end, cap_messages, cap_hours, hourly_ceiling) VALUES ('Simulated', $1, $2, $3, $4, $5, $6) RETURNING id`;
  const id = await idOf(db, text, [timeZone, quiet?.[0] ?? null, quiet?.[1] ?? null, cap?.messages ?? null, cap?.hours ?? null, ceiling]);
  const workspace: Workspace = { id, timeZone, quiet, cap, ceiling, devices: [], sequences: [], leads: [] };
  const devices = 1 + upTo(random, 2);
  for (let k = 0; k < devices; k++) workspace.devices.push(await addDevice(db, random, id));
  const names = ["a", "b", "c"].slice(0, 1 + upTo(random, 2));
  for (const [k, name] of names.entries()) workspace.sequences.push(await addSequence(db, random, workspace, `w${n}${name}`, names[k + 1] ? `w${n}${names[k + 1]}0` : null));
  for (const { id } of workspace.sequences) await db.query("UPDATE sequences SET is_active = true WHERE id = $1", [id]);
  const leads = 2 + upTo(random, 8);
  for (let k = 0; k < leads; k++) {
    const phone = `6011${n}${String(k).padStart(6, "0")}`;
    const zone = chance(random, 0.4) ? pick(random, ZONES) : null;
    const preferred = chance(random, 0.2) ? pick(random, workspace.devices).id : null;
    const lead = await idOf(db, "INSERT INTO leads (workspace_id, phone, name, time_zone, preferred_device_id) VALUES ($1, $2, $3, $4, $5) RETURNING id", [id, phone, `Lead ${k}`, zone, preferred]);
    workspace.leads.push({ id: lead, phone, timeZone: zone });
  }
  return workspace;
}

async function addDevice(db: Db, random: Random, workspaceId: string): Promise<Device> {
  const hourlyLimit = pick(random, [2, 3, 5, 80, 80]);
  const dailyLimit = Math.max(hourlyLimit, pick(random, [8, 12, 800]));
  const text = "INSERT INTO devices (workspace_id, name, transport, hourly_limit, daily_limit) VALUES ($1, 'Device', 'SIMULATOR', $2, $3) RETURNING id";
  return { id: await idOf(db, text, [workspaceId, hourlyLimit, dailyLimit]), hourlyLimit, dailyLimit };
}

async function addSequence(db: Db, random: Random, { id: workspaceId, quiet }: Workspace, prefix: string, next: string | null): Promise<Sequence> {
  const minDelaySeconds = pick(random, [0, 1, 5, 10]);
  // A window that lies within the quiet hours never comes.
  const scheduleTime = chance(random, 0.25) ? pick(random, quiet === null ? ["09:00", "01:30", "02:30", "23:55", "00:00"] : ["09:00", "11:55", "20:50"]) : null;
  const toleranceMinutes = pick(random, [10, 45]);
  const timeZone = chance(random, 0.2) ? pick(random, ZONES) : null;
  // Never the same pause each time: one of exactly 10 s would be taken for the wait of a loop (see world.ts), and be passed over.
  const maxDelaySeconds = minDelaySeconds === 0 ? upTo(random, 20) : minDelaySeconds + 1 + upTo(random, 19);
  const id = await idOf(
    db,
    `INSERT INTO sequences (workspace_id, name, on_failure, trigger_delay_hours, start_delay_minutes, min_delay_seconds, max_delay_seconds, schedule_time, schedule_tolerance_minutes, time_zone)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`,
    [workspaceId, prefix, pick(random, ["CONTINUE", "CONTINUE", "STOP"]), 1, pick(random, [0, 0, 5]), minDelaySeconds, maxDelaySeconds, scheduleTime, toleranceMinutes, timeZone],
  );
  const count = 1 + upTo(random, 3);
  const steps: Step[] = [];
  for (let k = 0; k < count; k++) {
    const trigger = `${prefix}${k}`;
    const delayHours = pick(random, [1, 1, 3]);
    const leadsTo = k + 1 < count ? `${prefix}${k + 1}` : chance(random, 0.5) ? next : null;
    await db.query(
      `INSERT INTO sequence_steps (workspace_id, sequence_id, day_number, trigger, next_trigger, trigger_delay_hours, is_entry_point, message_text)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [workspaceId, id, k + 1, trigger, leadsTo, delayHours, k === 0, `${trigger} {Hi|Hello} {{name}}`],
    );
    steps.push({ trigger, delayHours });
  }
  return { id, prefix, steps, minDelaySeconds, scheduleTime, toleranceMinutes, timeZone };
}
