import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { claimFlows } from "../../src/dispatcher/claim.ts";
import { WHOLE } from "../../src/dispatcher/slices.ts";
import { accepted, holdLease, NOBODY, sendAll } from "../support/attempts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addEnrolled, addLeads, addSequence, addWorkspace, enrolAll, one, query, setActive } from "../support/factories.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
});
afterAll(() => database.drop());
beforeEach(async () => {
  workspaceId = await addWorkspace(pool);
});

const ONE = { steps: [{ trigger: "one", text: "Hi {{name}}" }] };
const claim = (flows: number, held: string[] = [], of = workspaceId) => claimFlows(pool, [{ workspaceId: of, flows, slice: WHOLE }], NOBODY, held).then(({ flows }) => flows);
const flowIds = async () => (await query<{ id: string }>(pool, "SELECT id FROM flows WHERE workspace_id = $1 ORDER BY due_at, id", [workspaceId])).map(({ id }) => id);

test("gives what rendering and pace need, and writes nothing", async () => {
  const { sequenceId, leadIds } = await addEnrolled(pool, workspaceId, { ...ONE, minDelaySeconds: 3, maxDelaySeconds: 9 });
  await pool.query(`UPDATE leads SET name = 'Aina', niche = 'yoga', attributes = '{"city":"Ipoh"}' WHERE id = $1`, [leadIds[0]]);
  const version = () => one(pool, "SELECT xmin::text, ctid::text FROM flows WHERE workspace_id = $1", [workspaceId]);
  const before = await version();
  const { phone } = await one<{ phone: string }>(pool, "SELECT phone FROM leads WHERE id = $1", [leadIds[0]]);
  const { revision } = await one<{ revision: number }>(pool, "SELECT revision FROM sequences WHERE id = $1", [sequenceId]);
  const [id] = await flowIds();
  expect(await claim(10)).toEqual([
    {
      id,
      workspaceId,
      boundDeviceId: null,
      repliedDeviceId: null,
      minDelaySeconds: 3,
      maxDelaySeconds: 9,
      isOfCampaign: false,
      revision,
      isRationed: false,
      template: "Hi {{name}}",
      variant: null,
      media: null,
      greeter: null,
      isVaried: false,
      lead: { phone, name: "Aina", niche: "yoga", attributes: { city: "Ipoh" } },
    },
  ]);
  expect(await version()).toEqual(before);
});

test("gives the oldest that are due, as many as are asked for, over all lanes", async () => {
  await addEnrolled(pool, workspaceId, ONE, 10);
  const zoned = await addLeads(pool, workspaceId, 10);
  await pool.query("UPDATE leads SET time_zone = 'America/Lima', trigger = 'one' WHERE id = ANY ($1::uuid[])", [zoned]);
  await enrolAll(pool);
  await pool.query("UPDATE flows f SET due_at = now() - n * interval '1 minute' FROM (SELECT id, row_number() OVER (ORDER BY md5(id::text)) AS n FROM flows WHERE workspace_id = $1) AS t WHERE t.id = f.id", [workspaceId]);
  expect((await claim(7)).map(({ id }) => id)).toEqual((await flowIds()).slice(0, 7));
  expect(await claim(100)).toHaveLength(20);
});

test("counts a lane's pauses in: what was put off by them is younger than it looks", async () => {
  const { sequenceId } = await addEnrolled(pool, workspaceId, ONE);
  await pool.query("UPDATE flows SET due_at = now() - interval '2 hours' WHERE workspace_id = $1", [workspaceId]);
  await pool.query("UPDATE lanes SET pause_offset = '1 hour' WHERE sequence_id = $1", [sequenceId]);
  const other = await addEnrolled(pool, workspaceId, { steps: [{ trigger: "two" }] });
  await pool.query("UPDATE flows SET due_at = now() - interval '90 minutes' WHERE sequence_id = $1", [other.sequenceId]);
  const of = async (id: string) => (await one<{ id: string }>(pool, "SELECT id FROM flows WHERE sequence_id = $1", [id])).id;
  expect((await claim(2)).map(({ id }) => id)).toEqual([await of(other.sequenceId), await of(sequenceId)]);
  await pool.query("UPDATE lanes SET pause_offset = '3 hours' WHERE sequence_id = $1", [sequenceId]);
  expect((await claim(2)).map(({ id }) => id)).toEqual([await of(other.sequenceId)]);
});

test("gives nothing that is not due, paused, held already, sent, or another workspace's", async () => {
  const { sequenceId } = await addEnrolled(pool, workspaceId, ONE, 5);
  const ids = await flowIds();
  expect((await claim(10, ids.slice(0, 2))).map(({ id }) => id)).toEqual(ids.slice(2));
  expect(await claim(10, [], await addWorkspace(pool))).toEqual([]);
  await pool.query("UPDATE flows SET due_at = now() + interval '1 minute' WHERE id = $1", [ids[4]]);
  expect(await claim(10)).toHaveLength(4);
  await setActive(pool, sequenceId, false);
  expect(await claim(10)).toEqual([]);
  await setActive(pool, sequenceId, true);
  const lease = await holdLease(pool);
  await sendAll(pool, lease, workspaceId, await addDevice(pool, workspaceId), accepted());
  expect(await claim(10)).toEqual([]);
});

test("gives each workspace its own share, whoever waits for longer", async () => {
  await addEnrolled(pool, workspaceId, ONE, 30);
  const other = await addWorkspace(pool);
  await addSequence(pool, other, ONE);
  await addLeads(pool, other, 30, "one");
  await enrolAll(pool);
  const { flows: claimed } = await claimFlows(pool, [{ workspaceId, flows: 4, slice: WHOLE }, { workspaceId: other, flows: 6, slice: WHOLE }], NOBODY, []);
  expect([claimed.filter((flow) => flow.workspaceId === workspaceId).length, claimed.filter((flow) => flow.workspaceId === other).length]).toEqual([4, 6]);
});

test("gives those whose lead or step is gone, so that they can be ended", async () => {
  await addEnrolled(pool, workspaceId, ONE, 2);
  const [first] = await flowIds();
  await pool.query("DELETE FROM leads WHERE id = (SELECT lead_id FROM flows WHERE id = $1)", [first]);
  expect(new Set((await claim(10)).map(({ lead }) => lead === null))).toEqual(new Set([true, false]));
  await pool.query("DELETE FROM sequence_steps WHERE workspace_id = $1", [workspaceId]);
  expect((await claim(10)).map(({ template }) => template)).toEqual([null, null]);
});
