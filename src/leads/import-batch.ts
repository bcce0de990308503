// Some rows of an import, written with one statement. An empty cell leaves what the lead has. The triggers of a row are added to the lead's:
// a file never takes one away. Whoever has opted out keeps triggers and consent as they are, for the list may be older than the opt-out.

import { sql, type SQL } from "drizzle-orm";
import type { Tx } from "../db/workspace.ts";
import { ok, refused, type Result } from "../lib/errors.ts";
import { excerpt, storable } from "../lib/text.ts";
import { readRow, type Columns, type ImportedLead, type RowDefaults } from "./csv.ts";
import type { RawRow } from "./csv-stream.ts";
import { MAX_ATTRIBUTES, MAX_ATTRIBUTES_BYTES, mergeAttributes } from "./input.ts";
import { type OptOutHash, restoreOptOuts } from "./screen.ts";
import { joinTriggers } from "./triggers.ts";

const BATCH_ROWS = 2000;
/** Rows can be 64 KB long: two thousand of those, several times over as text, JSON and a statement, would take the memory of the whole process. */
const BATCH_LENGTH = 2_000_000;
const MAX_TRIGGERS_LENGTH = 1000;

export type Reject = { readonly line: number; readonly reason: string; readonly raw: string };

type Merged = { readonly lead: ImportedLead; readonly rows: readonly RawRow[] };

export type Batch = {
  add(row: RawRow): void;
  reject(reject: Reject): void;
  readonly isFull: () => boolean;
  readonly isEmpty: () => boolean;
  readonly rowsRead: () => number;
  readonly leads: () => readonly Merged[];
  readonly rejects: () => readonly Reject[];
};

/** Gathers rows; those of one phone become one. */
export function createBatch(columns: Columns, defaults: RowDefaults): Batch {
  const byPhone = new Map<string, Merged>();
  const rejects: Reject[] = [];
  let rowsRead = 0;
  let length = 0;
  const reject = (reject: Reject) => {
    rowsRead++;
    rejects.push(reject);
  };
  return {
    add(row) {
      length += row.raw.length;
      const read = readRaw(columns, row, defaults);
      const merged = read.ok ? mergeInto(byPhone.get(read.lead.phone), read.lead, row) : read;
      if (!merged.ok) return reject(rejected(row, merged.reason));
      rowsRead++;
      byPhone.set(merged.value.lead.phone, merged.value);
    },
    reject,
    isFull: () => rowsRead >= BATCH_ROWS || length >= BATCH_LENGTH,
    isEmpty: () => rowsRead === 0,
    rowsRead: () => rowsRead,
    // In the order of their phones, as everywhere: two imports of the same people then wait for one another and do not deadlock.
    leads: () => [...byPhone.values()].toSorted((a, b) => (a.lead.phone < b.lead.phone ? -1 : 1)),
    rejects: () => rejects,
  };
}

export const rejected = ({ line, raw }: Pick<RawRow, "line" | "raw">, reason: string): Reject => ({
  line,
  reason: storable(reason),
  raw: storable(raw),
});

function readRaw(columns: Columns, row: RawRow, defaults: RowDefaults) {
  if (!row.hasStrayQuote) return readRow(columns, row.cells, defaults);
  const right = "close it, or write it twice where it belongs to the text";
  return { ok: false, reason: `A quote is opened here and not closed before the end of the line; ${right}` } as const;
}

type MergeResult = { readonly ok: true; readonly value: Merged } | { readonly ok: false; readonly reason: string };

/** What a later row says holds; what it leaves empty stays as the earlier one had it. */
function mergeInto(before: Merged | undefined, lead: ImportedLead, row: RawRow): MergeResult {
  const attributes = mergeAttributes(before?.lead.attributes ?? {}, lead.attributes, []);
  if (!attributes.ok) return { ok: false, reason: attributes.errors[0]?.message ?? "" };
  if (!before) return { ok: true, value: { lead, rows: [row] } };
  const triggers = [...new Set([...before.lead.triggers, ...lead.triggers])];
  const joined = joinTriggers(triggers);
  if (!joined.ok) return { ok: false, reason: joined.errors[0]?.message ?? "" };
  const earlier = before.lead;
  const merged: ImportedLead = {
    phone: lead.phone,
    name: lead.name ?? earlier.name,
    niche: lead.niche ?? earlier.niche,
    triggers,
    timeZone: lead.timeZone ?? earlier.timeZone,
    consentSource: lead.consentSource ?? earlier.consentSource,
    consentAt: lead.consentSource === null ? earlier.consentAt : lead.consentAt,
    attributes: attributes.value as Record<string, string>,
  };
  return { ok: true, value: { lead: merged, rows: [...before.rows, row] } };
}

const newTriggers = sql`without_triggers(excluded.trigger, trigger_words(leads.trigger))`;
const allTriggers = sql`concat_ws(',', nullif(leads.trigger, ''), ${newTriggers})`;
const agreed = (column: SQL) => sql`CASE WHEN leads.opted_out_at IS NULL THEN coalesce(excluded.${column}, leads.${column}) ELSE leads.${column} END`;
const allAttributes = sql`leads.attributes || excluded.attributes`;

type WrittenLeads = {
  readonly created: number;
  /** Phones of leads that exist and cannot take more. */
  readonly refused: readonly string[];
};

async function writeLeads(tx: Tx, workspaceId: string, importId: string, leads: readonly Merged[]): Promise<WrittenLeads> {
  if (leads.length === 0) return { created: 0, refused: [] };
  const given = leads.map(({ lead: { triggers, ...rest } }) => ({ ...rest, trigger: triggers.length > 0 ? triggers.join(",") : null }));
  const { rows } = await tx.execute<{ created: number; refused: string[] }>(sql`
    WITH given AS MATERIALIZED (
      SELECT * FROM json_to_recordset(${JSON.stringify(given)}::json)
        AS g (phone text, name text, niche text, trigger text, attributes jsonb, "timeZone" text,
              "consentSource" text, "consentAt" timestamptz)),
    written AS (
      INSERT INTO leads (workspace_id, import_id, phone, name, niche, trigger, attributes, time_zone, consent_source, consent_at)
      SELECT ${workspaceId}::uuid, ${importId}::uuid, phone, name, niche, trigger, attributes, "timeZone", "consentSource", "consentAt"
        FROM given
          ON CONFLICT (workspace_id, phone) DO UPDATE
         SET import_id = excluded.import_id, name = coalesce(excluded.name, leads.name), niche = coalesce(excluded.niche, leads.niche),
             time_zone = coalesce(excluded.time_zone, leads.time_zone), attributes = ${allAttributes},
             trigger = CASE WHEN leads.opted_out_at IS NOT NULL OR excluded.trigger IS NULL OR excluded.trigger = leads.trigger
                            THEN leads.trigger ELSE ${allTriggers} END,
             consent_source = ${agreed(sql`consent_source`)}, consent_at = ${agreed(sql`consent_at`)}
       WHERE (leads.opted_out_at IS NOT NULL OR leads.trigger IS NULL OR excluded.trigger IS NULL
              OR length(leads.trigger) + length(excluded.trigger) < ${MAX_TRIGGERS_LENGTH}      -- spares most rows the exact, slower look
              OR length(${allTriggers}) <= ${MAX_TRIGGERS_LENGTH})
         AND (leads.attributes = '{}' OR excluded.attributes = '{}'
              OR ((SELECT count(*) FROM jsonb_object_keys(${allAttributes})) <= ${MAX_ATTRIBUTES}
                  AND octet_length((${allAttributes})::text) <= ${MAX_ATTRIBUTES_BYTES}))
      RETURNING phone, xmax = 0 AS is_new)                                                       -- an updated row has our lock in its xmax
    SELECT count(*) FILTER (WHERE is_new)::int AS created,
           (SELECT coalesce(array_agg(phone), '{}') FROM given g
             WHERE NOT EXISTS (SELECT FROM written w WHERE w.phone = g.phone)) AS refused
      FROM written`);
  return rows[0] ?? { created: 0, refused: [] };
}

const FULL =
  `The lead would carry more than ${MAX_TRIGGERS_LENGTH} characters of triggers, or more than ${MAX_ATTRIBUTES} attributes or ` +
  `${MAX_ATTRIBUTES_BYTES} bytes of them; remove some first`;

/** Writes the batch and the import's progress, or neither: the counts are true at every moment. Refused where the import is running no
 *  more. */
export async function writeBatch(tx: Tx, optOutHash: OptOutHash, workspaceId: string, importId: string, batch: Batch, bytesRead: number): Promise<Result<null>> {
  const leads = batch.leads();
  const { created, refused: full } = await writeLeads(tx, workspaceId, importId, leads);
  await restoreOptOuts(tx.$client, optOutHash, workspaceId, leads.map(({ lead }) => lead.phone));
  const refusedPhones = new Set(full);
  const tooFull = leads.filter(({ lead }) => refusedPhones.has(lead.phone)).flatMap(({ rows }) => rows.map((row) => rejected(row, FULL)));
  const rejects = [...batch.rejects(), ...tooFull].toSorted((a, b) => a.line - b.line);
  await writeRejects(tx, workspaceId, importId, rejects);
  const updated = batch.rowsRead() - rejects.length - created;
  const { rowCount } = await tx.execute(sql`
    UPDATE lead_imports
       SET bytes_read = ${bytesRead}, rows_read = rows_read + ${batch.rowsRead()}, rows_created = rows_created + ${created},
           rows_updated = rows_updated + ${updated}, rows_rejected = rows_rejected + ${rejects.length}, progress_at = clock_timestamp()
     WHERE workspace_id = ${workspaceId} AND id = ${importId} AND status = 'RUNNING'`);
  return rowCount === 1 ? ok(null) : refused({ code: "INVALID_STATE", message: `The import ${excerpt(importId, 40)} is running no more.` });
}

async function writeRejects(tx: Tx, workspaceId: string, importId: string, rejects: readonly Reject[]): Promise<void> {
  if (rejects.length === 0) return;
  await tx.execute(sql`
    INSERT INTO lead_import_rejects (workspace_id, import_id, line, reason, raw)
    SELECT ${workspaceId}::uuid, ${importId}::uuid, line, reason, raw
      FROM json_to_recordset(${JSON.stringify(rejects)}::json) AS r (line int, reason text, raw text)`);
}
