import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";

const prompt = fileURLToPath(new URL("../../src/sql.ts", import.meta.url));
let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

async function sql(input: string, args: string[] = [], env: Record<string, string> = { DATABASE_URL: database.url }) {
  const child = spawn(process.execPath, [prompt, ...args], { env: { PATH: process.env["PATH"], ...env } });
  child.stdin.end(input);
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code: child.exitCode, output, errors };
}

test("runs statements from its arguments and prints tables and counts", async () => {
  const statements = ["CREATE TABLE words (word text)", "INSERT INTO words VALUES ('one'), ('a;b'); TABLE words"];
  const { code, output, errors } = await sql("", statements);
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  expect(output).toMatch(/CREATE\nINSERT 2\n[\s\S]*│ one [\s\S]*│ a;b [\s\S]*\(2 rows\)/);
});

test("runs a script from a pipe, semicolons in strings, functions and comments included", async () => {
  const { code, output, errors } = await sql(`
    -- a; b
    DO $$ BEGIN PERFORM 1; END $$; /* ; */ SELECT 'x;''y' AS "odd;name", E'\\';' AS escaped;
    SELECT 3 AS last`);
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  expect(output).toMatch(/DO\n[\s\S]*odd;name[\s\S]*x;'y[\s\S]*';[\s\S]*last[\s\S]*\(1 row\)/);
});

test("says in one line what was wrong and where, and runs nothing after it", async () => {
  const { code, output, errors } = await sql("SELECT 1;\nSELECT 2,\n  nothing;\nSELECT 'after'");
  expect(code).toBe(1);
  expect(errors).toBe('ERROR: column "nothing" does not exist (line 2, column 3)\n');
  expect(output).not.toContain("after");
});

test("says what to do where there is no database yet", async () => {
  const { code, errors } = await sql("SELECT 1", [], { RENTAK_DATA_DIR: "/nowhere" });
  expect(errors).toBe("There is no database in /nowhere yet: `npm start` makes it. Or set DATABASE_URL.\n");
  expect(code).toBe(1);
});
