// Queries that come again are compiled; nobody may see a difference. (All other tests of the API ask a server that compiles each query at once.)

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { furnish } from "../support/furnish.ts";
import type { Ids } from "../support/isolation.ts";
import { type Answer, testServer, type TestServer } from "../support/server.ts";

let compiling: TestServer;
let plain: TestServer;
let ids: Ids;
let secret: string;

beforeAll(async () => {
  compiling = await testServer();
  plain = await testServer({}, undefined, { database: compiling.database, compileAfter: null });
  ids = await furnish(compiling.database.pool, "Thing");
  secret = await compiling.tokenFor(["ADMIN"], ids["Workspace"]?.slice("Workspace:".length));
});
afterAll(async () => {
  await plain.stop();
  await compiling.stop();
});

/** An error's place in the request is all that a compiled query leaves out, and its id in the log is another each time. */
const comparable = ({ status, data, errors }: Answer) => ({
  status,
  data,
  errors: errors?.map(({ message, path, extensions }) => ({ message: message.replace(/[0-9a-f-]{36}/, "<id>"), path, code: extensions["code"] })),
});

describe("the same is answered, compiled or not", () => {
  test.each<[string, string, Record<string, unknown>]>([
    ["a node by an abstract type", "query ($id: ID!) { node(id: $id) { __typename id ... on Lead { name phone } ... on Device { status } } }", { id: "Lead" }],
    ["nodes, one of them missing", "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", { ids: ["Lead", "Device"] }],
    ["fragments, aliases and directives", "query ($no: Boolean!) { a: leads(first: 1) { nodes { ...Who } } b: devices { nodes { name @include(if: $no) status @skip(if: $no) } } } fragment Who on Lead { id called: name }", { no: false }],
    ["defaults of variables", "query ($first: Int = 1) { leads(first: $first) { nodes { id } pageInfo { hasNextPage } } }", {}],
    ["an enum", "query ($status: [FlowStatus!]) { flows(first: 2) { nodes { id status dueAt } } campaigns { nodes { status } } }", { status: ["SENT"] }],
    ["a variable of a wrong type", "query ($first: Int!) { leads(first: $first) { nodes { id } } }", { first: "many" }],
    ["a variable that is missing", "query ($id: ID!) { lead(id: $id) { id } }", {}],
    ["a number out of range", "query ($first: Int!) { leads(first: $first) { nodes { id } } }", { first: 2 ** 40 }],
    ["what is refused", "query { leads(first: -1) { nodes { id } } }", {}],
    ["a variable within a literal", "query ($id: ID!) { leads(filter: { ids: [$id] }) { nodes { id } } }", { id: "Lead" }],
    ["a time", "query ($from: DateTime!, $to: DateTime!) { flowStats(from: $from, to: $to) { sent } }", { from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z" }],
    ["__typename alone", "{ __typename viewer { __typename workspace { __typename name } } }", {}],
  ])("%s", async (_what, query, variables) => {
    const given = JSON.parse(JSON.stringify(variables, (_key, value: unknown) => (typeof value === "string" && ids[value] !== undefined ? ids[value] : value)));
    const expected = comparable(await plain.query(query, given, secret));
    for (let turn = 0; turn < 3; turn++) expect(comparable(await compiling.query(query, given, secret))).toEqual(expected);
  });

  test("of several operations, the one that is named", async () => {
    const query = "query One { viewer { workspace { id } } } query Two { system { version } }";
    for (const [operationName, field] of [["One", "viewer"], ["Two", "system"], ["One", "viewer"]]) {
      const response = await fetch(compiling.url, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${secret}` }, body: JSON.stringify({ query, operationName }) });
      expect(Object.keys(((await response.json()) as Answer).data)).toEqual([field]);
    }
  });

  test("a scope is asked for each time", async () => {
    const query = "{ apiTokens { id } }";
    expect((await compiling.query(query, {}, secret)).errors).toBeUndefined();
    expect((await compiling.query(query, {}, await compiling.tokenFor(["READ"]))).errors?.[0]?.extensions["code"]).toBe("FORBIDDEN");
  });
});
