// What the fake server's log says of a run, against the rows: what was sent, to whom, and who logged in when. Nothing of it comes from Rentak's books.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createMessageIds } from "../../src/flows/message-id.ts";
import type { Entry, EntryOf } from "../../test/support/fake-whatsapp/fake.ts";
import { BrokenPromise } from "../dispatch/rentak-checks.ts";
import { once } from "../dispatch/postgres.ts";

type Sent = Pick<EntryOf<"message">, "messageId" | "account" | "phone">;

export type Testimony = {
  readonly messages: readonly Sent[];
  readonly logins: readonly { readonly at: number; readonly account: string }[];
  /** Logins of devices that had a live socket already. */
  readonly doubles: number;
};

export async function readTestimony(file: string): Promise<Testimony> {
  const messages: Sent[] = [];
  const logins: { at: number; account: string }[] = [];
  let doubles = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const entry = JSON.parse(line) as Entry;
    if (entry.kind === "message") messages.push({ messageId: entry.messageId, account: entry.account, phone: entry.phone });
    if (entry.kind === "login") logins.push({ at: entry.at, account: entry.account });
    if (entry.kind === "login" && entry.alive.length > 0) doubles += 1;
  }
  return { messages, logins, doubles };
}

/** How often the busiest device logged in from `from` on, and the most logins of all devices in any second. */
export function loginsSince({ logins }: Testimony, from: number): { readonly ofOne: number; readonly inOneSecond: number; readonly perSecond: number } {
  const times = logins.filter(({ at }) => at >= from);
  const counts = new Map<string, number>();
  for (const { account } of times) counts.set(account, (counts.get(account) ?? 0) + 1);
  let [inOneSecond, first] = [0, 0];
  for (const [index, { at }] of times.entries()) {
    while ((times[first]?.at ?? at) <= at - 1000) first += 1;
    inOneSecond = Math.max(inOneSecond, index - first + 1);
  }
  const lengthMs = (times.at(-1)?.at ?? 0) - (times[0]?.at ?? 0);
  return { ofOne: Math.max(0, ...counts.values()), inOneSecond, perSecond: (times.length - 1) / (lengthMs / 1000) };
}

type Attempted = { id: string; status: string; failure_code: string | null; phone: string; account: string };

const ATTEMPTED = `
  SELECT f.id, f.status, f.failure_code, l.phone, d.phone AS account
    FROM flows f JOIN leads l ON l.id = f.lead_id JOIN devices d ON d.id = f.device_id WHERE f.attempted_at IS NOT NULL`;

/** Throws BrokenPromise where log and rows do not agree. Returns how many flows were sent, and why others were not. */
export async function compareWithRows(url: string, { messages, doubles }: Testimony): Promise<{ readonly sent: number; readonly failed: string }> {
  const [installation] = await once(url, "SELECT message_id_key FROM installation");
  const { flowIdOf } = createMessageIds(installation?.["message_id_key"] as Buffer);
  const seen = new Map(messages.map((message) => [flowIdOf(message.messageId), message]));
  const rows = (await once(url, ATTEMPTED)) as Attempted[];
  const attempted = new Set(rows.map(({ id }) => id));
  const mustBeNone: Readonly<Record<string, number>> = {
    "messages that came twice": messages.length - seen.size,
    "messages of no attempted flow": [...seen.keys()].filter((id) => id === null || !attempted.has(id)).length,
    "flows that are sent and never came": rows.filter(({ id, status }) => status === "SENT" && !seen.has(id)).length,
    "flows that surely failed and came": rows.filter((row) => row.status !== "SENT" && row.failure_code !== "OUTCOME_UNKNOWN" && seen.has(row.id)).length,
    "messages to another person, or by another device": rows.filter(({ id, phone, account }) => seen.has(id) && (seen.get(id)?.phone !== phone || seen.get(id)?.account !== account)).length,
    "devices with two live sockets": doubles,
  };
  for (const [what, count] of Object.entries(mustBeNone)) if (count > 0) throw new BrokenPromise(`${what}: ${count}`);
  const failures = Map.groupBy(rows.filter(({ status }) => status !== "SENT"), ({ status, failure_code }) => failure_code ?? status);
  return { sent: rows.filter(({ status }) => status === "SENT").length, failed: Array.from(failures, ([code, those]) => `${those.length} ${code}`).join(", ") || "0" };
}
