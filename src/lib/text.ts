// Text from outside, made fit to be kept and quoted.

/** `text` as Postgres takes it: without NUL, and with U+FFFD for halves of surrogate pairs. One such character would fail the whole batch
 *  that it is written with. */
export const storable = (text: string): string => (text.includes("\0") ? text.replaceAll("\0", "") : text).toWellFormed();

/** The beginning of `text` on one line, to be quoted in a message. */
export function excerpt(text: string, length: number): string {
  const line = storable(text.slice(0, length)).replace(/\s+/g, " ");
  return text.length > length ? `${line}…` : line;
}
