// A user error names the field that is wrong: tried at every place of every mutation, with what cannot be right there.

import { readFileSync } from "node:fs";
import { buildSchema } from "graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { furnish } from "../support/furnish.ts";
import { type InputPlace, inputPlacesOf } from "../support/input-places.ts";
import { type Ids, operationAt, operationsOf } from "../support/isolation.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

const schema = buildSchema(readFileSync(new URL("../../schema/schema.graphql", import.meta.url), "utf8"));
const places = inputPlacesOf(schema).filter(({ kind }) => kind === "mutation");

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

/** By scalar: what no field of it can be. */
const WRONG: Readonly<Record<string, readonly unknown[]>> = { String: ["x".repeat(20_000)], Int: [-1], Float: [-1] };

type UserError = { readonly code: string; readonly message: string; readonly field: readonly string[] | null };

const errorsOf = (answer: Loose): UserError[] => Object.values(answer.data ?? {}).flatMap((payload: Loose) => payload?.userErrors ?? []);

/** Without the places in lists. */
const named = (path: readonly string[]): string => path.filter((part) => !/^\d+$/.test(part)).join(".");

test("each error names the field that it is about", { timeout: 180_000 }, async () => {
  const wrong: string[] = [];
  let refused = 0;
  for (const [field, group] of Map.groupBy(places, ({ field: mutation }) => mutation)) {
    const ids = await furnish(server.database.pool, `Thing_${crypto.randomUUID().slice(0, 8)}`);
    const secret = await server.tokenFor(["ADMIN", "PAIR"], ids["Workspace"]?.slice("Workspace:".length));
    const usual = new Set(await usualErrors(field, ids, secret));
    for (const place of group) {
      for (const value of WRONG[place.scalar] ?? []) {
        const { query, variables } = operationAt(schema, place, value, ids);
        const errors = errorsOf(await server.query(withPaths(query), variables, secret)).filter((error) => !usual.has(JSON.stringify(error)));
        if (errors.length > 0) refused += 1;
        // Others may come with it: what refers to a trigger that cannot be refers to nothing.
        if (errors.length > 0 && !errors.some((error) => isAbout(error, place))) wrong.push(`${field}(${place.path.join(".")}): ${errors.map((error) => `${JSON.stringify(error.field)} ${error.message.slice(0, 120)}`).join("; ")}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(refused).toBeGreaterThan(60);
});

/** Asks for the whole of each user error, whatever else is asked for. */
const withPaths = (query: string): string => query.replace(/userErrors \{[^}]*\}/, "userErrors { code message field }");

async function usualErrors(field: string, ids: Ids, secret: string): Promise<string[]> {
  const usual = operationsOf(schema, ids).find((operation) => operation.kind === "mutation" && operation.field === field);
  if (!usual) return []; // takes a file
  return errorsOf(await server.query(withPaths(usual.query), usual.variables, secret)).map((error) => JSON.stringify(error));
}

/** The field itself, or what it is within: of two that go together only one can be named. */
const isAbout = ({ field }: UserError, { path }: InputPlace): boolean => field !== null && (named(path) === named(field) || named(path).startsWith(`${named(field)}.`) || named(field).startsWith(`${named(path)}.`));
