// The demo's steps: devices, sequences, leads, and then looking on until every lead is through.

import { setTimeout as delay } from "node:timers/promises";
import {
  ActivateSequenceDocument,
  CreateDeviceDocument,
  CreateSequenceDocument,
  DevicesByNameDocument,
  type ProgressFragment,
  SequencesDocument,
  SetTriggersDocument,
} from "../../schema/client/graphql.ts";
import type { Client } from "./client.ts";
import { DEMO_ENTRIES, DEMO_SEQUENCES } from "./sequences.ts";

const DEVICES = 20;
const DEVICE_PREFIX = "Demo device";
const LOOK_EVERY_MS = 500;

/** What the server refused, in its own words. */
export class UserErrorsError extends Error {
  override name = "UserErrorsError";
}

export type Progress = ReadonlyMap<string, ProgressFragment>;

function accepted<T extends { userErrors: readonly { message: string }[] }>(payload: T): T {
  if (payload.userErrors.length > 0) throw new UserErrorsError(payload.userErrors.map(({ message }) => message).join("\n"));
  return payload;
}

/** Simulated devices that take 20 to 115 ms a message, and refuse one in fifty. Those of an earlier run are used again. */
export async function createDevices(client: Client, created: (count: number) => void): Promise<number> {
  const { devices } = await client.ask(DevicesByNameDocument, { search: DEVICE_PREFIX });
  const present = new Set(devices.nodes.map(({ name }) => name));
  for (let number = 1; number <= DEVICES; number++) {
    const name = `${DEVICE_PREFIX} ${String(number).padStart(2, "0")}`;
    const input = { name, transport: "SIMULATOR", hourlyLimit: 10_000, dailyLimit: 100_000, simulatedLatencyMs: 15 + number * 5, simulatedFailureRate: 0.02 } as const;
    if (!present.has(name)) accepted((await client.ask(CreateDeviceDocument, { input: { ...input, idempotencyKey: `demo ${name}` } })).createDevice);
    created(number);
  }
  return DEVICES;
}

/** Those of an earlier run are used again. Rejects with UserErrorsError where the server asks for longer delays than the demo's. */
export async function createSequences(client: Client): Promise<void> {
  const { sequences } = await client.ask(SequencesDocument, {});
  for (const input of DEMO_SEQUENCES) {
    let id = sequences.nodes.find(({ name, status }) => name === input.name && status !== "ARCHIVED")?.id;
    id ??= accepted((await client.ask(CreateSequenceDocument, { input })).createSequence).sequence?.id;
    if (id === undefined) throw new Error(`${input.name} was not made`);
    accepted((await client.ask(ActivateSequenceDocument, { id })).activateSequence);
  }
}

/** Sets the entry triggers on the imported leads: each once, though the server dies in the middle. Returns how many leads begin each sequence. */
export async function setTriggers(client: Client, importId: string): Promise<ReadonlyMap<string, number>> {
  const leads = new Map<string, number>();
  for (const { niche, trigger, sequences } of DEMO_ENTRIES) {
    const variables = { filter: { importId, niche: [niche] }, triggers: [trigger], idempotencyKey: `demo ${importId} ${trigger}` };
    const { affected } = accepted((await client.ask(SetTriggersDocument, variables)).setLeadTriggers);
    for (const name of sequences) leads.set(name, affected);
  }
  return leads;
}

/** Whether leads of an earlier run are still on their way. */
export const isUnderWay = (progress: Progress): boolean => [...progress.values()].some(({ active, paused }) => active + paused > 0);

export async function readProgress(client: Client): Promise<Progress> {
  const { sequences } = await client.ask(SequencesDocument, {});
  const mine = new Set(DEMO_SEQUENCES.map(({ name }) => name));
  return new Map(sequences.nodes.filter(({ name }) => mine.has(name)).map(({ name, progress }) => [name, progress]));
}

export type Totals = { readonly enrolled: number; readonly finished: number; readonly sent: number; readonly failed: number; readonly expected: number };

/** What this run has come to: `now` less what earlier runs had left in `before`. */
function totalsOf(name: string, before: Progress, now: Progress): Totals {
  const [then, present] = [before.get(name), now.get(name)];
  const since = (count: (progress: ProgressFragment) => number) => (present ? count(present) : 0) - (then ? count(then) : 0);
  const enrolled = since((progress) => progress.enrolled);
  const steps = DEMO_SEQUENCES.find((sequence) => sequence.name === name)?.steps.length ?? 0;
  return {
    enrolled,
    finished: since((progress) => progress.completed + progress.stopped),
    sent: since((progress) => progress.flowsSent),
    failed: since((progress) => progress.flowsFailed),
    expected: enrolled * steps,
  };
}

/** Looks every half second until the sequence has enrolled `leads` and all of them are through; where nobody knows how many, until nobody is on
 *  the way in any of the demo's sequences. */
export async function watchSequence(client: Client, name: string, leads: number, before: Progress, show: (totals: Totals) => void): Promise<Totals> {
  for (;;) {
    const progress = await readProgress(client);
    const totals = totalsOf(name, before, progress);
    show(totals);
    const isThrough = leads > 0 ? totals.enrolled >= leads && totals.finished >= totals.enrolled : !isUnderWay(progress);
    if (isThrough) return totals;
    await delay(LOOK_EVERY_MS);
  }
}
