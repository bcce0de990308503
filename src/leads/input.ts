// What a caller says of a lead, checked.

import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import { excerpt } from "../lib/text.ts";
import { isTimeZone } from "../lib/time-zone.ts";
import { isPlaceholderName } from "../messages/template.ts";
import { parsePhone } from "./phone.ts";
import { joinTriggers } from "./triggers.ts";

export type Consent = { readonly source: string; readonly at: Date };

type Optional<T> = T | null | undefined;

/** What is left out stays as it is; null clears. */
export type LeadInput = {
  readonly phone?: Optional<string>;
  readonly name?: Optional<string>;
  readonly niche?: Optional<string>;
  readonly triggers?: Optional<readonly string[]>;
  /** Attributes that are not named stay; one that is null goes. */
  readonly attributes?: Optional<Readonly<Record<string, unknown>>>;
  readonly timeZone?: Optional<string>;
  readonly preferredDeviceId?: Optional<string>;
  readonly consent?: Optional<Consent>;
};

/** A checked LeadInput, in the form that is stored. */
export type LeadChanges = {
  readonly phone?: string;
  readonly name?: string | null;
  readonly niche?: string | null;
  readonly trigger?: string | null;
  readonly attributes?: Readonly<Record<string, unknown>> | null;
  readonly timeZone?: string | null;
  readonly preferredDeviceId?: string | null;
  readonly consent?: Consent | null;
};

const MAX_NAME_LENGTH = 200;
const MAX_NICHE_LENGTH = 100;
const MAX_SOURCE_LENGTH = 200;
export const MAX_ATTRIBUTES = 50;
export const MAX_ATTRIBUTES_BYTES = 16 * 1024;
const MAX_ATTRIBUTE_DEPTH = 8;

/** `path` leads to the input: ["input"], or ["input", "3"]. National phone numbers are read in `defaultCountry`. */
export function checkLead(input: LeadInput, defaultCountry: string, path: readonly string[]): Result<LeadChanges> {
  const errors: UserError[] = [];
  const checked = <T>(result: Result<T>): T | undefined => {
    if (result.ok) return result.value;
    errors.push(...result.errors);
    return undefined;
  };
  const at = (field: string) => [...path, field];
  const changes = {
    ...(input.phone !== undefined && { phone: checked(checkPhone(input.phone, defaultCountry, at("phone"))) }),
    ...(input.name !== undefined && { name: checked(checkText(input.name, "name", MAX_NAME_LENGTH, at("name"))) }),
    ...(input.niche !== undefined && { niche: checked(checkText(input.niche, "niche", MAX_NICHE_LENGTH, at("niche"))) }),
    ...(input.triggers !== undefined && { trigger: checked(joinTriggers(input.triggers ?? [], ...at("triggers"))) || null }),
    ...(input.attributes !== undefined && { attributes: checked(checkAttributes(input.attributes, at("attributes"))) }),
    ...(input.timeZone !== undefined && { timeZone: checked(checkTimeZone(input.timeZone, at("timeZone"))) }),
    ...(input.preferredDeviceId !== undefined && { preferredDeviceId: input.preferredDeviceId }),
    ...(input.consent !== undefined && { consent: input.consent && checked(checkConsent(input.consent, at("consent"))) }),
  };
  // Where nothing was refused, nothing is undefined.
  return errors.length > 0 ? refused(...errors) : ok(changes as LeadChanges);
}

function checkPhone(phone: string | null, defaultCountry: string, field: string[]): Result<string> {
  if (phone === null) {
    return refused(invalid("A lead cannot be without a phone number; leave the field out to keep the one it has.", ...field));
  }
  const parsed = parsePhone(phone, defaultCountry);
  return parsed.ok ? ok(parsed.phone) : refused(invalid(`${parsed.reason}.`, ...field));
}

function checkText(text: string | null, what: string, most: number, field: string[]): Result<string | null> {
  const trimmed = text?.trim() || null;
  if (trimmed !== null && trimmed.length > most) {
    return refused(invalid(`The ${what} has ${trimmed.length} characters; at most ${most} are allowed.`, ...field));
  }
  return ok(trimmed);
}

function checkTimeZone(name: string | null, field: string[]): Result<string | null> {
  if (name === null || isTimeZone(name)) return ok(name);
  return refused(invalid(`'${excerpt(name, 40)}' is not a time zone; write it like Asia/Kuala_Lumpur.`, ...field));
}

export function checkConsent({ source, at }: Consent, field: string[]): Result<Consent> {
  const text = checkText(source, "source of the consent", MAX_SOURCE_LENGTH, [...field, "source"]);
  if (!text.ok) return text;
  if (text.value === null) {
    return refused(invalid("Say where the person agreed, such as 'web form 2026-10-01' or 'in store'.", ...field, "source"));
  }
  return ok({ source: text.value, at });
}

type Attributes = Readonly<Record<string, unknown>>;

function checkAttributes(attributes: Attributes | null, field: string[]): Result<Attributes | null> {
  if (attributes === null) return ok(null);
  const unusable = Object.keys(attributes).find((name) => !isPlaceholderName(name));
  if (unusable !== undefined) {
    const rule = "names have letters, digits, blanks, '_', '.' and '-', and at most 100 of them";
    return refused(invalid(`The attribute '${excerpt(unusable, 40)}' could not be used in a message: ${rule}.`, ...field));
  }
  if (depthOf(attributes) > MAX_ATTRIBUTE_DEPTH) {
    return refused(invalid(`Attributes are nested at most ${MAX_ATTRIBUTE_DEPTH} deep.`, ...field));
  }
  return ok(attributes);
}

/** Deeper than is allowed need not be known: a hostile input would otherwise be followed to the end of the stack. */
function depthOf(value: unknown, left = MAX_ATTRIBUTE_DEPTH + 1): number {
  if (left === 0 || typeof value !== "object" || value === null) return 0;
  return 1 + Object.values(value).reduce<number>((deepest, inner) => Math.max(deepest, depthOf(inner, left - 1)), 0);
}

/** The attributes that a lead has after `changes`; refused where they grow too many or too large. */
export function mergeAttributes(present: Attributes, changes: Attributes | null, field: readonly string[]): Result<Record<string, unknown>> {
  const entries = changes === null ? [] : Object.entries({ ...present, ...changes }).filter(([, value]) => value !== null);
  const merged = Object.fromEntries(entries);
  const count = Object.keys(merged).length;
  const bytes = Buffer.byteLength(JSON.stringify(merged));
  if (count <= MAX_ATTRIBUTES && bytes <= MAX_ATTRIBUTES_BYTES) return ok(merged);
  const most = `at most ${MAX_ATTRIBUTES}, of ${MAX_ATTRIBUTES_BYTES} bytes together, are allowed`;
  const message = `The lead would have ${count} attributes of ${bytes} bytes; ${most}.`;
  return refused({ code: "LIMIT_EXCEEDED", message, field: [...field] });
}
