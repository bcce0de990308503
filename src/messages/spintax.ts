// Choosing among alternatives, and counting what can be chosen.

import type { Random } from "../lib/random.ts";
import type { Part, Template } from "./template.ts";

export type TextOf = (part: Exclude<Part, { kind: "choice" }>) => string;

/** Up to here the different texts are counted one by one. */
const MAX_LISTED = 1000;

/** One of the texts that `template` can give. */
export function spin(template: Template, textOf: TextOf, random: Random): string {
  let text = "";
  for (const part of template) {
    if (part.kind === "choice") text += spin(part.alternatives[Math.floor(random() * part.alternatives.length)] ?? [], textOf, random);
    else text += textOf(part);
  }
  return text;
}

const asItIs = (text: string): readonly string[] => [text];

/** How many different texts `template` can give, whatever the lead's values, each in the forms that `formsOf` gives it: for any text as many. Beyond a
 *  thousand it is the number of ways to choose, which is higher where two ways read the same; at most Number.MAX_SAFE_INTEGER. */
export function countVariants(template: Template, formsOf = asItIs): number {
  const ways = Math.min(countWays(template) * formsOf("").length, Number.MAX_SAFE_INTEGER);
  return ways <= MAX_LISTED ? new Set([...listTexts(template)].flatMap(formsOf)).size : ways;
}

function countWays(template: Template): number {
  let ways = 1;
  for (const part of template) {
    if (part.kind !== "choice") continue;
    const perChoice = part.alternatives.reduce((sum, alternative) => sum + countWays(alternative), 0);
    ways = Math.min(ways * perChoice, Number.MAX_SAFE_INTEGER);
  }
  return ways;
}

function listTexts(template: Template): Set<string> {
  let texts = new Set([""]);
  // What all have in common is added at the next choice, not part by part: texts of 2,000 small parts would be built anew for each.
  let common = "";
  for (const part of template) {
    if (part.kind === "choice") {
      const endings = part.alternatives.flatMap((alternative) => [...listTexts(alternative)]);
      texts = new Set([...texts].flatMap((text) => endings.map((ending) => text + common + ending)));
      common = "";
    } else common += sourceOf(part);
  }
  return new Set([...texts].map((text) => text + common));
}

/** Values can be long; a placeholder's own braces, which no text can hold, stand for it, and a letter, which is what most values end in. */
const sourceOf: TextOf = (part) => (part.kind === "text" ? part.text : `{{${part.name}|${part.fallback ?? ""}}}a`);
