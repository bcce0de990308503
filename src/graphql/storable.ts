/** Whether Postgres can keep every text in `value`: it takes no NUL, and in JSON no half of a surrogate pair. One such character would fail the
 *  statement, and with it everything that is written together. */
export function isStorable(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed() && !value.includes("\0");
  if (Array.isArray(value)) return value.every(isStorable);
  if (typeof value !== "object" || value === null || !isPlain(value)) return true;
  return Object.entries(value).every(([key, part]) => isStorable(key) && isStorable(part));
}

/** More than anybody writes; what reads the values would otherwise follow them to the end of the stack. */
export const MAX_NESTING = 100;

export const isNestedTooDeeply = (value: unknown, left = MAX_NESTING): boolean =>
  typeof value === "object" && value !== null && (left === 0 || Object.values(value).some((part) => isNestedTooDeeply(part, left - 1)));

/** The same of a document, whose texts may write their characters as escapes. Halves written so are refused by its grammar. */
export const isStorableDocument = (text: string): boolean => isStorable(text) && !ESCAPED_NUL.test(text);

const ESCAPED_NUL = /\\u(?:0000|\{0+\})/;

/** Files come among the variables, too. */
const isPlain = (value: object): boolean => [Object.prototype, null].includes(Object.getPrototypeOf(value) as never);
