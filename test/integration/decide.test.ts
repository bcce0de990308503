import { afterAll, beforeAll, expect, test } from "vitest";
import { decideDue } from "../../src/sequences/decide.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { addLeads, addSequence, addWorkspace, enrolAll, one, query } from "../support/factories.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

test("four who decide at once decide each once: nobody is twice in the sequence that is led into, and none is left", async () => {
  const { pool } = database;
  const workspaceId = await addWorkspace(pool);
  const warm = await addSequence(pool, workspaceId, { steps: [{ trigger: "warm" }] });
  const cold = await addSequence(pool, workspaceId, { steps: [{ trigger: "cold" }] });
  await pool.query(`UPDATE sequence_steps SET branches = '[{"condition": "NICHE_IN", "value": {"niches": ["fitness"]}, "nextTrigger": "warm"}]' WHERE trigger = 'cold'`);
  const leads = await addLeads(pool, workspaceId, 2000, "cold");
  // A third of them is in the other sequence already; a third goes nowhere.
  await pool.query("UPDATE leads SET niche = 'fitness', trigger = CASE WHEN n % 3 = 1 THEN 'cold,warm' ELSE 'cold' END FROM unnest($1::uuid[]) WITH ORDINALITY AS w(id, n) WHERE leads.id = w.id AND n % 3 <> 0", [leads]);
  await enrolAll(pool);
  // As though the first message had been sent, and its delay were over.
  await pool.query(
    `WITH sent AS (UPDATE flows SET queued = false, status = 'SENT', settled_at = clock_timestamp(), attempted_at = clock_timestamp() WHERE sequence_id = $1 RETURNING *),
          next AS (INSERT INTO flows (workspace_id, lane_id, lead_id, enrollment_id, previous_id, sequence_id, step_id, queued, undecided, due_at)
                   SELECT workspace_id, lane_id, lead_id, enrollment_id, id, sequence_id, step_id, false, true, clock_timestamp() FROM sent RETURNING id, enrollment_id)
     UPDATE enrollments e SET current_flow_id = n.id FROM next n WHERE e.id = n.enrollment_id`,
    [cold],
  );
  const decideAll = async () => {
    let decided = 0;
    for (let some = await decideDue(pool); some > 0; some = await decideDue(pool)) decided += some;
    return decided;
  };
  const decided = await Promise.all([decideAll(), decideAll(), decideAll(), decideAll()]);
  expect(decided.reduce((sum, each) => sum + each, 0)).toBe(2000);

  const inWarm = 667 + 667;
  const [counts] = await query<{ open: number; waiting: number; twice: number; left: number; cancelled: number }>(
    pool,
    `SELECT (SELECT count(*)::int FROM enrollments WHERE sequence_id = $1 AND status = 'ACTIVE') AS open,
            (SELECT count(*)::int FROM flows f JOIN enrollments e ON e.current_flow_id = f.id WHERE f.sequence_id = $1 AND f.queued AND e.id = f.enrollment_id AND NOT f.undecided) AS waiting,
            (SELECT count(*)::int FROM (SELECT FROM enrollments WHERE sequence_id = $1 GROUP BY lead_id HAVING count(*) > 1) AS t) AS twice,
            (SELECT count(*)::int FROM flows WHERE undecided) AS left,
            (SELECT count(*)::int FROM flows WHERE status = 'CANCELLED') AS cancelled`,
    [warm],
  );
  expect(counts).toEqual({ open: inWarm, waiting: inWarm, twice: 0, left: 0, cancelled: 667 + 666 });
  expect(await one(pool, "SELECT enrolled::int, active::int, completed::int FROM sequence_totals WHERE sequence_id = $1", [cold])).toEqual({ enrolled: 2000, active: 0, completed: 2000 });
  expect(await one(pool, "SELECT enrolled::int, active::int FROM sequence_totals WHERE sequence_id = $1", [warm])).toEqual({ enrolled: inWarm, active: inWarm });
  expect(await query(pool, "SELECT FROM leads WHERE id = ANY ($1) AND trigger LIKE '%cold%'", [leads])).toEqual([]);
});
