import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createPool } from "../../src/db/client.ts";
import { transaction } from "../../src/db/transaction.ts";
import { MINUTE_MS, systemClock } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { enrolQueued } from "../../src/sequences/enrol.ts";
import { createEnroller } from "../../src/sequences/enroller.ts";
import { reviewWorkspace, workspacesToReview } from "../../src/sequences/review.ts";
import { createManualClock } from "../support/clocks.ts";
import { expectCountsTrue } from "../support/counts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addSequence, addSteps, addWorkspace, enrolAll, one, query, setActive, silent } from "../support/factories.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
});
afterAll(() => database.drop());
beforeEach(async () => {
  await pool.query("DELETE FROM enrollment_queue"); // what a test before left
  workspaceId = await addWorkspace(pool);
});
afterEach(() => expectCountsTrue(pool));

const enrolled = async () => (await one<{ count: number }>(pool, "SELECT count(*) FROM enrollments WHERE workspace_id = $1", [workspaceId])).count;
const queued = async () => (await one<{ count: number }>(pool, "SELECT count(*) FROM enrollment_queue WHERE workspace_id = $1", [workspaceId])).count;
const setTrigger = (leadIds: readonly string[], trigger: string | null) => pool.query("UPDATE leads SET trigger = $2 WHERE id = ANY ($1::uuid[])", [leadIds, trigger]);
const STEPS = { steps: [{ trigger: "one" }, { trigger: "two" }, { trigger: "three" }] };

describe("a lead is enrolled", () => {
  test("with its first flow and no other, due after the start delay", async () => {
    await addSequence(pool, workspaceId, { ...STEPS, startDelayMinutes: 90 });
    const leadIds = await addLeads(pool, workspaceId, 3, "one");
    await enrolAll(pool);
    const flows = await query(
      pool,
      `SELECT f.lead_id, st.trigger, f.queued, e.current_flow_id = f.id AS current, e.trigger AS word, round(extract(epoch FROM f.due_at - f.created_at) / 60)::int AS minutes
         FROM flows f JOIN sequence_steps st ON st.id = f.step_id JOIN enrollments e ON e.id = f.enrollment_id WHERE f.workspace_id = $1 ORDER BY f.lead_id`,
      [workspaceId],
    );
    expect(flows).toEqual(leadIds.toSorted().map((lead_id) => ({ lead_id, trigger: "one", queued: true, current: true, word: "one", minutes: 90 })));
  });

  test("by a plain UPDATE, whatever blanks and repeats are in it, into each sequence once", async () => {
    await addSequence(pool, workspaceId, STEPS);
    await addSequence(pool, workspaceId, { steps: [{ trigger: "uno" }] });
    const leadIds = await addLeads(pool, workspaceId, 2);
    await setTrigger(leadIds, " one , uno,one,, nobody");
    await enrolAll(pool);
    expect(await enrolled()).toBe(4);
  });

  test("when its sequence becomes active, though the word was set and dropped long before", async () => {
    const id = await addSequence(pool, workspaceId, { ...STEPS, active: false });
    await addLeads(pool, workspaceId, 5, "one");
    await enrolAll(pool);
    expect([await enrolled(), await queued()]).toEqual([0, 0]);
    await setActive(pool, id, true);
    await enrolAll(pool);
    expect(await enrolled()).toBe(5);
  });

  test("when an entry step is added to an active sequence", async () => {
    const id = await addSequence(pool, workspaceId, STEPS);
    await addLeads(pool, workspaceId, 5, "late");
    await enrolAll(pool);
    expect(await enrolled()).toBe(0);
    await addSteps(pool, workspaceId, id, [{ trigger: "late", next: "two" }]);
    await enrolAll(pool);
    expect(await enrolled()).toBe(5);
  });

  test("when the sequence's last problem is mended, and not before", async () => {
    await addSequence(pool, workspaceId, { steps: [{ trigger: "one", next: "missing" }] });
    await addLeads(pool, workspaceId, 5, "one");
    await enrolAll(pool);
    expect(await enrolled()).toBe(0);
    await pool.query("UPDATE sequence_steps SET next_trigger = NULL WHERE workspace_id = $1", [workspaceId]);
    await enrolAll(pool);
    expect(await enrolled()).toBe(5);
  });

  test("when the problem is mended in another sequence", async () => {
    await addSequence(pool, workspaceId, { steps: [{ trigger: "one", next: "elsewhere" }] });
    await addLeads(pool, workspaceId, 2, "one");
    await enrolAll(pool);
    expect(await enrolled()).toBe(0);
    await addSequence(pool, workspaceId, { steps: [{ trigger: "elsewhere" }], active: false });
    await enrolAll(pool);
    expect(await enrolled()).toBe(2);
  });

  test("once, though its word is set again while it is in", async () => {
    await addSequence(pool, workspaceId, STEPS);
    const leadIds = await addLeads(pool, workspaceId, 2, "one");
    await enrolAll(pool);
    await setTrigger(leadIds, null);
    await setTrigger(leadIds, "one");
    await enrolAll(pool);
    expect(await enrolled()).toBe(2);
  });

  test("bound to the device that it prefers, else to its last", async () => {
    const [preferred, last] = [await addDevice(pool, workspaceId), await addDevice(pool, workspaceId)];
    const [first, second, third] = await addLeads(pool, workspaceId, 3);
    await pool.query("UPDATE leads SET last_device_id = $2, trigger = 'one' WHERE id = ANY ($1::uuid[])", [[first, second], last]);
    await pool.query("UPDATE leads SET preferred_device_id = $2 WHERE id = $1", [first, preferred]);
    await setTrigger([third ?? ""], "one");
    await addSequence(pool, workspaceId, STEPS);
    await enrolAll(pool);
    const bound = await query<{ lead_id: string; bound_device_id: string }>(pool, "SELECT lead_id, bound_device_id FROM flows WHERE workspace_id = $1", [workspaceId]);
    expect(new Map(bound.map((row) => [row.lead_id, row.bound_device_id]))).toEqual(new Map([[first, preferred], [second, last], [third, null]]));
  });
});

describe("a lead is not enrolled", () => {
  test("where its word was taken off before anybody looked", async () => {
    await addSequence(pool, workspaceId, STEPS);
    const leadIds = await addLeads(pool, workspaceId, 2, "one");
    await setTrigger(leadIds.slice(0, 1), "other");
    await enrolAll(pool);
    expect(await enrolled()).toBe(1);
  });

  test("where the person has opted out", async () => {
    const id = await addSequence(pool, workspaceId, { ...STEPS, active: false });
    const leadIds = await addLeads(pool, workspaceId, 2, "one");
    await pool.query("UPDATE leads SET opted_out_at = now() WHERE id = $1", [leadIds[0]]);
    await setActive(pool, id, true);
    await enrolAll(pool);
    expect(await enrolled()).toBe(1);
  });

  test("by another workspace's sequence with the same word", async () => {
    await addSequence(pool, await addWorkspace(pool), STEPS);
    await addLeads(pool, workspaceId, 2, "one");
    await enrolAll(pool);
    expect([await enrolled(), await queued()]).toEqual([0, 0]);
  });

  test("by the word of a step that is no entry point, or by one in another case", async () => {
    await addSequence(pool, workspaceId, STEPS);
    await addLeads(pool, workspaceId, 1, "two");
    await addLeads(pool, workspaceId, 1, "ONE");
    await enrolAll(pool);
    expect(await enrolled()).toBe(0);
  });

  test("where it was deleted", async () => {
    await addSequence(pool, workspaceId, STEPS);
    await addLeads(pool, workspaceId, 1, "one");
    await pool.query("DELETE FROM leads WHERE workspace_id = $1", [workspaceId]);
    await enrolAll(pool);
    expect([await enrolled(), await queued()]).toEqual([0, 0]);
  });
});

const lockWaits = () =>
  eventually(
    async () => (await query(pool, "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).length > 0,
    "somebody waits for a lock",
  );

describe("whatever races", () => {
  const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);

  test.each(SEEDS)("every lead that carries an entry word of an active, sound sequence is in it once, and nobody else is (seed %i)", async (seed) => {
    const random = seededRandom(`enrolment ${seed}`);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    const sequences = [await addSequence(pool, workspaceId, { name: "A", steps: [{ trigger: "a" }, { trigger: "a2" }], active: false })];
    sequences.push(await addSequence(pool, workspaceId, { name: "B", steps: [{ trigger: "b" }] }));
    const leadIds = await addLeads(pool, workspaceId, 40);
    const other = createPool(database.url, { max: 8, idle: 0, lifetimeSeconds: 0, onError: () => {} });
    const words = ["a", "b", "c", "a,b", "b,c", "x", "a, x,b"];
    // One after the other by id: two operators who lock the same rows as their plans happen to find them deadlock without us.
    const setMany = `WITH locked AS (SELECT id FROM leads WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE)
      UPDATE leads l SET trigger = $2 FROM locked WHERE l.id = locked.id`;
    const acts: (() => Promise<unknown>)[] = [
      () => other.query(setMany, [leadIds.filter(() => random() < 0.3), pick(words)]),
      () => other.query("UPDATE leads SET trigger = $2 WHERE id = $1", [pick(leadIds), pick(words)]),
      () => setActive(other, pick(sequences), true),
      () => other.query("INSERT INTO sequence_steps (workspace_id, sequence_id, day_number, trigger, next_trigger, is_entry_point, message_text) VALUES ($1, $2, 9, 'c', 'a2', true, 'c')", [workspaceId, sequences[0]]),
      () => reviewWorkspace(other, workspaceId, 0),
      () => enrolAll(other, { batch: 7 }),
      () => enrolAll(pool, { batch: 13 }),
      () => addLeads(other, workspaceId, 3, pick(words)),
    ];
    const deadlocks: unknown[] = [];
    const run = (act: () => Promise<unknown>) =>
      act().catch((error: { code?: string }) => {
        if (error.code === "40P01") deadlocks.push(error);
        else if (error.code !== "23505") throw error; // the step is there already
      });
    for (let round = 0; round < 6; round++) await Promise.all(Array.from({ length: 6 }, () => run(pick(acts))));
    await setActive(other, sequences[0] ?? "", true);
    await enrolAll(pool);
    await other.end();
    expect(deadlocks).toEqual([]); // an operator at the SQL prompt would be told of one
    const wrong = await query(
      pool,
      `WITH should AS (
         SELECT DISTINCT l.id AS lead_id, st.sequence_id FROM leads l JOIN sequence_steps st ON st.workspace_id = l.workspace_id AND st.is_entry_point AND st.trigger = ANY (trigger_words(l.trigger))
           JOIN sequences s ON s.id = st.sequence_id WHERE l.workspace_id = $1 AND s.is_active AND s.is_sound),
       entered AS (SELECT lead_id, sequence_id, count(*) AS times FROM enrollments WHERE workspace_id = $1 GROUP BY 1, 2)
       SELECT lead_id, sequence_id, coalesce(e.times, 0) AS times
         FROM should s FULL JOIN entered e USING (lead_id, sequence_id) WHERE coalesce(e.times, 0) <> 1`,
      [workspaceId],
    );
    expect(wrong).toEqual([]);
    expect(await queued()).toBe(0);
    const flows = await one<{ count: number }>(pool, "SELECT count(*) FROM flows WHERE workspace_id = $1", [workspaceId]);
    expect(flows.count).toBe(await enrolled());
  });

  test("a review waits for an activation that has not committed, and so does the drain: no word is dropped in between", async () => {
    const id = await addSequence(pool, workspaceId, { ...STEPS, active: false });
    await enrolAll(pool);
    const client = await pool.connect();
    await client.query("BEGIN");
    await setActive(client, id, true);
    await addLeads(pool, workspaceId, 3, "one");
    const drained = enrolAll(pool);
    await lockWaits();
    await client.query("COMMIT");
    client.release();
    await drained;
    await enrolAll(pool);
    expect(await enrolled()).toBe(3);
  });

  test("a sequence that comes into being during a review is reviewed, by that one or the next", async () => {
    await addSequence(pool, workspaceId, STEPS);
    await addLeads(pool, workspaceId, 3, "new");
    let adding: Promise<unknown> | undefined;
    const other = createPool(database.url, { max: 1, idle: 0, lifetimeSeconds: 0, onError: () => {} });
    const interrupted = async () => {
      const client = await other.connect();
      const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
      client.query = (async (...args: unknown[]) => {
        if (String(args[0]).includes("verdict")) adding ??= addSequence(pool, workspaceId, { steps: [{ trigger: "new" }] });
        if (String(args[0]).includes("reviewed_revision = graph_revision")) await Promise.race([adding, lockWaits()]);
        return query(...args);
      }) as typeof client.query;
      return client;
    };
    await reviewWorkspace({ connect: interrupted } as unknown as pg.Pool, workspaceId, 0);
    await adding;
    await other.end();
    await enrolAll(pool);
    expect(await enrolled()).toBe(3);
  });

  // An UPDATE holds its row before its triggers ask for the workspace.
  test.each([
    ["a review", () => reviewWorkspace(pool, workspaceId, 0)],
    ["enrolling", () => enrolAll(pool)],
  ])("%s does not wait for a sequence that is being changed: the operator's statement might be the one to fail", async (_what, run) => {
    const id = await addSequence(pool, workspaceId, STEPS);
    await enrolAll(pool);
    await addLeads(pool, workspaceId, 2, "one");
    const editor = await pool.connect();
    await editor.query("BEGIN");
    await editor.query("SELECT FROM sequences WHERE id = $1 FOR NO KEY UPDATE", [id]);
    await run();
    await editor.query("UPDATE sequences SET name = 'New' WHERE id = $1", [id]);
    await editor.query("COMMIT");
    editor.release();
    await enrolAll(pool);
    expect(await enrolled()).toBe(2);
    expect(await workspacesToReview(pool)).not.toContain(workspaceId);
  });
});

describe("a storm of 20,000 leads", () => {
  test("is enrolled in transactions of at most 1,000, each lead once", async () => {
    await addSequence(pool, workspaceId, STEPS);
    await addLeads(pool, workspaceId, 20_000, "one");
    await enrolAll(pool);
    expect(await enrolled()).toBe(20_000);
    const transactions = await query<{ leads: number }>(pool, "SELECT count(*) AS leads FROM enrollments WHERE workspace_id = $1 GROUP BY xmin::text", [workspaceId]);
    expect(transactions).toHaveLength(20);
    expect(Math.max(...transactions.map(({ leads }) => leads))).toBe(1000);
  }, 30_000);

  test("goes at the rate that is set, and a stop does not wait for its turn", async () => {
    await addSequence(pool, workspaceId, STEPS);
    await addLeads(pool, workspaceId, 500, "one");
    const clock = createManualClock();
    let stopAt = Infinity;
    let stopped: Promise<void> | undefined;
    const onEnrolled = () => {
      if (--stopAt === 0) stopped = enroller.stop();
    };
    const enroller = createEnroller({ pool, clock, logger: silent, intervalMs: MINUTE_MS, batch: 100, perSecond: 10, minStepDelayHours: 0, onEnrolled });
    const run = enroller.runOnce();
    await eventually(() => clock.pending() === 1, "it pauses");
    expect(await enrolled()).toBe(100);
    await clock.advance(9_000);
    expect(await enrolled()).toBe(100);
    stopAt = 1; // by what the next batch brings
    await clock.advance(1_000);
    await run;
    await stopped;
    expect(await enrolled()).toBe(200);
  });

  test("stops at once while it waits for its turn", async () => {
    await addSequence(pool, workspaceId, STEPS);
    await addLeads(pool, workspaceId, 500, "one");
    const clock = createManualClock();
    const enroller = createEnroller({ pool, clock, logger: silent, intervalMs: MINUTE_MS, batch: 100, perSecond: 1, minStepDelayHours: 0, onEnrolled: () => {} });
    const run = enroller.runOnce();
    await eventually(() => clock.pending() === 1, "it pauses");
    await enroller.stop();
    await run;
    expect(await enrolled()).toBe(100);
  });
});

test("a workspace whose review or whose enrolling fails keeps no other from its own", async () => {
  const poisoned = await addWorkspace(pool);
  await addSequence(pool, poisoned, STEPS);
  const poisonedToo = await addWorkspace(pool);
  await addSequence(pool, poisonedToo, STEPS);
  await addLeads(pool, poisonedToo, 1, "one");
  await enrolAll(pool);
  workspaceId = await addWorkspace(pool);
  await addSequence(pool, workspaceId, STEPS);
  await addLeads(pool, workspaceId, 2, "one");
  await addLeads(pool, poisonedToo, 1, "one");
  await pool.query("UPDATE sequences SET name = 'Changed' WHERE workspace_id = $1", [poisoned]);
  await pool.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$;
    CREATE TRIGGER poison_review BEFORE UPDATE ON sequences FOR EACH ROW WHEN (OLD.workspace_id = '${poisoned}') EXECUTE FUNCTION refuse();
    CREATE TRIGGER poison_enrolling BEFORE INSERT ON enrollments FOR EACH ROW WHEN (NEW.workspace_id = '${poisonedToo}') EXECUTE FUNCTION refuse()`);
  const errors: unknown[] = [];
  const logger = { ...silent, error: (error: unknown) => errors.push(error) } as unknown as typeof silent;
  await createEnroller({ pool, clock: systemClock, logger, intervalMs: 1000, batch: 1000, perSecond: 1e6, minStepDelayHours: 0, onEnrolled: () => {} }).runOnce();
  await pool.query("DROP FUNCTION refuse CASCADE");
  expect(await enrolled()).toBe(2);
  expect(errors.length).toBeGreaterThanOrEqual(2);
});

test("the queue is drained a batch at a time, oldest first", async () => {
  await addSequence(pool, workspaceId, STEPS);
  await enrolAll(pool);
  await addLeads(pool, workspaceId, 5, "one");
  expect(await transaction(pool, (client) => enrolQueued(client, workspaceId, 3))).toEqual({ taken: 3, enrolled: 3 });
  expect(await transaction(pool, (client) => enrolQueued(client, workspaceId, 3))).toEqual({ taken: 2, enrolled: 2 });
  expect(await transaction(pool, (client) => enrolQueued(client, workspaceId, 3))).toEqual({ taken: 0, enrolled: 0 });
});
