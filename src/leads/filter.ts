import { and, eq, gt, inArray, isNotNull, isNull, lt, sql, type SQL } from "drizzle-orm";
import { leads } from "../db/tables/leads.ts";
import type { Tx } from "../db/workspace.ts";
import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import { MAX_ATTRIBUTES_BYTES } from "./input.ts";
import { parsePhone } from "./phone.ts";
import type { Segment } from "./search.ts";
import { defaultCountryOf } from "./write.ts";

type Optional<T> = T | null | undefined;

/** All given conditions hold. Null is as good as left out. */
export type LeadFilter = {
  readonly ids?: Optional<readonly string[]>;
  readonly phones?: Optional<readonly string[]>;
  readonly niche?: Optional<readonly string[]>;
  readonly trigger?: Optional<string>;
  readonly optedOut?: Optional<boolean>;
  readonly hasReplied?: Optional<boolean>;
  readonly createdAfter?: Optional<Date>;
  readonly createdBefore?: Optional<Date>;
  readonly attributes?: Optional<Readonly<Record<string, unknown>>>;
  readonly importId?: Optional<string>;
  readonly sequenceId?: Optional<string>;
  /** With sequenceId. */
  readonly enrollmentStatus?: Optional<readonly string[]>;
  readonly hasConsent?: Optional<boolean>;
  readonly preferredDeviceId?: Optional<string>;
  readonly search?: Optional<string>;
};

const MAX_LISTED = 1000;
/** Longer than anything that a lead carries and that is looked for. */
const MAX_TEXT_LENGTH = 1000;
/** Fewer digits are in nearly every number. */
const MIN_SEARCHED_DIGITS = 3;

/** The condition on `leads` that the filter means, within the workspace. */
export async function leadConditions(tx: Tx, workspaceId: string, filter: LeadFilter): Promise<Result<SQL>> {
  const errors = [...problemsOf(filter)];
  const phones = filter.phones && readPhones(filter.phones, await defaultCountryOf(tx, workspaceId));
  if (phones && !phones.ok) errors.push(...phones.errors);
  if (errors.length > 0) return refused(...errors);
  const conditions = [
    eq(leads.workspaceId, workspaceId),
    filter.ids && inArray(leads.id, [...filter.ids]),
    phones?.ok && inArray(leads.phone, [...phones.value]),
    filter.niche && inArray(leads.niche, [...filter.niche]),
    filter.trigger != null && carries(filter.trigger.trim()),
    filter.optedOut != null && (filter.optedOut ? isNotNull(leads.optedOutAt) : isNull(leads.optedOutAt)),
    filter.hasReplied != null && (filter.hasReplied ? isNotNull(leads.lastRepliedAt) : isNull(leads.lastRepliedAt)),
    ...createdBetween(filter),
    filter.attributes && sql`${leads.attributes} @> ${JSON.stringify(filter.attributes)}::jsonb`,
    filter.importId && eq(leads.importId, filter.importId),
    filter.sequenceId && isEnrolled(filter.sequenceId, filter.enrollmentStatus),
    filter.hasConsent != null && (filter.hasConsent ? isNotNull(leads.consentAt) : isNull(leads.consentAt)),
    filter.preferredDeviceId && eq(leads.preferredDeviceId, filter.preferredDeviceId),
    filter.search && isFoundBy(filter.search.trim()),
  ];
  return ok(all(...conditions));
}

const createdBetween = ({ createdAfter, createdBefore }: LeadFilter) => [
  createdAfter && gt(leads.createdAt, createdAfter),
  createdBefore && lt(leads.createdAt, createdBefore),
];

/** Those that there are. */
const all = (...conditions: readonly unknown[]): SQL =>
  and(...conditions.filter((condition): condition is SQL => typeof condition === "object" && condition !== null)) as SQL;

/** The same as a segment, for lists and counts. */
export async function segmentOf(tx: Tx, workspaceId: string, filter: LeadFilter): Promise<Result<Segment>> {
  const conditions = await leadConditions(tx, workspaceId, filter);
  if (!conditions.ok) return conditions;
  const everybody = eq(leads.workspaceId, workspaceId);
  return ok({ conditions: conditions.value, createdWithin: all(everybody, ...createdBetween(filter)), everybody, isListed: filter.ids != null || filter.phones != null });
}

/** The leads that match, oldest first. */
export async function selectLeadIds(tx: Tx, workspaceId: string, filter: LeadFilter, limit?: number): Promise<Result<string[]>> {
  const conditions = await leadConditions(tx, workspaceId, filter);
  if (!conditions.ok) return conditions;
  const query = tx.select({ id: leads.id }).from(leads).where(conditions.value).orderBy(leads.id);
  const found = await (limit === undefined ? query : query.limit(limit));
  return ok(found.map(({ id }) => id));
}

function* problemsOf(filter: LeadFilter): Generator<UserError> {
  for (const field of ["ids", "phones", "niche"] as const) {
    const count = filter[field]?.length ?? 0;
    if (count > MAX_LISTED) {
      yield { code: "LIMIT_EXCEEDED", message: `${count} values are too many; at most ${MAX_LISTED} are taken.`, field: ["filter", field] };
    }
  }
  for (const field of ["trigger", "search", "niche"] as const) {
    const longest = Math.max(0, ...[filter[field] ?? []].flat().slice(0, MAX_LISTED).map((text) => text.length));
    if (longest > MAX_TEXT_LENGTH) yield invalid(`${field} has ${longest} characters; at most ${MAX_TEXT_LENGTH.toLocaleString("en")} are looked for.`, "filter", field);
  }
  const attributesBytes = filter.attributes ? Buffer.byteLength(JSON.stringify(filter.attributes)) : 0;
  if (attributesBytes > MAX_ATTRIBUTES_BYTES) {
    yield invalid(`attributes has ${attributesBytes} bytes; at most ${MAX_ATTRIBUTES_BYTES} are looked for, as no lead has more.`, "filter", "attributes");
  }
  if (filter.enrollmentStatus && !filter.sequenceId) {
    yield invalid("enrollmentStatus needs a sequenceId: say in which sequence.", "filter", "enrollmentStatus");
  }
}

function readPhones(phones: readonly string[], defaultCountry: string): Result<string[]> {
  const parsed = phones.map((phone) => parsePhone(phone, defaultCountry));
  const errors = parsed.flatMap((phone, index) => (phone.ok ? [] : [invalid(`${phone.reason}.`, "filter", "phones", String(index))]));
  return errors.length > 0 ? refused(...errors) : ok(parsed.flatMap((phone) => (phone.ok ? [phone.phone] : [])));
}

/** As the index leads_trigger_words has it. */
const carries = (word: string): SQL => sql`trigger_words(${leads.trigger}) @> ARRAY[${word}::text]`;

function isEnrolled(sequenceId: string, statuses: Optional<readonly string[]>): SQL {
  const inState = statuses ? sql` AND e.status = ANY (${sql.param([...statuses])}::text[])` : sql``;
  return sql`EXISTS (SELECT FROM enrollments e WHERE e.lead_id = ${leads.id} AND e.sequence_id = ${sequenceId}${inState})`;
}

function isFoundBy(text: string): SQL {
  const inName = sql`${leads.name} ILIKE ${`%${escaped(text)}%`}`;
  if (!/^[\d\s()+.-]+$/.test(text)) return inName;
  // Numbers are stored without plus sign and trunk prefix.
  const digits = text.replace(/\D/g, "").replace(/^0+/, "");
  return digits.length < MIN_SEARCHED_DIGITS ? inName : sql`(${inName} OR ${leads.phone} LIKE ${`%${digits}%`})`;
}

/** The pattern's own characters stand for themselves. */
const escaped = (text: string): string => text.replace(/[\\%_]/g, "\\$&");
