// Segments through GraphQL: the same leads, page by page, whichever way they are found, and as many as there are.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { addDevice, addWorkspace, one, query } from "../support/factories.ts";
import { testServer, type TestServer } from "../support/server.ts";

const LEADS = 12_000;

let server: TestServer;
let deviceId: string;
let importId: string;
let sequenceId: string;

beforeAll(async () => {
  server = await testServer();
  const { pool } = server.database;
  deviceId = await addDevice(pool, DEFAULT_WORKSPACE_ID);
  ({ id: importId } = await one<{ id: string }>(pool, "INSERT INTO lead_imports (file_name, status) VALUES ('x.csv', 'COMPLETED') RETURNING id"));
  ({ id: sequenceId } = await one<{ id: string }>(pool, "INSERT INTO sequences (name) VALUES ('S') RETURNING id"));
  const stranger = await addWorkspace(pool);
  // What few have stands at the end of the list, and none of it is in the part that is walked along first. Of another workspace, the same again.
  const insert = `
    INSERT INTO leads (workspace_id, phone, name, niche, trigger, attributes, import_id, preferred_device_id, consent_source, consent_at, opted_out_at, last_replied_at, created_at)
    SELECT $1, (60110000000 + n)::text, 'Lead ' || CASE WHEN n > 11900 THEN 'Quill%feather' ELSE 'x' END || n, CASE WHEN n > 11000 THEN 'rare' ELSE 'common' END,
           CASE WHEN n > 11900 THEN 'a_start, vip_start' WHEN n % 3 = 0 THEN 'a_start' END, jsonb_build_object('n', n % 4, 'late', n > 11500),
           CASE WHEN n > 10000 THEN $2::uuid END, CASE WHEN n > 11950 THEN $3::uuid END, CASE WHEN n % 2 = 0 THEN 'form' END, CASE WHEN n % 2 = 0 THEN now() END,
           CASE WHEN n > 11800 THEN now() END, CASE WHEN n > 11700 THEN now() END, '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 minute'
      FROM generate_series(1, $4::int) AS n`;
  await pool.query(insert, [DEFAULT_WORKSPACE_ID, importId, deviceId, LEADS]);
  await pool.query(insert, [stranger, null, null, LEADS]);
  await pool.query(
    `INSERT INTO enrollments (workspace_id, lead_id, sequence_id, trigger, current_flow_id, status)
     SELECT workspace_id, id, $1, 'a_start', uuid_v7(), CASE WHEN phone > '60110011900' THEN 'ACTIVE' ELSE 'STOPPED' END FROM leads WHERE phone > '60110011800' AND workspace_id = $2`,
    [sequenceId, DEFAULT_WORKSPACE_ID],
  );
  await pool.query("ANALYZE leads, enrollments");
});
afterAll(() => server.stop());

const PAGE = `query ($filter: LeadFilter, $orderBy: LeadOrder, $first: Int, $after: String, $last: Int, $before: String) {
  leads(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
    totalCount totalCountIsExact nodes { phone } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`;
const at = (n: number) => new Date(Date.UTC(2026, 0, 1) + n * 60_000).toISOString();
const from = (first: number, last = LEADS) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** The numbers of the leads that match, by walking through all of their pages. */
async function through(filter: unknown, direction = "ASC", field = "CREATED_AT"): Promise<number[]> {
  const found: number[] = [];
  for (let after: string | null = null; ; ) {
    const { data, errors } = await server.query(PAGE, { filter, orderBy: { field, direction }, first: 100, after });
    expect(errors).toBeUndefined();
    found.push(...data.leads.nodes.map(({ phone }: { phone: string }) => Number(phone) - 60_110_000_000));
    if (!data.leads.pageInfo.hasNextPage) return found;
    after = data.leads.pageInfo.endCursor;
  }
}

describe("each filter finds its leads, oldest and newest first, and counts them exactly", () => {
  test.each<[string, () => unknown, number[]]>([
    ["niche", () => ({ niche: ["rare"] }), from(11_001)],
    ["trigger", () => ({ trigger: " vip_start " }), from(11_901)],
    ["optedOut", () => ({ optedOut: true }), from(11_801)],
    ["hasReplied", () => ({ hasReplied: true }), from(11_701)],
    ["createdAfter", () => ({ createdAfter: at(11_850) }), from(11_851)],
    ["createdBefore", () => ({ createdBefore: at(151) }), from(1, 150)],
    ["createdAfter and createdBefore", () => ({ createdAfter: at(6000), createdBefore: at(6201) }), from(6001, 6200)],
    ["attributes", () => ({ attributes: { late: true } }), from(11_501)],
    ["importId", () => ({ importId: `LeadImport:${importId}` }), from(10_001)],
    ["sequenceId", () => ({ sequenceId: `Sequence:${sequenceId}` }), from(11_801)],
    ["enrollmentStatus", () => ({ sequenceId: `Sequence:${sequenceId}`, enrollmentStatus: ["ACTIVE"] }), from(11_901)],
    ["hasConsent", () => ({ hasConsent: true, niche: ["rare"] }), from(11_001).filter((n) => n % 2 === 0)],
    ["no consent", () => ({ hasConsent: false, niche: ["rare"] }), from(11_001).filter((n) => n % 2 === 1)],
    ["preferredDeviceId", () => ({ preferredDeviceId: `Device:${deviceId}` }), from(11_951)],
    ["search by name, in which % and _ stand for themselves", () => ({ search: "quill%FEATHER" }), from(11_901)],
    ["search by number", () => ({ search: "011-0011 99" }), from(11_990, 11_999)],
    ["phones", () => ({ phones: ["+60110000007", "+60110011999"] }), [7, 11_999]],
    ["two that many leads have and none has both", () => ({ niche: ["common"], attributes: { late: true } }), from(11_501).filter((n) => n <= 11_000)],
    ["three together", () => ({ trigger: "a_start", hasReplied: true, attributes: { n: 0 } }), from(11_701).filter((n) => n % 4 === 0 && (n % 3 === 0 || n > 11_900))],
  ])("%s", async (_what, filter, expected) => {
    expect(await through(filter())).toEqual(expected);
    expect(await through(filter(), "DESC")).toEqual(expected.toReversed());
    const { data } = await server.query(PAGE, { filter: filter(), first: 1 });
    expect([data.leads.totalCount, data.leads.totalCountIsExact]).toEqual([expected.length, true]);
  });
});

test("a page before a place is found as one after it is", async () => {
  const all = await server.query(PAGE, { filter: { trigger: "vip_start" }, first: 100 });
  const last = await server.query(PAGE, { filter: { trigger: "vip_start" }, last: 30, before: all.data.leads.pageInfo.endCursor });
  expect(last.data.leads.nodes).toEqual(all.data.leads.nodes.slice(69, 99));
  expect(last.data.leads.pageInfo).toMatchObject({ hasPreviousPage: true, hasNextPage: true });
});

test.each(["NAME", "LAST_REPLIED_AT"])("in the order of %s too, every lead comes once", async (field) => {
  const found = await through({ attributes: { late: true } }, "DESC", field);
  expect(found.toSorted((a, b) => a - b)).toEqual(from(11_501));
});

test("beyond 10,000 the count is an estimate, says so, and is near", async () => {
  const { data } = await server.query(PAGE, { filter: { niche: ["common"] }, first: 1 });
  expect(data.leads.totalCountIsExact).toBe(false);
  expect(data.leads.totalCount).toBeGreaterThan(10_000);
  expect(data.leads.totalCount).toBeLessThan(12_500);
});

test("no other workspace's lead is found or counted, though the same are there", async () => {
  const stranger = await server.tokenFor(["READ"], await addWorkspace(server.database.pool));
  const { data } = await server.query(PAGE, { filter: { trigger: "vip_start" }, first: 10 }, stranger);
  expect(data.leads).toMatchObject({ totalCount: 0, nodes: [] });
});

test("the view that segments are read by shows a workspace's own leads, nobody else's, and nobody's where none is set", async () => {
  const client = await server.database.pool.connect();
  try {
    await client.query("BEGIN; SET LOCAL ROLE rentak_api");
    expect(await query(client, "SELECT FROM own_leads LIMIT 1")).toEqual([]);
    await client.query(`SET LOCAL app.workspace_id = '${DEFAULT_WORKSPACE_ID}'`);
    expect(await query(client, "SELECT count(*)::int AS leads, count(DISTINCT workspace_id)::int AS workspaces FROM own_leads")).toEqual([{ leads: LEADS, workspaces: 1 }]);
    await expect(client.query("UPDATE own_leads SET name = NULL")).rejects.toThrow("permission denied");
  } finally {
    await client.query("ROLLBACK");
    client.release();
  }
});
