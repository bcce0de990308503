// What people and other programs do meanwhile, by plain SQL and by the same functions that the API calls.

import pg from "pg";
import { transaction } from "../../src/db/transaction.ts";
import { workspaceDb } from "../../src/db/workspace.ts";
import { cancelFlow } from "../../src/flows/cancel.ts";
import { retryFlow } from "../../src/flows/retry.ts";
import { pauseEnrollments, resumeEnrollments } from "../../src/sequences/pause.ts";
import { openEnrollmentsOf, stopEnrollments } from "../../src/sequences/stop.ts";
import { pick, upTo, type Workspace } from "./scenario.ts";
import type { World } from "./world.ts";

/** What was done, as the promises need to know it. */
export type Deeds = {
  /** When a device's pause was ended last. */
  unpausedAt: number;
  /** When a person's opt-out had committed. */
  readonly optedOutAt: Map<string, number>;
  /** How often a lead was given an entry trigger that it had not, by lead and trigger. */
  readonly triggered: Map<string, number>;
};

export type OperatorsOptions = { readonly world: World; readonly pool: pg.Pool; readonly workspaces: readonly Workspace[]; readonly ring: (topic: "enrollment" | "devices") => void; readonly minStepDelayHours: number; readonly fail: (problem: string) => void };

export interface Operators {
  /** Runs what an operator does: Postgres may be away. */
  perform(run: () => Promise<unknown>): Promise<void>;
  readonly deeds: Deeds;
  /** Does something, drawn at random. */
  act(): Promise<void>;
  /** Gives leads their first triggers. */
  begin(workspace: Workspace): Promise<void>;
  /** Takes back whatever holds messages up. */
  mend(): Promise<void>;
}

export function createOperators({ world, pool, workspaces, ring, minStepDelayHours, fail }: OperatorsOptions): Operators {
  const random = world.random("operators");
  const deeds: Deeds = { unpausedAt: -Infinity, optedOutAt: new Map(), triggered: new Map() };

  /** Not awaited by the event that begins it: its statements are events of their own. */
  const later = (ms: number, what: string, run: () => Promise<unknown>) =>
    world.after(ms, null, what, () => void perform(run));

  const perform = async (run: () => Promise<unknown>) => {
    try {
      await run();
    } catch (error) {
      // Postgres may be away; whoever called would try again. Drizzle wraps what Postgres said.
      const said = error instanceof pg.DatabaseError ? error : (error as Error).cause;
      if (said instanceof pg.DatabaseError) fail(`an operator's statement failed: ${String(said)}`);
    }
  };

  const rows = async <T extends pg.QueryResultRow>(text: string, values: unknown[]) => (await pool.query<T>(text, values)).rows;

  const setTriggers = async (ids: readonly string[], words: string | null) => {
    const changed = await rows<{ id: string; added: string[] }>(
      `WITH before AS (SELECT id, trigger FROM leads WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE)
       UPDATE leads l SET trigger = $2 FROM before b WHERE l.id = b.id
       RETURNING l.id, ARRAY(SELECT unnest(trigger_words($2)) EXCEPT SELECT unnest(trigger_words(b.trigger))) AS added`,
      [ids, words],
    );
    for (const { id, added } of changed) {
      for (const word of added) deeds.triggered.set(`${id} ${word}`, (deeds.triggered.get(`${id} ${word}`) ?? 0) + 1);
    }
    if (random() < 0.5) ring("enrollment");
  };
  const entry = (workspace: Workspace) => pick(random, workspace.sequences).steps[0]?.trigger ?? "";
  const someLeads = (workspace: Workspace) => workspace.leads.filter(() => random() < 0.4).map(({ id }) => id);

  const openEnrollment = async (workspace: Workspace, status: string) =>
    pick(random, await rows<{ id: string }>("SELECT id FROM enrollments WHERE workspace_id = $1 AND status = $2 ORDER BY id", [workspace.id, status]))?.id;

  /** As in the API, on a workspace's own view of the database. */
  const writesOf = (workspace: Workspace) => ({ db: workspaceDb(pool, workspace.id), bell: { ring: () => {}, listen: () => () => {} }, minStepDelayHours });
  const someFlow = async (workspace: Workspace, condition: string) =>
    pick(random, await rows<{ id: string }>(`SELECT id FROM flows WHERE workspace_id = $1 AND ${condition} ORDER BY id`, [workspace.id]))?.id;

  const acts: Record<string, (workspace: Workspace) => Promise<unknown>> = {
    trigger: (workspace) => setTriggers(someLeads(workspace), random() < 0.2 ? `${entry(workspace)}, ${entry(workspace)},nobody` : entry(workspace)),
    async storm(workspace) {
      const word = entry(workspace);
      for (let n = 0; n < 3; n++) {
        await setTriggers(workspace.leads.map(({ id }) => id), n % 2 === 0 ? word : null);
        await setTriggers(workspace.leads.map(({ id }) => id), word);
      }
    },
    async optOut(workspace) {
      const { id } = pick(random, workspace.leads);
      const done = await rows("UPDATE leads SET opted_out_at = clock_timestamp() WHERE id = $1 AND opted_out_at IS NULL RETURNING id", [id]);
      // From its answer on; it was committed a moment before.
      if (done.length > 0) deeds.optedOutAt.set(id, world.now());
      // The process that takes it may die in between.
      if (random() < 0.7) await transaction(pool, async (client) => stopEnrollments(client, await openEnrollmentsOf(client, id), "OPTED_OUT"));
    },
    async pauseSequence(workspace) {
      const { id } = pick(random, workspace.sequences);
      await rows("UPDATE sequences SET is_active = false WHERE id = $1 AND status = 'ACTIVE'", [id]);
      later(600_000 * random() ** 2, "resumes a sequence", () => rows("UPDATE sequences SET is_active = true WHERE id = $1 AND status = 'PAUSED'", [id]));
    },
    async pauseEnrollment(workspace) {
      const id = await openEnrollment(workspace, "ACTIVE");
      if (id === undefined) return;
      await transaction(pool, (client) => pauseEnrollments(client, [id]));
      later(600_000 * random() ** 2, "resumes an enrolment", () => transaction(pool, (client) => resumeEnrollments(client, [id])));
    },
    async stopEnrollment(workspace) {
      const id = await openEnrollment(workspace, "ACTIVE");
      if (id !== undefined) await transaction(pool, (client) => stopEnrollments(client, [id], "OPERATOR"));
    },
    editStep: (workspace) => rows("UPDATE sequence_steps SET message_text = message_text || '!' WHERE sequence_id = $1", [pick(random, workspace.sequences).id]),
    async poison(workspace) {
      const step = pick(random, pick(random, workspace.sequences).steps);
      await rows("UPDATE sequence_steps SET message_text = message_text || ' {{' WHERE workspace_id = $1 AND trigger = $2", [workspace.id, step.trigger]);
    },
    async removeStep(workspace) {
      const { steps } = pick(random, workspace.sequences);
      const step = steps[upTo(random, steps.length - 1)];
      if (step !== undefined) await rows("DELETE FROM sequence_steps WHERE workspace_id = $1 AND trigger = $2 AND NOT is_entry_point", [workspace.id, step.trigger]);
    },
    archive: (workspace) => rows("UPDATE sequences SET status = 'ARCHIVED' WHERE id = $1", [pick(random, workspace.sequences).id]),
    async pauseDevice(workspace) {
      const { id } = pick(random, workspace.devices);
      await rows("UPDATE devices SET paused_at = clock_timestamp() WHERE id = $1", [id]);
      if (random() < 0.5) ring("devices");
      later(600_000 * random() ** 2, "resumes a device", async () => {
        await rows("UPDATE devices SET paused_at = NULL WHERE id = $1", [id]);
        deeds.unpausedAt = world.now();
      });
    },
    async retry(workspace) {
      const id = await someFlow(workspace, "status = 'FAILED' AND retried_as IS NULL");
      if (id !== undefined) await retryFlow(writesOf(workspace), id, null);
    },
    async cancel(workspace) {
      const id = await someFlow(workspace, "queued");
      if (id !== undefined) await cancelFlow(writesOf(workspace), id);
    },
    prefer: (workspace) => rows("UPDATE leads SET preferred_device_id = $2 WHERE id = $1", [pick(random, workspace.leads).id, random() < 0.5 ? null : pick(random, workspace.devices).id]),
  };
  const WEIGHTS: Record<string, number> = { trigger: 6, retry: 4, storm: 1, archive: 0.3, removeStep: 1, poison: 0.5 };

  const act = async () => {
    const names = Object.keys(acts);
    let left = random() * names.reduce((sum, name) => sum + (WEIGHTS[name] ?? 2), 0);
    const name = names.find((candidate) => (left -= WEIGHTS[candidate] ?? 2) < 0) ?? "trigger";
    world.trace.add(`OPERATOR ${name}`);
    await acts[name]?.(pick(random, workspaces));
  };
  const mend = async () => {
    await pool.query("UPDATE sequences SET is_active = true WHERE status = 'PAUSED'");
    await pool.query("UPDATE devices SET paused_at = NULL WHERE paused_at IS NOT NULL");
    deeds.unpausedAt = world.now();
    const paused = await rows<{ id: string }>("SELECT id FROM enrollments WHERE status = 'PAUSED' ORDER BY id", []);
    await transaction(pool, (client) => resumeEnrollments(client, paused.map(({ id }) => id)));
  };
  const begin = (workspace: Workspace) =>
    setTriggers(workspace.leads.filter(() => random() < 0.8).map(({ id }) => id), workspace.sequences[0]?.steps[0]?.trigger ?? null);

  return { deeds, perform, act: () => perform(act), begin: (workspace) => perform(() => begin(workspace)), mend: () => perform(mend) };
}
