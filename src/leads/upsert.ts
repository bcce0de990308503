import { idempotent } from "../access/idempotency.ts";
import type { Tx } from "../db/workspace.ts";
import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import { checkLead, type LeadChanges, type LeadInput } from "./input.ts";
import type { OptOutHash } from "./screen.ts";
import {
  applyChanges, defaultCountryOf, insertLeads, lockByPhone, lockDevices, newLead, noSuchDevice, updateLeads, type Lead, type NumberDeps, type LeadFields,
} from "./write.ts";

export type UpsertedLeads = {
  /** Ids in the order of the input; null where that row was refused. */
  readonly leads: readonly (string | null)[];
  readonly created: number;
  /** Rows whose lead existed, also where an earlier row of the same call had made it. */
  readonly updated: number;
  readonly errors: readonly UserError[];
};

const MAX_UPSERTED = 1000;

type Row = { readonly index: number; readonly phone: string; readonly changes: LeadChanges };

/** Creates or updates by phone, row by row: a row that is refused keeps no other from being written. */
export async function upsertLeads(
  { db, bell, optOutHash }: NumberDeps,
  input: readonly LeadInput[],
  idempotencyKey?: string | null,
): Promise<Result<UpsertedLeads>> {
  if (input.length > MAX_UPSERTED) {
    const most = `at most ${MAX_UPSERTED} are taken. For more, send a CSV file to POST /imports/leads.`;
    return refused({ code: "LIMIT_EXCEEDED", message: `${input.length} leads are too many for one call; ${most}`, field: ["input"] });
  }
  const call = { key: idempotencyKey, operation: "upsertLeads", input };
  const upserted = await db.write((tx) => idempotent(tx, call, () => upsert(tx, optOutHash, db.id, input)));
  if (upserted.ok) bell.ring("enrollment");
  return upserted;
}

async function upsert(tx: Tx, optOutHash: OptOutHash, workspaceId: string, input: readonly LeadInput[]): Promise<Result<UpsertedLeads>> {
  const country = await defaultCountryOf(tx, workspaceId);
  const errors: UserError[] = [];
  const checked = input.flatMap((lead, index): Row[] => {
    const path = pathOf(index);
    const result = checkLead(lead, country, path);
    if (!result.ok) errors.push(...result.errors);
    else if (result.value.phone === undefined) errors.push(invalid("A lead needs a phone number, such as +60123456789.", ...path, "phone"));
    else return [{ index, phone: result.value.phone, changes: result.value }];
    return [];
  });
  const devices = await lockDevices(tx, workspaceId, checked.flatMap(({ changes }) => changes.preferredDeviceId ?? []));
  const rows = checked.filter(({ index, changes: { preferredDeviceId } }) => {
    if (preferredDeviceId == null || devices.has(preferredDeviceId)) return true;
    errors.push(noSuchDevice(preferredDeviceId, pathOf(index)));
    return false;
  });

  const ids: (string | null)[] = input.map(() => null);
  let created = 0;
  let waiting = Map.groupBy(rows, ({ phone }) => phone);
  // A second time only for leads that another transaction made between our look and our insert.
  while (waiting.size > 0) {
    const written = await writeOnce(tx, optOutHash, workspaceId, waiting);
    for (const { index, id } of written.accepted) ids[index] = id;
    errors.push(...written.errors);
    created += written.created;
    waiting = written.missed;
  }
  const accepted = ids.filter((id) => id !== null).length;
  return ok({ leads: ids, created, updated: accepted - created, errors: errors.toSorted((a, b) => indexOf(a) - indexOf(b)) });
}

type Written = {
  readonly accepted: readonly { index: number; id: string }[];
  readonly created: number;
  readonly errors: readonly UserError[];
  readonly missed: Map<string, Row[]>;
};

async function writeOnce(tx: Tx, optOutHash: OptOutHash, workspaceId: string, byPhone: Map<string, Row[]>): Promise<Written> {
  const present = new Map((await lockByPhone(tx, workspaceId, [...byPhone.keys()])).map((lead) => [lead.phone, lead]));
  const merged = [...byPhone].map(([phone, rows]) => merge(present.get(phone) ?? newLead(phone), rows));
  const [existing, fresh] = [merged.filter(isStored), merged.filter((lead) => !isStored(lead) && lead.accepted.length > 0)];
  await updateLeads(tx, workspaceId, existing.map(({ lead }) => lead));
  const inserted = new Map((await insertLeads(tx, optOutHash, workspaceId, fresh.map(({ lead }) => lead))).map(({ id, phone }) => [phone, id]));
  const missed = fresh.filter(({ lead }) => !inserted.has(lead.phone)).map(({ lead }) => lead.phone);
  const done = merged.filter(({ lead }) => !missed.includes(lead.phone));
  return {
    accepted: done.flatMap(({ lead, accepted }) => accepted.map((index) => ({ index, id: idOf(lead) ?? inserted.get(lead.phone) ?? "" }))),
    created: inserted.size,
    errors: done.flatMap((lead) => lead.errors),
    missed: new Map(missed.map((phone) => [phone, byPhone.get(phone) ?? []])),
  };
}

type Merged<T extends LeadFields = LeadFields> = {
  readonly lead: T;
  /** Indexes of the rows that it is made of. */
  readonly accepted: readonly number[];
  readonly errors: readonly UserError[];
};

/** All rows of one phone, in their order. */
function merge(start: LeadFields | Lead, rows: readonly Row[]): Merged {
  let lead = start;
  const accepted: number[] = [];
  const errors: UserError[] = [];
  for (const { index, changes } of rows) {
    const result = applyChanges(lead, isOptedOut(lead) ? withoutRevival(changes) : changes, pathOf(index));
    if (!result.ok) {
      errors.push(...result.errors);
      continue;
    }
    lead = result.value;
    accepted.push(index);
  }
  return { lead, accepted, errors };
}

/** What a list says of triggers and consent may be older than the opt-out. */
function withoutRevival({ trigger: _trigger, consent: _consent, ...rest }: LeadChanges): LeadChanges {
  return rest;
}

const isOptedOut = (lead: LeadFields | Lead): boolean => "optedOutAt" in lead && lead.optedOutAt !== null;

const idOf = (lead: LeadFields | Lead): string | undefined => ("id" in lead ? lead.id : undefined);

const isStored = (merged: Merged): merged is Merged<Lead> => idOf(merged.lead) !== undefined;

const pathOf = (index: number): string[] => ["input", String(index)];

const indexOf = ({ field }: UserError): number => Number(field?.[1]);
