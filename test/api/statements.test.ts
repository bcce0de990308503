// How many statements an operation takes does not depend on how many rows it shows: whatever is nested is read for all of them at once.

import { readFileSync } from "node:fs";
import { buildSchema } from "graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Tailer } from "../../src/events/tailer.ts";
import { startEventLog } from "../support/event-log.ts";
import { addWorkspace } from "../support/factories.ts";
import { furnish } from "../support/furnish.ts";
import { type Ids, operationsOf } from "../support/isolation.ts";
import { statementsDuring } from "../support/statements.ts";
import { testServer, type TestServer } from "../support/server.ts";

const schema = buildSchema(readFileSync(new URL("../../schema/schema.graphql", import.meta.url), "utf8"));

const MANY = 12;

let server: TestServer;
let tailer: Tailer;
let few: { readonly ids: Ids; readonly secret: string };
let many: { readonly ids: Ids; readonly secret: string };

beforeAll(async () => {
  server = await testServer(async ({ pool }) => {
    const log = await startEventLog(pool);
    tailer = log.tailer;
    return log;
  });
  few = await workspaceWith(1);
  many = await workspaceWith(MANY);
});
afterAll(async () => {
  await tailer.stop();
  await server.stop();
});

async function workspaceWith(count: number): Promise<{ ids: Ids; secret: string }> {
  const { pool } = server.database;
  const workspaceId = await addWorkspace(pool);
  let ids: Ids = {};
  for (let n = 1; n <= count; n++) ids = await furnish(pool, `Thing_${n}`, workspaceId);
  return { ids, secret: await server.tokenFor(["ADMIN", "PAIR"], workspaceId) };
}

async function statementsOf(query: string, variables: Record<string, unknown>, secret: string): Promise<string[]> {
  const ask = async () => {
    const { data, errors } = await server.query(query, variables, secret);
    expect(errors).toBeUndefined();
    mostShown = longestList(data);
  };
  return statementsDuring(ask);
}

let mostShown = 0;

function longestList(value: unknown): number {
  if (Array.isArray(value)) return Math.max(value.length, ...value.map(longestList));
  return typeof value === "object" && value !== null ? Math.max(0, ...Object.values(value).map(longestList)) : 0;
}

// `lead` wants one of two arguments, and is tried below, among the nodes.
const queries = operationsOf(schema, {}).filter(({ kind, field }) => kind === "query" && field !== "lead").map(({ field }) => field);

const LISTS = new Set(["campaigns", "devices", "flows", "leads", "sequences", "leadImports", "apiTokens", "webhookEndpoints"]);

test.each(queries)("%s", async (field) => {
  const countWith = async ({ ids, secret }: typeof few) => {
    const operation = operationsOf(schema, ids).find((one) => one.kind === "query" && one.field === field);
    return statementsOf(operation?.query ?? "", operation?.variables ?? {}, secret);
  };
  const [ofFew, ofMany] = [await countWith(few), await countWith(many)];
  // What is one too many is seen by its text.
  expect(ofMany.length === ofFew.length ? [] : ofMany).toEqual([]);
  expect(mostShown).toBeGreaterThanOrEqual(LISTS.has(field) ? MANY : 0);
});

test("nodes, of every type at once", async () => {
  const all = (await server.database.pool.query<{ id: string }>("SELECT 'Device:' || id AS id FROM devices UNION ALL SELECT 'Lead:' || id FROM leads UNION ALL SELECT 'Flow:' || id FROM flows UNION ALL SELECT 'Sequence:' || id FROM sequences")).rows.map(({ id }) => id);
  const QUERY = "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Device { name load { messagesHour } } ... on Lead { called: name flows { nodes { id device { name } } } } ... on Flow { lead { name } sequence { name } } ... on Sequence { title: name steps { text } } } }";
  const one = await statementsOf(QUERY, { ids: ["Device", "Lead", "Flow", "Sequence"].map((type) => many.ids[type]) }, many.secret);
  expect((await statementsOf(QUERY, { ids: all }, many.secret)).length).toBe(one.length);
});
