// Leads as they are stored: read for a change, changed, and written, many with one statement.

import { and, asc, eq, inArray, sql } from "drizzle-orm";
import { devices } from "../db/tables/devices.ts";
import { leads } from "../db/tables/leads.ts";
import { workspaces } from "../db/tables/workspaces.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import type { Bell } from "../events/bell.ts";
import { ok, type Result, type UserError } from "../lib/errors.ts";
import { mergeAttributes, type LeadChanges } from "./input.ts";
import { type OptOutHash, restoreOptOuts } from "./screen.ts";

/** What changing leads needs. */
export type LeadDeps = { readonly db: WorkspaceDb; readonly bell: Bell };

/** What writing or removing their numbers needs, too. */
export type NumberDeps = LeadDeps & { readonly optOutHash: OptOutHash };

export type Lead = typeof leads.$inferSelect;

/** The part of a lead that callers write. */
export type LeadFields = Pick<
  Lead,
  "phone" | "name" | "niche" | "trigger" | "attributes" | "timeZone" | "preferredDeviceId" | "consentSource" | "consentAt"
>;

export const newLead = (phone: string): LeadFields => ({
  phone,
  name: null,
  niche: null,
  trigger: null,
  attributes: {},
  timeZone: null,
  preferredDeviceId: null,
  consentSource: null,
  consentAt: null,
});

/** `lead` after the changes. `path` leads to the input. */
export function applyChanges<T extends LeadFields>(lead: T, changes: LeadChanges, path: readonly string[]): Result<T> {
  const { consent, attributes, ...plain } = changes;
  const merged = attributes === undefined ? ok(lead.attributes) : mergeAttributes(lead.attributes, attributes, [...path, "attributes"]);
  if (!merged.ok) return merged;
  const agreed = consent === undefined ? {} : { consentSource: consent?.source ?? null, consentAt: consent?.at ?? null };
  return ok({ ...lead, ...plain, ...agreed, attributes: merged.value });
}

/** The country in which national phone numbers are read. */
export async function defaultCountryOf(tx: Tx, workspaceId: string): Promise<string> {
  const [workspace] = await tx.select({ country: workspaces.defaultCountry }).from(workspaces).where(eq(workspaces.id, workspaceId));
  if (!workspace) throw new Error(`there is no workspace ${workspaceId}`);
  return workspace.country;
}

/** Those of the ids that are devices; they cannot be deleted before this transaction has ended. */
export async function lockDevices(tx: Tx, workspaceId: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const found = await tx
    .select({ id: devices.id })
    .from(devices)
    .where(and(eq(devices.workspaceId, workspaceId), inArray(devices.id, [...new Set(ids)])))
    .orderBy(asc(devices.id))
    .for("key share");
  return new Set(found.map(({ id }) => id));
}

export const noSuchDevice = (id: string, path: readonly string[]): UserError => ({
  code: "NOT_FOUND",
  message: `There is no device Device:${id}; the query devices lists them.`,
  field: [...path, "preferredDeviceId"],
});

/** The leads with these phones, locked. In the order of their phones, as everywhere: two that lock many then wait and do not deadlock. */
export async function lockByPhone(tx: Tx, workspaceId: string, phones: readonly string[]): Promise<Lead[]> {
  return tx
    .select()
    .from(leads)
    .where(and(eq(leads.workspaceId, workspaceId), inArray(leads.phone, [...phones])))
    .orderBy(asc(leads.phone))
    .for("no key update");
}

export async function lockById(tx: Tx, workspaceId: string, id: string): Promise<Lead | undefined> {
  const [lead] = await tx.select().from(leads).where(and(eq(leads.workspaceId, workspaceId), eq(leads.id, id))).for("update");
  return lead;
}

const columns = sql`phone text, name text, niche text, trigger text, attributes jsonb, "timeZone" text, "preferredDeviceId" uuid,
  "consentSource" text, "consentAt" timestamptz`;

/** Makes leads that do not exist yet; one that another transaction has made in the meantime is left out of the answer. */
export async function insertLeads(tx: Tx, optOutHash: OptOutHash, workspaceId: string, rows: readonly LeadFields[]): Promise<{ id: string; phone: string }[]> {
  if (rows.length === 0) return [];
  const inserted = await tx.execute<{ id: string; phone: string }>(sql`
    INSERT INTO leads (workspace_id, phone, name, niche, trigger, attributes, time_zone, preferred_device_id, consent_source, consent_at)
    SELECT ${workspaceId}::uuid, phone, name, niche, trigger, attributes, "timeZone", "preferredDeviceId", "consentSource", "consentAt"
      FROM json_to_recordset(${JSON.stringify(rows)}::json) AS given (${columns})
     ORDER BY phone
        ON CONFLICT (workspace_id, phone) DO NOTHING
    RETURNING id, phone`);
  await restoreOptOuts(tx.$client, optOutHash, workspaceId, inserted.rows.map(({ phone }) => phone));
  return inserted.rows;
}

/** Writes leads that are locked. */
export async function updateLeads(tx: Tx, workspaceId: string, rows: readonly (LeadFields & { readonly id: string })[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.execute(sql`
    UPDATE leads l
       SET phone = given.phone, name = given.name, niche = given.niche, trigger = given.trigger, attributes = given.attributes,
           time_zone = "timeZone", preferred_device_id = "preferredDeviceId", consent_source = "consentSource", consent_at = "consentAt"
      FROM json_to_recordset(${JSON.stringify(rows)}::json) AS given (id uuid, ${columns})
     WHERE l.workspace_id = ${workspaceId}::uuid AND l.id = given.id`);
}
