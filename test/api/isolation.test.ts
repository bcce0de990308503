// P9: another workspace's objects are as if they were not there, by each of two walls alone: the statements' own conditions, and row-level security.

import { readFileSync } from "node:fs";
import { buildSchema } from "graphql";
import type { Client } from "graphql-ws";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBell } from "../../src/events/bell.ts";
import { startEventLog } from "../support/event-log.ts";
import { one, query } from "../support/factories.ts";
import { furnish } from "../support/furnish.ts";
import { type Ids, likeness, operationAt, operationsOf, type Place, placesOf } from "../support/isolation.ts";
import { testServer, type TestServer } from "../support/server.ts";

const schema = buildSchema(readFileSync(new URL("../../schema/schema.graphql", import.meta.url), "utf8"));
const places = placesOf(schema);

let server: TestServer;
let stopTailer: () => Promise<void>;
let pool: pg.Pool;
let theirs: Ids;
let own: Ids;
let secret: string;
let secrets: readonly string[];

beforeAll(async () => {
  const bell = createBell();
  server = await testServer(async ({ pool }) => {
    const log = await startEventLog(pool, bell);
    stopTailer = () => log.tailer.stop();
    return log;
  });
  pool = server.database.pool;
  [theirs, own] = [await furnish(pool, "CANARY"), await furnish(pool, "Mine")];
  secret = await server.tokenFor(["ADMIN", "PAIR"], own["Workspace"]?.slice("Workspace:".length));
  secrets = ["CANARY", ...Object.values(theirs).map((id) => id.slice(id.indexOf(":") + 1))];
});
afterAll(async () => {
  await stopTailer();
  await server.stop();
});

const nobodys = (type: string) => `${type}:0198c7e2-5d4f-7cc1-a5a5-0123456789ab`;
const called = ({ kind, field, path, type }: Place) => `${kind} ${field}(${path.join(".")}) of a ${type}`;

/** What a subscription tells at once: an error, its first state, or nothing. */
async function toldBy(client: Client, query: string, variables: Record<string, unknown>, withinMs = 400): Promise<unknown[]> {
  const told: unknown[] = [];
  const ended = Promise.withResolvers<void>();
  const stop = client.subscribe({ query, variables }, { next: (result) => void told.push(result), error: (error) => (told.push(error), ended.resolve()), complete: ended.resolve });
  await Promise.race([ended.promise, new Promise((resolve) => setTimeout(resolve, withinMs))]);
  stop();
  return told;
}

async function answerTo(place: Place, id: string, withinMs?: number): Promise<{ readonly text: string; readonly answer: unknown }> {
  const { query, variables } = operationAt(schema, place, id, own);
  if (place.kind === "subscription") {
    const told = await toldBy(server.webSocket(secret), query, variables, withinMs);
    return { text: JSON.stringify(told), answer: told };
  }
  const { data, errors, status } = await server.query(query, variables, secret);
  return { text: JSON.stringify({ data, errors }), answer: { status, data, errors } };
}

/** Whatever tells their things from things that are not there, or shows anything of them. */
async function leaksAt(place: Place): Promise<string[]> {
  const [theirId, noId] = [theirs[place.type] ?? "", nobodys(place.type)];
  const both = (withinMs?: number) => Promise.all([answerTo(place, theirId, withinMs), answerTo(place, noId, withinMs)]);
  let [given, missing] = await both();
  // On a busy machine one of the two may not have been told of anything yet.
  if (place.kind === "subscription" && likeness(given.answer) !== likeness(missing.answer)) [given, missing] = await both(5000);
  const shown = secrets.filter((word) => given.text.replaceAll(theirId, "").includes(word));
  return [
    ...(likeness(given.answer) === likeness(missing.answer) ? [] : [`${called(place)}: ${likeness(given.answer)} is not ${likeness(missing.answer)}`]),
    ...(shown.length === 0 ? [] : [`${called(place)} shows ${shown.join(", ")}`]),
    ...(given.text.includes("INTERNAL_SERVER_ERROR") ? [`${called(place)} fails inside: ${given.text}`] : []),
  ];
}

/** One after the other, but for what only waits. */
async function allLeaks(wanted: readonly Place[]): Promise<string[]> {
  const leaks = (await Promise.all(wanted.filter(({ kind }) => kind === "subscription").map(leaksAt))).flat();
  for (const place of wanted.filter(({ kind }) => kind !== "subscription")) leaks.push(...(await leaksAt(place)));
  return leaks;
}

/** Their things as they are in the database: what somebody else has asked must not have changed any of it. */
const snapshot = async () => {
  const tables = ["leads", "sequences", "sequence_steps", "enrollments", "flows", "campaigns", "devices", "media", "lead_imports", "workspaces", "enrollment_queue", "campaign_leads", "webhook_endpoints", "webhook_deliveries"];
  const workspaceId = theirs["Workspace"]?.slice("Workspace:".length);
  const rows = tables.map((table) => query(pool, `SELECT to_jsonb(t) - 'status_changed_at' AS row FROM ${table} t WHERE ${table === "workspaces" ? "id" : "workspace_id"} = $1 ORDER BY to_jsonb(t)::text`, [workspaceId]));
  return JSON.stringify(await Promise.all(rows));
};

const withoutRowLevelSecurity = async (work: () => Promise<void>) => {
  const tables = await query<{ name: string }>(pool, "SELECT oid::regclass::text AS name FROM pg_class WHERE relrowsecurity");
  for (const { name } of tables) await pool.query(`ALTER TABLE ${name} DISABLE ROW LEVEL SECURITY`);
  try {
    await work();
  } finally {
    for (const { name } of tables) await pool.query(`ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY`);
  }
};

describe("an id of another workspace", () => {
  test("has a case for each place of the schema that takes one", () => {
    expect(places.length).toBeGreaterThan(100);
    expect(places.filter(({ type }) => theirs[type] === undefined)).toEqual([]);
    expect(() => placesOf(buildSchema("interface Node { id: ID! } type Query { a(thing: ID): Int } type Lead implements Node { id: ID! }"))).toThrow(/a\.thing .* no case/);
  });

  test("is answered as one that nobody has, and shows and changes nothing", { timeout: 120_000 }, async () => {
    const before = await snapshot();
    expect(await allLeaks(places)).toEqual([]);
    expect(await snapshot()).toBe(before);
  });

  test("is so by the statements' own conditions alone, without row-level security", { timeout: 120_000 }, async () => {
    const before = await snapshot();
    await withoutRowLevelSecurity(async () => expect(await allLeaks(places)).toEqual([]));
    expect(await snapshot()).toBe(before);
  });
});

test("no field of the schema shows anything of another workspace, by either wall", { timeout: 120_000 }, async () => {
  const begin = async () => {
    const ids = await furnish(pool, `Mine_${crypto.randomUUID().slice(0, 8)}`);
    return { ids, secret: await server.tokenFor(["ADMIN", "PAIR"], ids["Workspace"]?.slice("Workspace:".length)) };
  };
  const look = async () => {
    const shared = await begin();
    const answers = operationsOf(schema, shared.ids).map(async ({ kind, field, ...read }, index) => {
      // In a workspace of its own for each mutation: it changes and erases what it is called with.
      const { ids, secret } = kind === "mutation" ? await begin() : shared;
      const { query, variables } = kind === "mutation" ? (operationsOf(schema, ids)[index] ?? read) : read;
      return { field, text: JSON.stringify(kind === "subscription" ? await toldBy(server.webSocket(secret), query, variables) : await server.query(query, variables, secret)) };
    });
    let refused = 0;
    for (const { field, text } of await Promise.all(answers)) {
      expect({ field, shown: secrets.filter((word) => text.includes(word)), isBroken: text.includes("INTERNAL_SERVER_ERROR") && text }).toEqual({ field, shown: [], isBroken: false });
      if (/"errors":\[|"userErrors":\[\{/.test(text)) refused += 1;
    }
    // They were asked in earnest.
    expect(refused).toBeLessThan(answers.length / 5);
  };
  await look();
  await withoutRowLevelSecurity(look);
});

test("a number of another workspace's lead is as one that nobody has", async () => {
  const { phone } = await one<{ phone: string }>(pool, "SELECT phone FROM leads WHERE id = $1", [theirs["Lead"]?.slice("Lead:".length)]);
  const answersTo = async (number: string) => {
    const { data, errors } = await server.query(
      `query ($phone: PhoneNumber!, $search: String!) { lead(phone: $phone) { id } leads(filter: { phones: [$phone] }) { totalCount nodes { id } } found: leads(filter: { search: $search }) { totalCount nodes { id } } }`,
      { phone: number, search: number },
      secret,
    );
    const tested = await server.query(`mutation ($id: ID!, $phone: PhoneNumber!) { testCampaign(id: $id, phone: $phone) { flow { id } userErrors { code message field } } }`, { id: own["Campaign"], phone: number }, secret);
    return { data, errors, tested };
  };
  expect(await answersTo(`+${phone}`)).toEqual(await answersTo("+60199999999"));
});

describe("the test of the test", () => {
  test("every table with a workspace has row-level security, by that workspace alone; a policy that is gone is missed", async () => {
    const unguarded = () =>
      query<{ name: string }>(
        pool,
        `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'workspace_id' AND NOT a.attisdropped
          WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace
            AND NOT (c.relrowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND pg_get_expr(p.polqual, c.oid) LIKE '%workspace_id = ( SELECT%app.workspace_id%'))
            AND has_table_privilege('rentak_api', c.oid, 'SELECT, INSERT, UPDATE, DELETE')
          ORDER BY 1`,
      );
    expect(await unguarded()).toEqual([]);
    const { rows } = await pool.query("SELECT pg_get_expr(polqual, polrelid) AS qual FROM pg_policy WHERE polrelid = 'campaigns'::regclass");
    await pool.query("DROP POLICY own_workspace ON campaigns");
    expect(await unguarded()).toEqual([{ name: "campaigns" }]);
    await pool.query(`CREATE POLICY own_workspace ON campaigns TO rentak_api USING (${rows[0].qual})`);
  });

  test.each(["campaigns", "leads", "devices", "sequences", "flows", "api_tokens", "webhook_endpoints", "webhook_deliveries"])("a statement of %s without its workspace's condition is caught", async (table) => {
    const { query: real } = pg.Client.prototype;
    const condition = new RegExp(`"${table}"\\."workspace_id" = (\\$\\d+)`, "g");
    let rewritten = 0;
    const without = (text: string) => text.replace(condition, (_whole, parameter: string) => (rewritten++, `${parameter}::uuid IS NOT NULL`));
    pg.Client.prototype.query = function (this: pg.Client, config: unknown, ...rest: unknown[]) {
      // What is submitted as an object, a read, has its text as well.
      if (typeof config === "object" && config !== null && "text" in config && typeof config.text === "string") {
        const changed = without(config.text);
        // Under its name the connection knows the text as it was.
        if (changed !== config.text) Object.assign(config, { text: changed, name: undefined });
      }
      return (real as (...args: unknown[]) => unknown).call(this, typeof config === "string" ? without(config) : config, ...rest);
    } as typeof real;
    try {
      const type = { campaigns: "Campaign", leads: "Lead", devices: "Device", sequences: "Sequence", flows: "Flow", api_tokens: "ApiToken", webhook_endpoints: "WebhookEndpoint", webhook_deliveries: "WebhookDelivery" }[table] ?? "";
      await withoutRowLevelSecurity(async () => expect(await leaksAt({ kind: "query", field: "node", path: ["id"], type })).not.toEqual([]));
      expect(rewritten).toBeGreaterThan(0);
    } finally {
      pg.Client.prototype.query = real;
    }
  });
});
