import { and, eq } from "drizzle-orm";
import { idempotent } from "../access/idempotency.ts";
import { isOneOf } from "../db/ids.ts";
import { leads } from "../db/tables/leads.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import { checkLead, type LeadChanges, type LeadInput } from "./input.ts";
import { formatPhone } from "./phone.ts";
import { type OptOutHash, restoreOptOuts } from "./screen.ts";
import {
  applyChanges, defaultCountryOf, insertLeads, lockById, lockDevices, newLead, noSuchDevice, updateLeads, type Lead, type NumberDeps,
} from "./write.ts";

const PATH = ["input"];

export const noSuchLead = (id: string, ...field: string[]): UserError => ({
  code: "NOT_FOUND",
  message: `There is no lead Lead:${id}; the query leads lists them.`,
  field,
});

/** The id of the new lead. */
export async function createLead({ db, bell, optOutHash }: NumberDeps, input: LeadInput, idempotencyKey?: string | null): Promise<Result<string>> {
  const call = { key: idempotencyKey, operation: "createLead", input };
  const created = await db.write((tx) => idempotent(tx, call, () => insert(tx, optOutHash, db.id, input)));
  if (created.ok) bell.ring("enrollment");
  return created;
}

async function insert(tx: Tx, optOutHash: OptOutHash, workspaceId: string, input: LeadInput): Promise<Result<string>> {
  const checked = checkLead(input, await defaultCountryOf(tx, workspaceId), PATH);
  if (!checked.ok) return checked;
  const { phone } = checked.value;
  if (phone === undefined) return refused(invalid("A lead needs a phone number, such as +60123456789.", ...PATH, "phone"));
  const device = await checkDevice(tx, workspaceId, checked.value);
  if (!device.ok) return device;
  const lead = applyChanges(newLead(phone), checked.value, PATH);
  if (!lead.ok) return lead;
  const [created] = await insertLeads(tx, optOutHash, workspaceId, [lead.value]);
  return created ? ok(created.id) : refused(await taken(tx, workspaceId, phone));
}

/** What is left out stays as it is; null clears. */
export async function updateLead({ db, bell, optOutHash }: NumberDeps, id: string, input: LeadInput): Promise<Result<string>> {
  const updated = await db.write((tx) => update(tx, optOutHash, db.id, id, input));
  if (updated.ok) bell.ring("enrollment");
  return updated;
}

async function update(tx: Tx, optOutHash: OptOutHash, workspaceId: string, id: string, input: LeadInput): Promise<Result<string>> {
  const checked = checkLead(input, await defaultCountryOf(tx, workspaceId), PATH);
  if (!checked.ok) return checked;
  const device = await checkDevice(tx, workspaceId, checked.value);
  if (!device.ok) return device;
  const lead = await lockById(tx, workspaceId, id);
  if (!lead) return refused(noSuchLead(id, ...PATH, "id"));
  const changes = checked.value;
  const bound = boundByOptOut(lead, changes);
  if (bound) return refused(bound);
  if (changes.phone !== undefined && changes.phone !== lead.phone) {
    const other = await leadByPhone(tx, workspaceId, changes.phone);
    if (other) return refused(await taken(tx, workspaceId, changes.phone));
  }
  const changed = applyChanges(lead, changes, PATH);
  if (!changed.ok) return changed;
  await updateLeads(tx, workspaceId, [changed.value]);
  if (changed.value.phone !== lead.phone) await restoreOptOuts(tx.$client, optOutHash, workspaceId, [changed.value.phone]);
  return ok(id);
}

/** An opt-out belongs to the number: freed, the number could be created anew and be written to again. */
function boundByOptOut(lead: Lead, changes: LeadChanges): UserError | undefined {
  if (!lead.optedOutAt) return undefined;
  if (changes.phone !== undefined && changes.phone !== lead.phone) {
    const message = "This person has opted out with this number, so it stays. Create another lead for the other number.";
    return { code: "SUPPRESSED", message, field: [...PATH, "phone"] };
  }
  if (changes.consent) {
    const message = "This person has opted out. Where they have agreed again since, say so with optInLead.";
    return { code: "SUPPRESSED", message, field: [...PATH, "consent"] };
  }
  return undefined;
}

async function checkDevice(tx: Tx, workspaceId: string, { preferredDeviceId }: LeadChanges): Promise<Result<null>> {
  if (preferredDeviceId == null) return ok(null);
  const found = await lockDevices(tx, workspaceId, [preferredDeviceId]);
  return found.has(preferredDeviceId) ? ok(null) : refused(noSuchDevice(preferredDeviceId, PATH));
}

async function taken(tx: Tx, workspaceId: string, phone: string): Promise<UserError> {
  const other = await leadByPhone(tx, workspaceId, phone);
  const message = `${formatPhone(phone)} belongs to the lead Lead:${other?.id ?? ""} already.`;
  return { code: "TAKEN", message: `${message} Change that one with updateLead, or use upsertLeads.`, field: [...PATH, "phone"] };
}

async function leadByPhone(tx: Tx, workspaceId: string, phone: string): Promise<Lead | undefined> {
  const [lead] = await tx.select().from(leads).where(and(eq(leads.workspaceId, workspaceId), eq(leads.phone, phone)));
  return lead;
}

export function leadsById(db: WorkspaceDb, ids: readonly string[]): Promise<Lead[]> {
  return db.read((tx) => tx.select().from(leads).where(and(eq(leads.workspaceId, db.id), isOneOf(leads.id, ids))).prepare("leads_by_id").execute());
}
