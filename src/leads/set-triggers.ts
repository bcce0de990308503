import { sql, type SQL } from "drizzle-orm";
import { idempotent } from "../access/idempotency.ts";
import type { Tx } from "../db/workspace.ts";
import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import { leadConditions, type LeadFilter } from "./filter.ts";
import { joinTriggers, parseTriggers } from "./triggers.ts";
import type { LeadDeps } from "./write.ts";

export const TRIGGER_MODES = ["SET", "ADD", "REMOVE"] as const;
type TriggerMode = (typeof TRIGGER_MODES)[number];

export type TriggerChange = { readonly filter: LeadFilter; readonly triggers: readonly string[]; readonly mode: TriggerMode };

const MAX_STORED_LENGTH = 1000;

type Affected = { readonly affected: number };

/** How many leads were really changed. One statement, however many leads match. */
export async function setLeadTriggers({ db, bell }: LeadDeps, change: TriggerChange, idempotencyKey?: string | null): Promise<Result<Affected>> {
  const changed = await db.write((tx) =>
    idempotent(tx, { key: idempotencyKey, operation: "setLeadTriggers", input: change }, () => set(tx, db.id, change)),
  );
  if (changed.ok) bell.ring("enrollment");
  return changed;
}

async function set(tx: Tx, workspaceId: string, { filter, triggers, mode }: TriggerChange): Promise<Result<Affected>> {
  const joined = joinTriggers(triggers, "triggers");
  const conditions = await leadConditions(tx, workspaceId, filter);
  if (!joined.ok) return joined;
  if (!conditions.ok) return conditions;
  if (joined.value === "" && mode !== "SET") return refused(invalid(`Name at least one trigger to ${mode.toLowerCase()}.`, "triggers"));
  const words = sql`${sql.param(parseTriggers(triggers))}::text[]`;
  const { value, differs } = change(mode, joined.value, words);
  if (mode === "ADD") {
    const full = await tx.execute<{ phone: string }>(
      sql`SELECT phone FROM leads WHERE ${conditions.value} AND ${differs} AND length(${value}) > ${MAX_STORED_LENGTH} LIMIT 1`,
    );
    const [first] = full.rows;
    if (first) {
      const message = `The lead +${first.phone} would carry more than ${MAX_STORED_LENGTH} characters of triggers; remove some from it first.`;
      return refused({ code: "LIMIT_EXCEEDED", message, field: ["triggers"] });
    }
  }
  const written = await tx.execute(sql`UPDATE leads SET trigger = ${value} WHERE ${conditions.value} AND ${differs}`);
  return ok({ affected: written.rowCount ?? 0 });
}

/** The new list as one expression on the stored one, never read and written back: what an ending enrolment takes off in the meantime
 *  stays off. `differs` keeps leads that have it already from being written. */
function change(mode: TriggerMode, text: string, words: SQL): { value: SQL; differs: SQL } {
  switch (mode) {
    case "SET":
      return { value: sql`${text || null}::text`, differs: sql`trigger_words(leads.trigger) <> ${words}` };
    case "ADD":
      return {
        value: sql`concat_ws(',', nullif(leads.trigger, ''), without_triggers(${text}, trigger_words(leads.trigger)))`,
        differs: sql`NOT trigger_words(leads.trigger) @> ${words}`,
      };
    case "REMOVE":
      return {
        value: sql`without_triggers(leads.trigger, ${words})`,
        differs: sql`leads.trigger IS NOT NULL AND trigger_words(leads.trigger) && ${words}`,
      };
  }
}
