// Names of time zones, as both this process and Postgres understand them.

const AREA = "Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific";
const WORD = "(?:[A-Z]{1,2}[a-z]+)+|[A-Z]{2,3}";
const PLACE = `(?:${WORD})(?:[_-](?:${WORD}|au|es|of))*`;

/** Area/Place as IANA writes it. Intl and Postgres forgive the case, but two spellings of one zone would count as two zones wherever names
 *  are compared. */
const NAME = new RegExp(`^(?:UTC|Etc/(?:UTC|GMT(?:[+-]\\d{1,2})?)|(?:${AREA})(?:/${PLACE}){1,2})$`);

const MAX_REMEMBERED = 2000;
const remembered = new Map<string, boolean>();

/** True for an IANA name such as Asia/Kuala_Lumpur, and for UTC. False for offsets, which know no daylight saving, and for abbreviations:
 *  they mean different zones to different programs (BST is Dhaka to Intl and London to Postgres). */
export function isTimeZone(name: string): boolean {
  if (!NAME.test(name)) return false;
  const before = remembered.get(name);
  if (before !== undefined) return before;
  const known = isKnownToIntl(name);
  // Asking Intl takes 15 to 40 µs, which a file of a million rows would pay a million times. What is remembered is bounded, since the
  // names come from outside.
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  remembered.set(name, known);
  return known;
}

function isKnownToIntl(name: string): boolean {
  try {
    Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
