// What one lead would be sent, and when: the way through the sequences as settling and deciding would go it, with every time asked of the same functions of the
// database. Nothing is written.

import { type Branch } from "./branches.ts";
import type { RuleSequence, RuleStep } from "./rules.ts";

export type Person = {
  readonly niche: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
};

/** What the person does after a step's message. */
export type Assumption = { readonly trigger: string; readonly replied: boolean; readonly read: boolean };

export type Window = {
  /** When it goes out, if a device is free. */
  readonly sendAt: Date;
  /** When the window closes; null where it never does. */
  readonly until: Date | null;
  /** The recipient's time of day, HH:MM. */
  readonly localTime: string;
};

/** The database's answers. Null: never. */
export type Times = {
  /** Of a first message, or the first in another sequence: the next opening, one that is open included. */
  entryDue(sequence: RuleSequence, at: Date): Promise<Date | null>;
  /** Of the message that follows in `next`. `wall`: when this one was due; `sentAt`: when it was settled. */
  nextDue(step: RuleStep, sequence: RuleSequence, next: RuleSequence, wall: Date, sentAt: Date): Promise<Date | null>;
  /** When the lane is open from then on, for a message or, for a decision, at all. */
  window(sequence: RuleSequence, at: Date, kind: "message" | "decision"): Promise<Window | null>;
};

export type PlannedMessage = Window & {
  readonly step: RuleStep;
  readonly sequence: RuleSequence;
  readonly dueAt: Date;
  /** The branch of the step before that led here; null where its next trigger did, or it is the first. */
  readonly branch: Branch | null;
};

export type End = "COMPLETED" | "REPLIED" | "SPAN_OVER" | "TOO_MANY_MESSAGES" | "NEVER_OPEN";

export type DryRun = { readonly messages: readonly PlannedMessage[]; readonly end: End };

export type Route = {
  readonly graph: readonly RuleSequence[];
  readonly entry: { readonly step: RuleStep; readonly sequence: RuleSequence };
  readonly person: Person;
  readonly assumptions: readonly Assumption[];
  readonly times: Times;
  /** At most so many in any so many hours. */
  readonly cap: { readonly messages: number; readonly hours: number; readonly sentBefore: readonly Date[]; readonly deadlineMs: number } | null;
  readonly from: Date;
  readonly until: Date;
};

/** A sequence that leads in a loop would go on for ever. */
const MAX_MESSAGES = 1000;

type Placed = { readonly step: RuleStep; readonly sequence: RuleSequence };

export async function dryRun(route: Route): Promise<DryRun> {
  const { graph, entry, times, from, until } = route;
  const byTrigger = new Map<string, Placed>(graph.flatMap((sequence) => sequence.steps.map((step) => [step.trigger, { step, sequence }])));
  const messages: PlannedMessage[] = [];
  let here: Placed = entry;
  let branch: Branch | null = null;
  let dueAt = await times.entryDue(here.sequence, new Date(from.getTime() + 60_000 * here.sequence.startDelayMinutes));
  for (;;) {
    if (messages.length === MAX_MESSAGES) return { messages, end: "TOO_MANY_MESSAGES" };
    const window = dueAt && (await openAfter(route, here.sequence, dueAt, messages));
    if (!dueAt || !window) return { messages, end: "NEVER_OPEN" };
    if (window.sendAt > until) return { messages, end: "SPAN_OVER" };
    messages.push({ ...here, ...window, dueAt, branch });
    const assumed = route.assumptions.find(({ trigger }) => trigger === here.step.trigger);
    const isLast = here.step.branches.length === 0 && (here.step.nextTrigger === null || !byTrigger.has(here.step.nextTrigger));
    if (assumed?.replied && here.sequence.stopOnReply && !isLast) return { messages, end: "REPLIED" };
    const on = await goOn(route, byTrigger, here, assumed, dueAt, window.sendAt);
    if (on === "NEVER_OPEN") return { messages, end: on };
    if (on === null) return { messages, end: "COMPLETED" };
    ({ here, branch, dueAt } = on);
  }
}

/** The window in which it is sent, after what the frequency cap keeps it back. */
async function openAfter({ times, cap }: Route, sequence: RuleSequence, dueAt: Date, messages: readonly PlannedMessage[]): Promise<Window | null> {
  const sent = [...(cap?.sentBefore ?? []), ...messages.map(({ sendAt }) => sendAt)];
  const first = cap && sent.at(-cap.messages);
  const roomAt = cap && first && sent.length >= cap.messages ? first.getTime() + 3_600_000 * cap.hours + cap.deadlineMs : 0;
  return times.window(sequence, new Date(Math.max(dueAt.getTime(), roomAt)), "message");
}

type On = { readonly here: Placed; readonly branch: Branch | null; readonly dueAt: Date | null };

/** Null at the end. */
async function goOn({ times, person }: Route, byTrigger: ReadonlyMap<string, Placed>, { step, sequence }: Placed, assumed: Assumption | undefined, dueAt: Date, sentAt: Date): Promise<On | null | "NEVER_OPEN"> {
  const placed = (trigger: string | null) => (trigger === null ? undefined : byTrigger.get(trigger));
  if (step.branches.length === 0) {
    const next = placed(step.nextTrigger);
    return next ? { here: next, branch: null, dueAt: await times.nextDue(step, sequence, next.sequence, dueAt, sentAt) } : null;
  }
  // Until it is due nobody knows which step it is: it waits in this sequence, and goes on from there.
  const waitsUntil = await times.nextDue(step, sequence, sequence, dueAt, sentAt);
  const decided = waitsUntil && (await times.window(sequence, waitsUntil, "decision"));
  if (!decided) return "NEVER_OPEN";
  const branch = step.branches.find((each) => holds(each, person, assumed)) ?? null;
  const next = placed(branch ? branch.nextTrigger : step.nextTrigger);
  if (!next) return null;
  return { here: next, branch, dueAt: next.sequence.id === sequence.id ? waitsUntil : await times.entryDue(next.sequence, decided.sendAt) };
}

function holds({ condition, value }: Branch, { niche, attributes }: Person, assumed: Assumption | undefined): boolean {
  switch (condition) {
    case "ATTRIBUTE_EQUALS":
      return Object.entries(value ?? {}).every(([name, wanted]) => Object.hasOwn(attributes, name) && attributes[name] === wanted);
    case "NICHE_IN":
      return niche !== null && Array.isArray(value?.["niches"]) && value["niches"].includes(niche);
    case "REPLIED_SINCE":
      return assumed?.replied ?? false;
    case "READ":
      return assumed?.read ?? false;
  }
}
