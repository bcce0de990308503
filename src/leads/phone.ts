// Phone numbers: what people write, to the one form that is stored. Same phone, same lead.

import examples from "libphonenumber-js/mobile/examples";
import {
  getExampleNumber,
  isSupportedCountry,
  ParseError,
  parsePhoneNumberWithError,
  validatePhoneNumberLength,
  type CountryCode,
  type PhoneNumber,
} from "libphonenumber-js/min";
import { excerpt } from "../lib/text.ts";

type ParsedPhone = { readonly ok: true; readonly phone: string } | { readonly ok: false; readonly reason: string };

/** The longest that E.164 allows; the library lets some countries' numbers grow beyond it. */
const MAX_DIGITS = 15;
const MIN_DIGITS = 6;
const MAX_INPUT_LENGTH = 64;

const countryNames = new Intl.DisplayNames("en", { type: "region" });

/** Digits to E.164 as people read it. */
export const formatPhone = (digits: string): string => `+${digits}`;

/** `input` as E.164 digits without the plus sign, national form being read in `defaultCountry` (ISO 3166-1 alpha-2).
 *
 *  Checked is whether a number of that length can exist in its country, not whether its range is in use: ranges are opened faster than
 *  metadata is updated, a number refused here could never be written to, and WhatsApp itself knows who is there. It also leaves the
 *  ranges set aside for fiction usable (+447700900000 to +447700900999). The smallest metadata hold all that this needs. */
export function parsePhone(input: string, defaultCountry: string): ParsedPhone {
  // Numbers copied from address books come wrapped in invisible marks of writing direction.
  const written = input.replace(/\p{Cf}/gu, "").trim();
  const country = isSupportedCountry(defaultCountry) ? defaultCountry : undefined;
  const refuse = (problem: string): ParsedPhone => ({
    ok: false,
    reason: `'${excerpt(written, 40)}' ${problem}; write it like ${exampleOf(country)}`,
  });

  if (written === "") return { ok: false, reason: `The phone number is empty; write it like ${exampleOf(country)}` };
  // 60123456789.0 would otherwise be read as 601234567890: somebody else's number.
  if (/\.0+$|\dE\+?\d/i.test(written)) return refuse("is a number as a spreadsheet rewrites it; format the column as text");

  const number = read(written, country) ?? readInternational(written);
  if (!number) return refuse(problemOf(written, country));
  if (number.ext) return refuse("has an extension, which WhatsApp cannot reach");
  return { ok: true, phone: number.number.slice(1) };
}

/** The number, if one of its length can exist. */
function read(written: string, country: CountryCode | undefined): PhoneNumber | undefined {
  const number = parse(written, country);
  if (typeof number === "string" || !number.isPossible()) return undefined;
  const digits = number.number.length - 1;
  if (digits < MIN_DIGITS || digits > MAX_DIGITS) return undefined;
  // A few come out differently when they are read again (zeros dropped once more): one person would become two leads.
  const again = parse(number.number, undefined);
  return typeof again !== "string" && again.isPossible() && again.number === number.number ? number : undefined;
}

/** 00 begins an international number nearly everywhere, also for those who write numbers down in a country where it does not. */
const readInternational = (written: string) => (/^00[ -]?[1-9]/.test(written) ? read(`+${written.slice(2)}`, undefined) : undefined);

/** The number, however impossible, or the library's word for why it is none. */
function parse(written: string, country: CountryCode | undefined): PhoneNumber | string {
  if (written.length > MAX_INPUT_LENGTH) return "TOO_LONG";
  try {
    return parsePhoneNumberWithError(written, { extract: false, ...(country && { defaultCountry: country }) });
  } catch (error) {
    if (error instanceof ParseError) return error.message;
    throw error;
  }
}

function problemOf(written: string, country: CountryCode | undefined): string {
  const number = parse(written, country);
  const of = typeof number === "string" ? "" : ` of ${placeOf(number)}`;
  switch (typeof number === "string" ? number : (validatePhoneNumberLength(number.number) ?? "")) {
    case "TOO_SHORT":
      return `is too short for a phone number${of}`;
    case "TOO_LONG":
      return `is too long for a phone number${of}`;
    case "INVALID_COUNTRY":
      return "begins with no country code that exists";
    case "NOT_A_NUMBER":
      return "is not a phone number";
    default:
      return `cannot be a phone number${of}`;
  }
}

const placeOf = ({ country, countryCallingCode }: PhoneNumber) =>
  country ? `${countryNames.of(country) ?? country} (${country})` : `country code +${countryCallingCode}`;

const exampleOf = (country: CountryCode | undefined) => getExampleNumber(country ?? "MY", examples)?.number ?? "+60123456789";
