// Opting out and in. An opt-out is final until the person agrees again with a stated source.

import { and, eq, sql } from "drizzle-orm";
import { skipCampaignsOf } from "../campaigns/opt-out.ts";
import { enrollmentQueue, leads } from "../db/tables/leads.ts";
import type { Tx } from "../db/workspace.ts";
import { DAY_MS } from "../lib/clock.ts";
import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import { openEnrollmentsOf, stopEnrollments } from "../sequences/stop.ts";
import { checkConsent, type Consent } from "./input.ts";
import { noSuchLead } from "./service.ts";
import { parseTriggers } from "./triggers.ts";
import { lockById, type LeadDeps } from "./write.ts";

const MAX_REASON_LENGTH = 500;

/** From the moment this has committed the lead, nothing is attempted for it any more. Who has opted out already stays so, as of then. */
export async function optOutLead({ db, bell }: LeadDeps, id: string, reason: string | null): Promise<Result<string>> {
  const trimmed = reason?.trim() || null;
  if (trimmed !== null && trimmed.length > MAX_REASON_LENGTH) {
    return refused(invalid(`The reason has ${trimmed.length} characters; at most ${MAX_REASON_LENGTH} are allowed.`, "reason"));
  }
  // On the lead alone: a transaction that also waited for the lead's flows would let messages go out while it waits.
  const optedOut = await db.write((tx) => writeOptOut(tx, db.id, id, trimmed));
  if (!optedOut.ok) return optedOut;
  // What is left undone where the process dies here is done by the dispatcher, which skips the flows of those who have opted out.
  await db.write(async (tx) => ok(await stopEnrollments(tx.$client, await openEnrollmentsOf(tx.$client, id), "OPTED_OUT")));
  await db.write(async (tx) => ok(await skipCampaignsOf(tx.$client, [id])));
  bell.ring("events");
  return ok(id);
}

async function writeOptOut(tx: Tx, workspaceId: string, id: string, reason: string | null): Promise<Result<null>> {
  const lead = await lockById(tx, workspaceId, id);
  if (!lead) return refused(noSuchLead(id, "id"));
  if (lead.optedOutAt) return ok(null);
  await tx.update(leads).set({ optedOutAt: sql`clock_timestamp()`, optOutReason: reason }).where(one(workspaceId, id));
  return ok(null);
}

/** The triggers that the lead carries enrol it now. */
export async function optInLead({ db, bell }: LeadDeps, id: string, consent: Consent): Promise<Result<string>> {
  const checked = checkConsent(consent, ["consent"]);
  if (!checked.ok) return checked;
  const optedIn = await db.write((tx) => writeOptIn(tx, db.id, id, checked.value));
  if (optedIn.ok) bell.ring("enrollment");
  return optedIn;
}

async function writeOptIn(tx: Tx, workspaceId: string, id: string, { source, at }: Consent): Promise<Result<string>> {
  const lead = await lockById(tx, workspaceId, id);
  if (!lead) return refused(noSuchLead(id, "id"));
  const { optedOutAt } = lead;
  if (!optedOutAt) {
    return refused({ code: "INVALID_STATE", message: "This person has not opted out. Consent is recorded with updateLead.", field: ["id"] });
  }
  if (at <= optedOutAt) {
    const message = `This person opted out at ${optedOutAt.toISOString()}; say when they agreed again since then.`;
    return refused(invalid(message, "consent", "at"));
  }
  const clock = await tx.execute<{ ms: number }>(sql`SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms`);
  // A day of grace: a date without a time, from a zone ahead of ours, lies in the future for some hours.
  if (at.getTime() > (clock.rows[0]?.ms ?? 0) + DAY_MS) {
    return refused(invalid("The time of the consent lies in the future.", "consent", "at"));
  }
  await tx.update(leads).set({ optedOutAt: null, optOutReason: null, consentSource: source, consentAt: at }).where(one(workspaceId, id));
  const words = parseTriggers(lead.trigger ?? "");
  // They were looked at and left alone while the person had opted out; nothing else would look at them again.
  if (words.length > 0) await tx.insert(enrollmentQueue).values(words.map((trigger) => ({ workspaceId, leadId: id, trigger })));
  return ok(id);
}

const one = (workspaceId: string, id: string) => and(eq(leads.workspaceId, workspaceId), eq(leads.id, id));
