// `npm run follow`: what an integration does that must miss nothing. Follows the messages that are sent, over a WebSocket, and remembers in a file how far it
// has come: stopped and started again, it is first told what has happened meanwhile. Ctrl-C stops it.

import { readFile, rename, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "graphql-ws";
import { FollowSentDocument, type FollowSentSubscription, type FollowSentSubscriptionVariables, WhoAmIDocument } from "../schema/client/graphql.ts";
import { ask, fail, readToken, SERVER_URL } from "./local-server.ts";

const [cursorFile = "follow.cursor"] = process.argv.slice(2);

const RETRY_MS = 1000;

const authorization = `Bearer ${await readToken()}`;

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

/** The server closes a connection so whose token is not good, or is good no more: then trying again does not help. */
const UNAUTHORIZED = 4401;

function reconsider(error: unknown): void {
  const { code, reason } = error as { readonly code?: number; readonly reason?: string };
  if (code === UNAUTHORIZED) fail(reason ?? "The token is not good.");
  console.error("The connection broke; trying again.");
}

const { viewer, eventCursor } = await ask(authorization, WhoAmIDocument, {});
const remembered = () => readFile(cursorFile, "utf8").catch(() => undefined);
// The first time from now on; and that is remembered as well: whatever happens before the first event is worked in, none is missed.
if ((await remembered()) === undefined) await remember(eventCursor);
console.error(`Following what ${viewer.workspace.name} sends.`);
// Without its own retries: they would begin where this one began, and each is to begin where the last one ended.
const client = createClient({ url: `${SERVER_URL.replace(/^http/, "ws")}/graphql`, connectionParams: { Authorization: authorization }, retryAttempts: 0, on: { connected: () => console.error("Listening.") } });
for (;;) {
  await follow(await remembered()).catch(reconsider);
  await delay(RETRY_MS);
}
