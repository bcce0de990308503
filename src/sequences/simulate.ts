// The dry run as it is asked for: of a lead that there is or might be, with the texts, and with what the devices could take of so many leads.

import type pg from "pg";
import type { WorkspaceDb } from "../db/workspace.ts";
import { LASTING_STATUSES } from "../devices/lasting.ts";
import { dailyLimitOf, hourlyLimitOf } from "../devices/ramp.ts";
import { DAY_MS, HOUR_MS, SECOND_MS } from "../lib/clock.ts";
import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import { type Greeting, templatesAt } from "../messages/greeting.ts";
import { previewTemplate, type TemplateLead } from "../messages/render.ts";
import { variantFor } from "../messages/variants.ts";
import { SEND_DEADLINE_MS } from "../transports/transport.ts";
import { type Capacity, planCapacity, type Stage } from "./capacity.ts";
import { type Assumption, type DryRun, dryRun, type End, type PlannedMessage } from "./dry-run.ts";
import { type GraphSequence, loadGraph } from "./graph.ts";
import { createTimes } from "./times.ts";

type Queryable = Pick<pg.ClientBase, "query">;

export type SimulationInput = {
  readonly sequenceId: string;
  /** The first entry step's where null. */
  readonly trigger: string | null;
  /** One that there is; else `person` is taken. */
  readonly leadId: string | null;
  readonly person: TemplateLead & { readonly timeZone: string | null };
  readonly assumptions: readonly Assumption[];
  /** Now, by the database's clock, where null. */
  readonly from: Date | null;
  readonly days: number;
  readonly leads: number;
};

export type SimulatedMessage = PlannedMessage & {
  /** Null where the template cannot be rendered for this lead: then `problem` says why. */
  readonly text: string | null;
  readonly problem: string | null;
  readonly missing: readonly string[];
  readonly variant: string | null;
};

export type Simulation = {
  readonly messages: readonly SimulatedMessage[];
  readonly end: End | "OPTED_OUT" | "NO_CONSENT";
  readonly capacity: Capacity & { readonly leads: number; readonly devices: number };
};

const MAX_DAYS = 3650;
const MAX_LEADS = 10_000_000;
const MAX_DAYS_AHEAD = 3650;
const MAX_ASSUMPTIONS = 1000;

type Setting = {
  readonly now: Date;
  readonly timeZone: string;
  readonly capMessages: number | null;
  readonly capHours: number | null;
  readonly hourlyCeiling: number | null;
  readonly requireConsent: boolean;
  readonly greetings: readonly Greeting[];
  readonly formOfAddress: string;
  readonly devices: number;
  readonly hourlyLimit: number;
  readonly dailyLimit: number;
};

const SETTING = `
  SELECT clock_timestamp() AS now, w.time_zone AS "timeZone", w.cap_messages AS "capMessages", w.cap_hours AS "capHours", w.hourly_ceiling AS "hourlyCeiling",
         w.require_consent AS "requireConsent", w.greetings, w.form_of_address AS "formOfAddress", d.*
    FROM workspaces w
   CROSS JOIN LATERAL (
     SELECT count(*)::int AS devices, coalesce(sum(${hourlyLimitOf("devices")}), 0)::float8 AS "hourlyLimit", coalesce(sum(${dailyLimitOf("devices")}), 0)::float8 AS "dailyLimit"
       FROM devices WHERE workspace_id = w.id AND paused_at IS NULL AND status NOT IN ${LASTING_STATUSES}) AS d
   WHERE w.id = $1`;

const STYLES = `SELECT id, greeting, visible_variation AS "isVaried" FROM sequences WHERE workspace_id = $1`;

const LEAD = `
  SELECT l.id, l.phone, l.name, l.niche, l.attributes, l.time_zone AS "timeZone", l.opted_out_at IS NOT NULL AS "isOptedOut", l.consent_at IS NOT NULL AS "hasConsent",
         coalesce(p.attempted_at, '{}') AS "sentBefore"
    FROM leads l LEFT JOIN lead_pace p ON p.lead_id = l.id WHERE l.workspace_id = $1 AND l.id = $2`;

type Lead = TemplateLead & { readonly id: string; readonly timeZone: string | null; readonly isOptedOut: boolean; readonly hasConsent: boolean; readonly sentBefore: readonly Date[] };
type Styles = ReadonlyMap<string, { readonly greeting: boolean; readonly isVaried: boolean }>;

export async function simulateSequence(db: WorkspaceDb, input: SimulationInput, minStepDelayHours: number): Promise<Result<Simulation>> {
  return db.read(async ({ $client: client }) => {
    const setting = await oneRow<Setting>(client, SETTING, [db.id]);
    if (!setting) throw new Error("the workspace is gone");
    const lead = await personOf(client, db.id, input);
    const graph = await loadGraph(client, db.id);
    const entry = entryOf(graph, input);
    const problems = [...boundsProblems(input, setting.now), ...(lead ? [] : [invalid(`There is no lead with the id Lead:${input.leadId}.`, "leadId")]), ...(entry.ok ? [] : entry.errors)];
    if (!lead || !entry.ok || problems.length > 0) return refused(...problems);

    const from = input.from ?? setting.now;
    const until = new Date(from.getTime() + input.days * DAY_MS);
    const times = createTimes({ client, zoneOf: (sequence) => lead.timeZone ?? sequence.timeZone ?? setting.timeZone, minStepDelayHours, deadlineMs: SEND_DEADLINE_MS });
    const { capMessages, capHours } = setting;
    const cap = capMessages === null || capHours === null ? null : { messages: capMessages, hours: capHours, sentBefore: lead.sentBefore, deadlineMs: SEND_DEADLINE_MS };
    const unreachable = lead.isOptedOut ? "OPTED_OUT" : setting.requireConsent && !lead.hasConsent ? "NO_CONSENT" : null;
    const run: DryRun | { messages: []; end: "OPTED_OUT" | "NO_CONSENT" } = unreachable
      ? { messages: [], end: unreachable }
      : await dryRun({ graph, entry: entry.value, person: lead, assumptions: input.assumptions, times, cap, from, until });

    const { rows } = await client.query<{ id: string; greeting: boolean; isVaried: boolean }>(STYLES, [db.id]);
    const styles: Styles = new Map(rows.map((row) => [row.id, row]));
    const stages = await stagesOf(run.messages, times, from, until, minStepDelayHours);
    const devices = { count: setting.devices, hourlyLimit: setting.hourlyLimit, dailyLimit: setting.dailyLimit, hourlyCeiling: setting.hourlyCeiling };
    return ok({
      messages: run.messages.map((message) => ({ ...message, ...rendered(message, lead, styles, setting) })),
      end: run.end,
      capacity: { ...planCapacity(stages, stages.length === 0 ? 0 : input.leads, devices, from.getTime(), until.getTime()), leads: input.leads, devices: setting.devices },
    });
  });
}

const oneRow = async <Row extends pg.QueryResultRow>(client: Queryable, text: string, values: unknown[]): Promise<Row | undefined> => (await client.query<Row>(text, values)).rows[0];

/** Somebody who is not a lead yet has agreed to get this, and has had nothing yet. */
async function personOf(client: Queryable, workspaceId: string, { leadId, person }: SimulationInput): Promise<Lead | undefined> {
  if (leadId === null) return { ...person, id: "", isOptedOut: false, hasConsent: true, sentBefore: [] };
  return oneRow<Lead>(client, LEAD, [workspaceId, leadId]);
}

function entryOf(graph: readonly GraphSequence[], { sequenceId, trigger }: SimulationInput) {
  const sequence = graph.find(({ id }) => id === sequenceId);
  if (!sequence) return refused({ code: "NOT_FOUND", message: "There is no sequence with this id that is not archived.", field: ["sequenceId"] });
  const entries = sequence.steps.filter(({ isEntryPoint }) => isEntryPoint);
  const step = entries.find((each) => trigger === null || each.trigger === trigger);
  if (step) return ok({ step, sequence });
  if (entries.length === 0) return refused(invalid("The sequence has no entry point, so no lead could begin; mark a step with isEntryPoint.", "sequenceId"));
  return refused(invalid(`No lead begins there; the sequence is entered at ${entries.slice(0, 10).map((each) => each.trigger).join(", ")}.`, "trigger"));
}

function boundsProblems({ from, days, leads, assumptions }: SimulationInput, now: Date) {
  const isWithin = (value: number, most: number) => Number.isInteger(value) && value >= 1 && value <= most;
  return [
    // What is reckoned onwards from the end of the year 9999 would be no time any more.
    ...(from && from.getTime() > now.getTime() + MAX_DAYS_AHEAD * DAY_MS ? [invalid(`from is more than ten years ahead, at ${from.toISOString()}; write an earlier time.`, "from")] : []),
    ...(isWithin(days, MAX_DAYS) ? [] : [invalid(`days is ${days}; write a whole number from 1 to ${MAX_DAYS}.`, "days")]),
    ...(isWithin(leads, MAX_LEADS) ? [] : [invalid(`leads is ${leads}; write a whole number from 1 to ${MAX_LEADS}.`, "leads")]),
    ...(assumptions.length <= MAX_ASSUMPTIONS ? [] : [invalid(`${assumptions.length} assumptions are too many; at most ${MAX_ASSUMPTIONS} are allowed.`, "assumptions")]),
  ];
}

/** As the dispatcher does. The text of a message hangs on its flow's id, which there is none of yet: of texts that vary, this is one. */
function rendered({ step, sequence, localTime }: PlannedMessage, lead: Lead, styles: Styles, { greetings, formOfAddress }: Setting): Omit<SimulatedMessage, keyof PlannedMessage> {
  const style = styles.get(sequence.id);
  const variant = variantFor(step.variants, step.id, lead.id);
  const greeting = style?.greeting ? { templates: templatesAt(greetings, localTime), formOfAddress } : null;
  const preview = previewTemplate(variant?.text ?? step.text, lead, `${lead.id} ${step.id}`, { greeting, isVaried: style?.isVaried ?? false });
  const named = { variant: variant?.name ?? null };
  if ("error" in preview) return { ...named, text: null, problem: preview.error, missing: [] };
  if (preview.text.trim() === "") return { ...named, text: null, problem: "The message is empty once the lead's values are filled in; give its placeholders defaults.", missing: preview.missing };
  return { ...named, text: preview.text, problem: null, missing: preview.missing };
}

/** What a message itself takes until it is acknowledged, about. */
const SEND_MS = SECOND_MS;

const MOST_OPENINGS = MAX_DAYS + 10;

async function stagesOf(messages: readonly PlannedMessage[], times: ReturnType<typeof createTimes>, from: Date, until: Date, minStepDelayHours: number): Promise<Stage[]> {
  const openings = new Map<string, Awaited<ReturnType<typeof times.openings>>>();
  for (const { sequence } of messages) if (!openings.has(sequence.id)) openings.set(sequence.id, await times.openings(sequence, from, until, MOST_OPENINGS));
  return messages.map(({ step, sequence, sendAt }) => ({
    sequenceId: sequence.id,
    dueAt: sendAt.getTime(),
    leastGapMs: HOUR_MS * Math.min(minStepDelayHours, step.triggerDelayHours ?? sequence.triggerDelayHours),
    paceMs: SEND_MS + ((sequence.minDelaySeconds + sequence.maxDelaySeconds) / 2) * SECOND_MS,
    openings: openings.get(sequence.id) ?? [],
    isScheduled: sequence.scheduleTime !== null,
  }));
}
