// Rows with coherent defaults, written by plain SQL: everything behind the tables has to work however they are written.

import type pg from "pg";
import { systemClock } from "../../src/lib/clock.ts";
import { createLogger } from "../../src/lib/logger.ts";
import { createEnroller } from "../../src/sequences/enroller.ts";

export const silent = createLogger("silent");

type Queryable = Pick<pg.ClientBase, "query">;

/** The rows of a statement; `$1` and so on are `values`. */
export async function query<T extends pg.QueryResultRow = Record<string, never>>(db: Queryable, text: string, values: unknown[] = []): Promise<T[]> {
  return (await db.query<T>(text, values)).rows;
}

/** The one row of a statement. */
export async function one<T extends pg.QueryResultRow>(db: Queryable, text: string, values: unknown[] = []): Promise<T> {
  const rows = await query<T>(db, text, values);
  if (rows[0] === undefined || rows.length > 1) throw new Error(`${rows.length} rows instead of one: ${text}`);
  return rows[0];
}

export async function addWorkspace(db: Queryable, { timeZone = "Asia/Kuala_Lumpur" } = {}): Promise<string> {
  return (await one<{ id: string }>(db, "INSERT INTO workspaces (name, time_zone) VALUES ('Test', $1) RETURNING id", [timeZone])).id;
}

export type DeviceSpec = { hourlyLimit?: number; dailyLimit?: number; latencyMs?: number; failureRate?: number; status?: string; name?: string; transport?: "SIMULATOR" | "WHATSAPP" };

export async function addDevice(db: Queryable, workspaceId: string, spec: DeviceSpec = {}): Promise<string> {
  const { hourlyLimit = 80, dailyLimit = 800, latencyMs = 0, failureRate = 0, status = "OFFLINE", name = "Device", transport = "SIMULATOR" } = spec;
  const row = await one<{ id: string }>(
    db,
    `INSERT INTO devices (workspace_id, name, transport, status, hourly_limit, daily_limit, simulated_latency_ms, simulated_failure_rate)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
    [workspaceId, name, transport, status, hourlyLimit, dailyLimit, latencyMs, failureRate],
  );
  return row.id;
}

export type StepSpec = { trigger: string; next?: string | null; delayHours?: number | null; entry?: boolean; text?: string };
export type SequenceSpec = {
  steps: readonly StepSpec[];
  name?: string;
  active?: boolean;
  onFailure?: "CONTINUE" | "STOP";
  delayHours?: number;
  startDelayMinutes?: number;
  minDelaySeconds?: number;
  maxDelaySeconds?: number;
};

/** A sequence whose steps follow one another, beginning with the first, unless they say otherwise. */
export async function addSequence(db: Queryable, workspaceId: string, spec: SequenceSpec): Promise<string> {
  const { steps, name = "Sequence", active = true, onFailure = "CONTINUE", delayHours = 24, startDelayMinutes = 0, minDelaySeconds = 0 } = spec;
  const { id } = await one<{ id: string }>(
    db,
    `INSERT INTO sequences (workspace_id, name, on_failure, trigger_delay_hours, start_delay_minutes, min_delay_seconds, max_delay_seconds)
     VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`,
    [workspaceId, name, onFailure, delayHours, startDelayMinutes, minDelaySeconds, spec.maxDelaySeconds ?? minDelaySeconds],
  );
  await addSteps(db, workspaceId, id, steps);
  if (active) await setActive(db, id, true);
  return id;
}

export async function addSteps(db: Queryable, workspaceId: string, sequenceId: string, steps: readonly StepSpec[]): Promise<void> {
  for (const [index, step] of steps.entries()) {
    const { trigger, next = steps[index + 1]?.trigger ?? null, delayHours = null, entry = index === 0, text = "Hello {{name}}" } = step;
    await db.query(
      `INSERT INTO sequence_steps (workspace_id, sequence_id, day_number, trigger, next_trigger, trigger_delay_hours, is_entry_point, message_text)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [workspaceId, sequenceId, index + 1, trigger, next, delayHours, entry, text],
    );
  }
}

export const setActive = (db: Queryable, sequenceId: string, active: boolean) => db.query("UPDATE sequences SET is_active = $2 WHERE id = $1", [sequenceId, active]);

let phones = 60_110_000_000;

/** Leads that carry `trigger`, with ids in the order of their phones. */
export async function addLeads(db: Queryable, workspaceId: string, count: number, trigger: string | null = null): Promise<string[]> {
  const first = phones;
  phones += count;
  const rows = await query<{ id: string }>(
    db,
    "INSERT INTO leads (workspace_id, phone, name, trigger) SELECT $1, ($2::bigint + n)::text, 'Lead ' || n, $4 FROM generate_series(0, $3::int - 1) AS n RETURNING id",
    [workspaceId, first, count, trigger],
  );
  return rows.map(({ id }) => id);
}

/** Reviews what was changed and enrols who carries a word, as a node does, until nothing is left to do. */
export async function enrolAll(pool: pg.Pool, { minStepDelayHours = 0, batch = 1000 } = {}): Promise<void> {
  const options = { pool, clock: systemClock, logger: silent, intervalMs: 1000, batch, perSecond: 10_000_000, minStepDelayHours, onEnrolled: () => {} };
  await createEnroller(options).runOnce();
}

/** An enrolment that stands at its first flow, which is due. */
export async function addEnrolled(pool: pg.Pool, workspaceId: string, spec: SequenceSpec, leads = 1): Promise<{ sequenceId: string; leadIds: string[] }> {
  const sequenceId = await addSequence(pool, workspaceId, spec);
  const entry = spec.steps.find((step, index) => step.entry ?? index === 0);
  const leadIds = await addLeads(pool, workspaceId, leads, entry?.trigger ?? null);
  await enrolAll(pool);
  return { sequenceId, leadIds };
}
