// What happens in a run, one thing after the other: all connect, nothing happens, first messages, messages to people who are known, the network is cut.

import { setTimeout as delay } from "node:timers/promises";
import type { BenchFake } from "./fake.ts";
import { type Look, look, type Spent, spent, type Subject, watch } from "./meter.ts";

const POLL_MS = 250;
const STALL_MS = 60_000;
/** Caches, plans and just-in-time compilation are left out of the rates. */
const WARM_UP_MS = 3000;
/** What follows a login is over by then. */
const CALM_MS = 10_000;
/** So long nothing gets through: devices have tried twice or three times, and wait the longer for it. */
const CUT_MS = 20_000;

/** The last of a queue say little of the rate. */
const STEADY_PART = 0.95;

const ONLINE = "SELECT count(*)::int AS online FROM devices WHERE status = 'ONLINE'";
const UNDER_WAY = "SELECT count(*)::int AS flows FROM flows WHERE attempted_at IS NOT NULL AND settled_at IS NULL";
const WAITING = "SELECT count(*)::int AS flows FROM flows WHERE queued AND due_at <= now()";

const LET_GO = {
  new: "UPDATE flows SET due_at = now() - interval '1 hour' WHERE queued AND previous_id IS NULL",
  // The next message of each follows as soon as one has ended.
  known: "UPDATE flows SET due_at = CASE WHEN previous_id IS NULL THEN now() + interval '1 day' ELSE now() - interval '1 hour' END WHERE queued",
};

async function untilOnline({ client }: Subject, devices: number): Promise<void> {
  let last = { online: -1, at: performance.now() };
  for (;;) {
    const online = (await client.query<{ online: number }>({ name: "online", text: ONLINE })).rows[0]?.online ?? 0;
    if (online === devices) return;
    if (online !== last.online) last = { online, at: performance.now() };
    if (performance.now() - last.at > STALL_MS) throw new Error(`only ${online} of ${devices} devices are online, and no more since a minute`);
    await delay(POLL_MS);
  }
}

/** From the server's start until all devices are online. */
export async function connecting(subject: Subject, devices: number, started: Look): Promise<Spent> {
  await untilOnline(subject, devices);
  return spent(subject, started, await look(subject));
}

export async function idling(subject: Subject, seconds: number): Promise<Spent> {
  await delay(CALM_MS);
  return overTime(subject, seconds);
}

async function overTime(subject: Subject, seconds: number): Promise<Spent> {
  const looks = await watch(subject, (now, first) => now.at - first.at >= seconds * 1000);
  return spent(subject, looks[0] as Look, looks.at(-1) as Look);
}

export type Sending = Spent & { readonly looks: readonly Look[] };

/** First messages, or messages to people whose device knows them: all that there are, or for so long. */
export async function sending(subject: Subject, whom: "new" | "known", seconds: number): Promise<Sending> {
  const { client } = subject;
  if (whom === "known") await client.query("UPDATE sequences SET trigger_delay_hours = 0");
  await client.query(LET_GO[whom]);
  await client.query("VACUUM ANALYZE flows");
  const [{ flows } = { flows: 0 }] = (await client.query<{ flows: number }>(WAITING)).rows;
  await client.query("UPDATE sequences SET is_active = true");
  const looks = await watch(subject, (now, first) => {
    const done = now.sent - first.sent;
    if (done === 0 && now.at - first.at > STALL_MS) throw new Error("nothing was sent in a minute");
    return now.at - first.at >= seconds * 1000 || (whom === "new" && done >= flows * STEADY_PART);
  });
  await client.query("UPDATE sequences SET is_active = false");
  const begun = looks.findIndex(({ sent }) => sent > (looks[0]?.sent ?? 0));
  const steady = looks.filter(({ at }) => at >= (looks[begun]?.at ?? 0) + WARM_UP_MS);
  const [first, last] = [steady[0], steady.at(-1)];
  if (first === undefined || last === undefined || first === last) throw new Error("it was over before it could be measured: give it more leads (--leads)");
  const figures = await spent(subject, first, last);
  await untilQuiet(subject);
  return { ...figures, looks };
}

async function untilQuiet({ client }: Subject): Promise<void> {
  while ((await client.query<{ flows: number }>(UNDER_WAY)).rows[0]?.flows !== 0) await delay(POLL_MS);
}

export type Cut = Spent & { /** By the wall clock: when connections were possible again. */ readonly mendedAt: number };

/** From the network's return until all devices are online again. */
export async function cutting(subject: Subject, devices: number, fake: BenchFake): Promise<Cut> {
  await fake.cut();
  await delay(CUT_MS);
  const looks = await watch(subject, () => true);
  const mendedAt = Date.now();
  await fake.mend();
  await untilOnline(subject, devices);
  return { ...(await spent(subject, looks[0] as Look, await look(subject))), mendedAt };
}
