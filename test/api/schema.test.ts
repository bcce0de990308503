import { readFile } from "node:fs/promises";
import { printSchema } from "graphql";
import { expect, test } from "vitest";
import { schema } from "../../src/graphql/schema.ts";

test("schema/schema.graphql is what the server serves (node src/graphql/print.ts writes it)", async () => {
  expect(await readFile(new URL("../../schema/schema.graphql", import.meta.url), "utf8")).toBe(`${printSchema(schema)}\n`);
});
