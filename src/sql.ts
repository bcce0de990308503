// `npm run sql`: a small SQL prompt on Rentak's database. Statements come as arguments, from a pipe, or from the keyboard.

import { createInterface } from "node:readline/promises";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";
import pg from "pg";
import { parseConfig } from "./config.ts";
import { openBeside } from "./db/beside.ts";
import { OperatorError } from "./lib/errors.ts";

async function main(): Promise<boolean> {
  const database = await openBeside(parseConfig(process.env));
  // Values as Postgres writes them: nothing is rounded, quoted or moved to another time zone.
  const types = { getTypeParser: () => asWritten };
  const client = new pg.Client({ connectionString: database.url, application_name: "rentak sql", types });
  client.on("error", () => {}); // the statement that it breaks says so
  try {
    await client.connect();
    const statements = process.argv.slice(2);
    if (statements.length > 0) return await runAll(client, statements.join(";\n"));
    if (!process.stdin.isTTY) return await runAll(client, await text(process.stdin));
    await prompt(client);
    return true;
  } finally {
    await client.end().catch(() => {});
    await database.stop();
  }
}

const asWritten = (value: string) => ({ [inspect.custom]: () => value.replaceAll("\n", "\\n") });

/** False as soon as one fails; those after it are not run. */
async function runAll(client: pg.Client, script: string): Promise<boolean> {
  const { statements, rest } = split(script);
  for (const statement of [...statements, rest]) {
    if (!(await run(client, statement))) return false;
  }
  return true;
}

async function prompt(client: pg.Client): Promise<void> {
  console.log("SQL ends with a semicolon, \\q quits.");
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: "rentak=> ", historySize: 1000 });
  let pending = "";
  const ask = () => {
    lines.setPrompt(pending ? "rentak-> " : "rentak=> ");
    lines.prompt();
  };
  lines.on("SIGINT", () => {
    if (!pending && !lines.line) return lines.close();
    pending = ""; // Ctrl-C drops what was typed; on an empty line it leaves
    lines.write(null, { ctrl: true, name: "u" });
    ask();
  });
  ask();
  for await (const line of lines) {
    if (/^\s*(\\q|exit|quit);?\s*$/.test(line)) break;
    const { statements, rest } = split(`${pending}${line}\n`);
    pending = rest;
    for (const statement of statements) await run(client, statement);
    ask();
  }
  lines.close();
}

async function run(client: pg.Client, statement: string): Promise<boolean> {
  if (statement.trim() === "") return true;
  try {
    const { command, fields, rows, rowCount } = await client.query<Record<string, object | null>>(statement.trim());
    const names = fields.map((field) => field.name);
    if (names.length > 0) console.table(rows, names);
    console.log(names.length > 0 ? `(${rowCount} ${rowCount === 1 ? "row" : "rows"})` : `${command} ${rowCount ?? ""}`.trim());
    return true;
  } catch (error) {
    console.error(explain(error, statement.trim()));
    return false;
  }
}

function explain(error: unknown, statement: string): string {
  if (!(error instanceof pg.DatabaseError)) return `ERROR: ${error instanceof Error ? error.message : String(error)}`;
  const before = statement.slice(0, Math.max(0, Number(error.position ?? 0) - 1)).split("\n");
  const place = error.position ? ` (line ${before.length}, column ${(before.at(-1) ?? "").length + 1})` : "";
  return [`${error.severity}: ${error.message}${place}`, error.detail, error.hint].filter(Boolean).join(". ");
}

/** Cuts at the semicolons that stand outside of strings, quoted names, dollar quotes and comments. */
function split(script: string): { statements: string[]; rest: string } {
  const token = /\be'(?:[^'\\]|\\.|'')*'|'[^']*'|"[^"]*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|\/\*.*?\*\/|['"]|\$\w*\$|\/\*|;/gis;
  const statements: string[] = [];
  let start = 0;
  for (const { 0: found, index } of script.matchAll(token)) {
    if (/^('|"|\$\w*\$|\/\*)$/.test(found)) break; // opened and not closed yet
    if (found !== ";") continue;
    statements.push(script.slice(start, index));
    start = index + 1;
  }
  const rest = script.slice(start);
  return { statements, rest: rest.trim() ? rest : "" };
}

const succeeded = await main().catch((error: unknown) => {
  console.error(error instanceof OperatorError ? error.message : explain(error, ""));
  return false;
});
process.exitCode = succeeded ? 0 : 1;
