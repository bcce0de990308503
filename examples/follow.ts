// `npm run follow`: what an integration does that must miss nothing. Follows the messages that are sent, over a WebSocket, and remembers in a file how far it
// has come: stopped and started again, it is first told what has happened meanwhile. Ctrl-C stops it.

import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "graphql-ws";
import { FollowSentDocument, type FollowSentSubscription, type FollowSentSubscriptionVariables, WhoAmIDocument, type TypedDocumentString } from "../schema/client/graphql.ts";

const { HOST = "127.0.0.1", PORT = "4000", RENTAK_DATA_DIR = ".rentak", RENTAK_ADMIN_TOKEN } = process.env;
const [cursorFile = "follow.cursor"] = process.argv.slice(2);
const url = `http://${HOST}:${PORT}/graphql`;

const RETRY_MS = 1000;

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

async function readToken(): Promise<string> {
  const file = join(RENTAK_DATA_DIR, "admin-token");
  return (RENTAK_ADMIN_TOKEN ?? (await readFile(file, "utf8").catch(() => fail(`No token in ${file}: start the server first, with \`npm start\`.`)))).trim();
}

const authorization = `Bearer ${await readToken()}`;

/** A query or mutation over HTTP. Its variables and its answer have the types of the operation. */
async function ask<T, V>(document: TypedDocumentString<T, V>, variables: V): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({ query: document, variables }),
  }).catch(() => fail(`Nothing answers at ${url}: start the server first, with \`npm start\`.`));
  const { data, errors } = (await response.json()) as { data: T; errors?: readonly { readonly message: string }[] };
  return errors?.[0] ? fail(errors[0].message) : data;
}

/** In one step: a file that was half written when the power went would begin with what happens then, and the gap would not be seen. */
async function remember(cursor: string): Promise<void> {
  await writeFile(`${cursorFile}.new`, cursor);
  await rename(`${cursorFile}.new`, cursorFile);
}

async function workIn({ cursor, at, flow }: FollowSentSubscription["flowSent"]): Promise<void> {
  // An integration's own work is done here. An event can come twice around a break; its flow's id is then the same.
  console.log(`${at} ${flow.id} from ${flow.device?.name ?? "a device that is gone"}`);
  // Only now: what is not worked in yet must be told again.
  await remember(cursor);
}

/** Rejects when the connection breaks. */
async function follow(after: string | undefined): Promise<void> {
  const variables: FollowSentSubscriptionVariables = { after: after ?? null };
  for await (const { data, errors } of client.iterate<FollowSentSubscription>({ query: FollowSentDocument.toString(), variables })) {
    // The cursor is of another log, say, after a restore: trying again would not help.
    if (!data) fail(errors?.[0]?.message ?? "The server told nothing.");
    await workIn(data.flowSent);
  }
}

const { viewer, eventCursor } = await ask(WhoAmIDocument, {});
const remembered = () => readFile(cursorFile, "utf8").catch(() => undefined);
// The first time from now on; and that is remembered as well: whatever happens before the first event is worked in, none is missed.
if ((await remembered()) === undefined) await remember(eventCursor);
console.error(`Following what ${viewer.workspace.name} sends.`);
// Without its own retries: they would begin where this one began, and each is to begin where the last one ended.
const client = createClient({ url: url.replace(/^http/, "ws"), connectionParams: { Authorization: authorization }, retryAttempts: 0, on: { connected: () => console.error("Listening.") } });
for (;;) {
  await follow(await remembered()).catch(() => console.error("The connection broke; trying again."));
  await delay(RETRY_MS);
}
