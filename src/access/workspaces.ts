import { and, eq, isNotNull, sql } from "drizzle-orm";
import { isSupportedCountry } from "libphonenumber-js/min";
import type { Cache } from "../cache/cache.ts";
import { isOneOf } from "../db/ids.ts";
import { sequences } from "../db/tables/sequences.ts";
import { workspaces } from "../db/tables/workspaces.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { holdBack } from "../devices/hold-back.ts";
import { written as devicesWritten } from "../devices/service.ts";
import type { Bell } from "../events/bell.ts";
import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import { checkGreetings, formOfAddressProblem, type Greeting } from "../messages/greeting.ts";
import { checkStopWords } from "../replies/stop-words.ts";
import { areQuietThroughout, shownTime, type QuietHours } from "../sequences/schedule.ts";

export type Workspace = typeof workspaces.$inferSelect;

/** At most so many messages to a person in any so many hours. */
export type FrequencyCap = { readonly messages: number; readonly hours: number };

/** The caller's own, or none. */
export const workspacesById = (db: WorkspaceDb, ids: readonly string[]): Promise<Workspace[]> =>
  db.read((tx) =>
    tx
      .select()
      .from(workspaces)
      .where(and(eq(workspaces.id, db.id), isOneOf(workspaces.id, ids)))
      .prepare("workspaces_by_id")
      .execute(),
  );

type Optional<T> = T | null | undefined;

/** Null takes away quietHours, frequencyCap, hourlyCeiling, maxSendingDevices and stopConfirmation. */
export type WorkspaceChange = {
  readonly name?: Optional<string>;
  readonly timeZone?: Optional<string>;
  readonly defaultCountry?: Optional<string>;
  readonly quietHours?: Optional<QuietHours>;
  readonly frequencyCap?: Optional<FrequencyCap>;
  readonly hourlyCeiling?: Optional<number>;
  /** Null: all devices send. */
  readonly maxSendingDevices?: Optional<number>;
  readonly enrollmentPercent?: Optional<number>;
  readonly requireConsent?: Optional<boolean>;
  readonly stopWords?: Optional<readonly string[]>;
  readonly stopConfirmation?: Optional<string>;
  readonly greetings?: Optional<readonly Greeting[]>;
  readonly formOfAddress?: Optional<string>;
};

type WorkspaceWrites = { readonly db: WorkspaceDb; readonly bell: Bell; readonly cache: Cache };

export async function updateWorkspace({ db, bell, cache }: WorkspaceWrites, change: WorkspaceChange): Promise<Result<string>> {
  const stopWords = change.stopWords == null ? undefined : checkStopWords(change.stopWords, "input", "stopWords");
  const greetings = change.greetings == null ? undefined : checkGreetings(change.greetings, "input", "greetings");
  const refusals = [stopWords, greetings].flatMap((checked) => (checked?.ok === false ? checked.errors : []));
  const problems = [...workspaceProblems(change), ...refusals];
  if (problems.length > 0) return refused(...problems);
  const { name, timeZone, defaultCountry, quietHours, frequencyCap, hourlyCeiling, maxSendingDevices, enrollmentPercent, requireConsent, stopConfirmation, formOfAddress } = change;
  const values = {
    ...(name != null && { name: name.trim() }),
    ...(timeZone != null && { timeZone }),
    ...(defaultCountry != null && { defaultCountry }),
    ...(frequencyCap !== undefined && { capMessages: frequencyCap?.messages ?? null, capHours: frequencyCap?.hours ?? null }),
    ...(hourlyCeiling !== undefined && { hourlyCeiling }),
    ...(maxSendingDevices !== undefined && { maxSendingDevices }),
    ...(enrollmentPercent != null && { enrollmentPercent }),
    ...(requireConsent != null && { requireConsent }),
    ...(stopWords?.ok && { stopWords: stopWords.value }),
    ...(greetings?.ok && { greetings: greetings.value }),
    ...(formOfAddress != null && { formOfAddress: formOfAddress.trim() }),
    ...(stopConfirmation !== undefined && { stopConfirmation: stopConfirmation?.trim() || null }),
    // Whether a sequence is in order depends on them: they are reviewed anew.
    ...(quietHours !== undefined && {
      quietStart: quietHours?.start ?? null,
      quietEnd: quietHours?.end ?? null,
      graphRevision: sql`${workspaces.graphRevision} + 1`,
    }),
  };
  const result = await db.write(async (tx) => {
    if (Object.keys(values).length > 0) await tx.update(workspaces).set(values).where(eq(workspaces.id, db.id));
    if (maxSendingDevices !== undefined) await holdBack(tx, db.id);
    // Under the workspace's lock, which a change of a sequence takes too.
    const silenced = quietHours ? await silencedSequence(tx, db.id, quietHours) : undefined;
    return silenced ? refused(silenced) : ok(db.id);
  });
  if (result.ok && (quietHours !== undefined || requireConsent === false || enrollmentPercent != null)) bell.ring("enrollment");
  if (result.ok && maxSendingDevices !== undefined) devicesWritten({ db, bell, cache });
  return result;
}

/** Lets first contacts go on that the dispatcher has held. It holds them again only when another device becomes restricted. */
export async function releaseFirstContacts({ db, bell }: WorkspaceWrites): Promise<Result<string>> {
  const result = await db.write(async (tx) => {
    await tx
      .update(workspaces)
      .set({ firstContactsHeldAt: null, firstContactsReleasedAt: sql`clock_timestamp()` })
      .where(and(eq(workspaces.id, db.id), isNotNull(workspaces.firstContactsHeldAt)));
    return ok(db.id);
  });
  if (result.ok) bell.ring("devices"); // the dispatcher looks for work at once
  return result;
}

/** An active sequence that could never send again. */
async function silencedSequence(tx: Tx, workspaceId: string, quietHours: QuietHours): Promise<UserError | undefined> {
  const scheduled = await tx
    .select({ name: sequences.name, time: sequences.scheduleTime, minutes: sequences.scheduleToleranceMinutes })
    .from(sequences)
    .where(and(eq(sequences.workspaceId, workspaceId), eq(sequences.status, "ACTIVE"), isNotNull(sequences.scheduleTime)));
  const silenced = scheduled.find(({ time, minutes }) => time !== null && areQuietThroughout(time, minutes, quietHours));
  if (!silenced?.time) return undefined;
  const window = `The active sequence '${silenced.name}' sends from ${shownTime(silenced.time)} on for ${silenced.minutes} minutes`;
  const message = `${window}, all of which would be quiet; choose other hours, or change or pause the sequence first.`;
  return { code: "CONFLICT", message, field: ["input", "quietHours"] };
}

const MAX_NAME_LENGTH = 200;
const MAX_CONFIRMATION_LENGTH = 1000;

const LEAST = 1;
const MAX_CAP_MESSAGES = 100;
const MAX_CAP_HOURS = 8760;

/** What is wrong with what is given, each with what would be right. */
export function workspaceProblems({ name, timeZone, defaultCountry, quietHours, frequencyCap, hourlyCeiling, maxSendingDevices, enrollmentPercent, stopWords, stopConfirmation, greetings, formOfAddress }: WorkspaceChange): UserError[] {
  const problems: UserError[] = [];
  if (name !== undefined && (name === null || name.trim() === "" || name.trim().length > MAX_NAME_LENGTH)) {
    problems.push(invalid(`A workspace's name must have 1 to ${MAX_NAME_LENGTH} characters.`, "input", "name"));
  }
  if (timeZone === null) problems.push(invalid("timeZone cannot be cleared; leave it out to keep it as it is.", "input", "timeZone"));
  if (defaultCountry !== undefined && (defaultCountry === null || !isSupportedCountry(defaultCountry))) {
    const message = `"${defaultCountry?.slice(0, 10)}" is no country with phone numbers; write its ISO 3166-1 code in capitals, such as MY.`;
    problems.push(invalid(message, "input", "defaultCountry"));
  }
  if (quietHours && quietHours.start === quietHours.end) {
    const message = `Quiet hours from ${quietHours.start} to ${quietHours.end} are none, or all day; choose an end that differs, or null for none.`;
    problems.push(invalid(message, "input", "quietHours", "end"));
  }
  if (frequencyCap) {
    problems.push(...countProblem("The cap's number of messages", frequencyCap.messages, MAX_CAP_MESSAGES, "frequencyCap", "messages"));
    problems.push(...countProblem("The cap's number of hours", frequencyCap.hours, MAX_CAP_HOURS, "frequencyCap", "hours"));
  }
  if (hourlyCeiling != null && hourlyCeiling < LEAST) {
    problems.push(invalid(`hourlyCeiling must be at least ${LEAST}, not ${hourlyCeiling}; null takes it away.`, "input", "hourlyCeiling"));
  }
  if (maxSendingDevices != null && maxSendingDevices < 0) {
    problems.push(invalid(`maxSendingDevices must be 0 or more, not ${maxSendingDevices}; null lets all devices send.`, "input", "maxSendingDevices"));
  }
  if (enrollmentPercent != null && !(enrollmentPercent >= 0 && enrollmentPercent <= 100)) {
    problems.push(invalid(`enrollmentPercent must be from 0 to 100, not ${enrollmentPercent}.`, "input", "enrollmentPercent"));
  }
  for (const [field, value] of Object.entries({ enrollmentPercent, stopWords, greetings, formOfAddress })) {
    if (value === null) problems.push(invalid(`${field} cannot be cleared; leave it out to keep it as it is.`, "input", field));
  }
  const address = formOfAddress == null ? undefined : formOfAddressProblem(formOfAddress);
  if (address) problems.push(invalid(address, "input", "formOfAddress"));
  const confirmationLength = stopConfirmation?.trim().length ?? 0;
  if (confirmationLength > MAX_CONFIRMATION_LENGTH) {
    const message = `The confirmation has ${confirmationLength} characters; at most ${MAX_CONFIRMATION_LENGTH.toLocaleString("en")} are allowed.`;
    problems.push(invalid(message, "input", "stopConfirmation"));
  }
  return problems;
}

const countProblem = (what: string, count: number, most: number, ...field: string[]): UserError[] =>
  count >= LEAST && count <= most ? [] : [invalid(`${what} must be from ${LEAST} to ${most.toLocaleString("en")}, not ${count}.`, "input", ...field)];
