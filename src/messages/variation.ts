// Small differences between messages that anybody can see: a full stop, a comma, a small letter. Nothing that is invisible or only looks like something
// else: that would break search, links and screen readers.

import type { Random } from "../lib/random.ts";
import type { Template } from "./template.ts";

export type Variation = {
  /** Ends the message. */
  readonly hasFullStop: boolean;
  /** Ends a first line that stands by itself, as a greeting does. */
  readonly hasComma: boolean;
  /** The greeting begins with a small letter. */
  readonly isSmall: boolean;
};

export const UNVARIED: Variation = { hasFullStop: false, hasComma: false, isSmall: false };

export const drawVariation = (random: Random): Variation => ({ hasFullStop: random() < 0.3, hasComma: random() < 0.2, isSmall: random() < 0.2 });

/** The ways to punctuate a text. */
export const PUNCTUATIONS: readonly Variation[] = [false, true].flatMap((hasFullStop) =>
  [false, true].map((hasComma) => ({ ...UNVARIED, hasFullStop, hasComma })),
);

/** A word that nothing ends yet. Not a link or an address, which would take in what is put behind it. */
const ENDS_IN_WORD = /(?:^|\s)[^\s./:@]*[\p{L}\p{M}\p{N}]$/u;

const FIRST_LINE = /^[^\r\n]+(?=\r?\n\r?\n)/;

export function punctuate(text: string, { hasFullStop, hasComma }: Variation): string {
  const first = hasComma ? (FIRST_LINE.exec(text)?.[0] ?? "") : "";
  const begun = ENDS_IN_WORD.test(first) ? `${first},${text.slice(first.length)}` : text;
  return hasFullStop && ENDS_IN_WORD.test(text) ? `${begun}.` : begun;
}

/** Not of a word in capitals: sELAMAT. */
const FIRST_CAPITAL = /^(\P{L}*)(\p{Lu})(?!\p{Lu})/u;

/** `template` with its first letter small, where that is one of its own: a person's name stays as it is. */
export function inSmall(template: Template): Template {
  const [first, ...rest] = template;
  if (first?.kind === "choice") return [{ kind: "choice", alternatives: first.alternatives.map(inSmall) }, ...rest];
  if (first?.kind !== "text") return template;
  return [{ kind: "text", text: first.text.replace(FIRST_CAPITAL, (_whole, before: string, capital: string) => before + smallOf(capital)) }, ...rest];
}

/** İ has no small letter that is one character. */
const smallOf = (capital: string) => (capital.toLowerCase().length === capital.length ? capital.toLowerCase() : capital);
