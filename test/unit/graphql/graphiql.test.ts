import { parse, validate } from "graphql";
import { expect, test } from "vitest";
import { graphiqlPage, READY } from "../../../src/graphql/graphiql.ts";
import { schema } from "../../../src/graphql/schema.ts";

test.each(READY)("what GraphiQL begins with can be run: %#", (query) => {
  expect(validate(schema, parse(query)).map(({ message }) => message)).toEqual([]);
  expect(Math.max(...query.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(52);
});

test("the page has them all, and a place for the token", async () => {
  const page = (await graphiqlPage()).html.toString();
  for (const query of READY) expect(page).toContain(JSON.stringify(query).slice(1, 60));
  expect(page).toContain("Authorization");
});
