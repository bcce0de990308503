// Pages of a list of a million: each is what the whole list, in order, has at that place, however deep; and rows that come meanwhile move none of the others.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { query } from "../support/factories.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

const LEADS = 1_000_000;
const PAGE = 100;

const VALUES = { CREATED_AT: "created_at", NAME: "coalesce(name, '')", LAST_REPLIED_AT: "coalesce(last_replied_at, '-infinity')" } as const;
type Field = keyof typeof VALUES;

let server: TestServer;
/** The ids of all, in order; by field. */
const inOrder = new Map<Field, readonly string[]>();
let ofNiche: ReadonlySet<string>;

beforeAll(async () => {
  server = await testServer();
  const { pool } = server.database;
  // Pages do not read the indexes that search does, and writing them for a million takes a minute.
  await pool.query("DROP INDEX leads_search, leads_attributes, leads_trigger_words");
  const client = await pool.connect();
  await client.query("SET session_replication_role = replica"); // nothing of what follows from a lead is looked at here
  // Many of the same name, without one, of the same moment, and who have never replied: the key has to tell them apart.
  await client.query(
    `INSERT INTO leads (phone, name, niche, created_at, last_replied_at)
     SELECT (60100000000 + n)::text, CASE WHEN n % 7 > 0 THEN 'Lead ' || hashtext(n::text) % 5000 END, CASE WHEN n % 3 = 0 THEN 'a' ELSE 'b' END,
            now() - make_interval(secs => n / 50), CASE WHEN n % 5 = 0 THEN now() - make_interval(secs => n / 20) END
       FROM generate_series(1, ${LEADS}) AS n`,
  );
  await client.query("SET session_replication_role = origin");
  client.release();
  await pool.query("VACUUM ANALYZE leads");
  for (const field of Object.keys(VALUES) as Field[]) {
    const rows = await query<{ id: string }>(pool, `SELECT id FROM leads WHERE workspace_id = $1 ORDER BY ${VALUES[field]}, id`, [DEFAULT_WORKSPACE_ID]);
    inOrder.set(field, rows.map(({ id }) => id));
  }
  ofNiche = new Set((await query<{ id: string }>(pool, "SELECT id FROM leads WHERE niche = 'a'")).map(({ id }) => id));
}, 240_000);
afterAll(() => server.stop());

type Asked = { readonly field: Field; readonly direction: "ASC" | "DESC"; readonly niche?: string };
type PageOf = { readonly first?: number; readonly after?: string; readonly last?: number; readonly before?: string };
type Told = { readonly ids: string[]; readonly start: string; readonly end: string; readonly hasNext: boolean; readonly hasPrevious: boolean };

async function page({ field, direction, niche }: Asked, at: PageOf): Promise<Told> {
  const QUERY = `query ($filter: LeadFilter, $orderBy: LeadOrder, $first: Int, $after: String, $last: Int, $before: String) {
    leads(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) { nodes { id } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }`;
  const { data, errors } = await server.query(QUERY, { filter: niche ? { niche: [niche] } : {}, orderBy: { field, direction }, ...at });
  expect(errors).toBeUndefined();
  const { nodes, pageInfo } = data.leads as Loose;
  return { ids: nodes.map(({ id }: Loose) => id.slice("Lead:".length)), start: pageInfo.startCursor, end: pageInfo.endCursor, hasNext: pageInfo.hasNextPage, hasPrevious: pageInfo.hasPreviousPage };
}

const expectations = new Map<string, readonly string[]>();

function expected(asked: Asked): readonly string[] {
  const { field, direction, niche } = asked;
  const all = inOrder.get(field) ?? [];
  const known = expectations.get(JSON.stringify(asked));
  if (known) return known;
  const wanted = niche ? all.filter((id) => ofNiche.has(id)) : all;
  const whole = direction === "ASC" ? wanted : wanted.toReversed();
  expectations.set(JSON.stringify(asked), whole);
  return whole;
}

/** The cursor of a row, wherever it stands: made as the API makes it, so that a test need not walk half a million rows to get there. */
async function cursorOf({ field, direction }: Asked, id: string): Promise<string> {
  const [row] = await query<{ value: string }>(server.database.pool, `SELECT (${VALUES[field]})::text AS value FROM leads WHERE id = $1`, [id]);
  return Buffer.from(JSON.stringify([`${field}:${direction}`, id, row?.value])).toString("base64url");
}

/** How often leads were read from end to end. */
async function scans(): Promise<number> {
  await server.database.pool.query("SELECT pg_stat_force_next_flush()");
  const [row] = await query<{ scans: number }>(server.database.pool, "SELECT seq_scan::int AS scans FROM pg_stat_user_tables WHERE relname = 'leads'");
  return row?.scans ?? NaN;
}

const orders = (Object.keys(VALUES) as Field[]).flatMap((field) => (["ASC", "DESC"] as const).flatMap((direction) => [{ field, direction }, { field, direction, niche: "a" }]));

describe.each(orders)("leads by $field $direction, niche $niche", (asked) => {
  test("begin, end, and go on from any place, both ways", async () => {
    const whole = expected(asked);
    expect(whole.length).toBeGreaterThan(300_000);
    const before = await scans();
    const first = await page(asked, { first: PAGE });
    expect(first).toMatchObject({ ids: whole.slice(0, PAGE), hasNext: true, hasPrevious: false });
    const last = await page(asked, { last: PAGE });
    expect(last).toMatchObject({ ids: whole.slice(-PAGE), hasNext: false, hasPrevious: true });
    for (const share of [0.0001, 0.3, 0.5, 0.77, 0.9999]) {
      const at = Math.floor(whole.length * share);
      const cursor = await cursorOf(asked, whole[at] ?? "");
      expect((await page(asked, { first: PAGE, after: cursor })).ids).toEqual(whole.slice(at + 1, at + 1 + PAGE));
      expect((await page(asked, { last: PAGE, before: cursor })).ids).toEqual(whole.slice(Math.max(0, at - PAGE), at));
    }
    expect(await scans()).toBe(before);
  });

  test("are all seen by who walks through them, once, while others come", async () => {
    const whole = expected(asked);
    // Not among the many without a name or a reply, of whom rows that come are the newest.
    const from = Math.floor(whole.length * (asked.direction === "ASC" ? 0.9 : 0.1));
    const pages = 10;
    let after = await cursorOf(asked, whole[from] ?? "");
    const seen: string[] = [];
    for (let turn = 0; turn < pages; turn++) {
      const told = await page(asked, { first: PAGE, after });
      seen.push(...told.ids);
      after = told.end;
      // Before, among and behind those that are being read.
      await server.database.pool.query(
        `INSERT INTO leads (workspace_id, phone, name, niche, created_at, last_replied_at)
         SELECT workspace_id, (61000000000 + (random() * 999999999)::bigint)::text, name, niche, created_at, last_replied_at FROM leads WHERE id = ANY ($1) ON CONFLICT DO NOTHING`,
        [[whole[from - 50 + turn], whole[from + turn * PAGE + 90], whole[from + turn * PAGE + 400]]],
      );
    }
    expect(new Set(seen).size).toBe(seen.length);
    const known = new Set(whole);
    const ofBefore = seen.filter((id) => known.has(id));
    expect(seen.length - ofBefore.length).toBeGreaterThan(0);
    expect(ofBefore).toEqual(whole.slice(from + 1, from + 1 + ofBefore.length));
    await server.database.pool.query("DELETE FROM leads WHERE phone >= '61' AND phone < '62'");
  });
});
