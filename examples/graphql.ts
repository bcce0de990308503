// `npm run graphql -- '<query, mutation or subscription>' ['<variables as JSON>']`: asks the server that runs on this machine. A subscription prints
// each event on a line of its own, until Ctrl-C.

import { createClient } from "graphql-ws";
import { getOperationAST, GraphQLError, parse } from "graphql";
import { fail, notThere, readToken, SERVER_URL } from "./local-server.ts";

const [query, variablesText = "{}"] = process.argv.slice(2);

function operationOf(text: string): string | undefined {
  try {
    return getOperationAST(parse(text))?.operation;
  } catch (error) {
    const place = error instanceof GraphQLError ? error.locations?.map(({ line, column }) => ` (line ${line}, column ${column})`).join("") : "";
    return fail(`${error instanceof Error ? error.message : String(error)}${place}`);
  }
}

function parseVariables(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return fail(`The variables must be a JSON object, such as '{"id": "Lead:…"}', not ${text}`);
  }
}

async function ask(url: string, authorization: string, variables: unknown): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  }).catch(() => notThere(url));
  const answer = (await response.json()) as { errors?: unknown };
  console.log(JSON.stringify(answer, null, 2));
  if (answer.errors) process.exitCode = 1;
}

async function listen(url: string, authorization: string, variables: Record<string, unknown>): Promise<void> {
  const client = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: { Authorization: authorization },
    retryAttempts: 0,
    // So that whoever waits for it knows from when on nothing is missed.
    on: { connected: () => console.error("Listening.") },
  });
  try {
    for await (const event of client.iterate({ query: query ?? "", variables })) console.log(JSON.stringify(event.data ?? event));
  } catch (error) {
    fail(error instanceof Error ? error.message : `The subscription has ended: ${JSON.stringify(error, ["code", "reason", "message"])}`);
  }
}

if (query === undefined) fail("Usage: npm run graphql -- '{ viewer { workspace { name } } }'");
const authorization = `Bearer ${await readToken()}`;
const url = `${SERVER_URL}/graphql`;
const run = operationOf(query) === "subscription" ? listen : ask;
await run(url, authorization, parseVariables(variablesText));
