// The words on a lead that enrol it. Stored as one text, comma-separated, so that a plain UPDATE in SQL can set them.

import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import { excerpt } from "../lib/text.ts";

const MAX_TRIGGER_LENGTH = 100;
const MAX_STORED_LENGTH = 1000;

/** The words of a stored text or of a list: blanks around them, empty ones and repeats forgiven, in their order. */
export function parseTriggers(triggers: string | readonly string[]): string[] {
  const words = typeof triggers === "string" ? triggers.split(",") : triggers;
  return [...new Set(words.map((word) => word.trim()).filter((word) => word !== ""))];
}

/** What keeps `word` from being a trigger, as the end of a sentence that begins with what it is; undefined where nothing does. */
export function triggerProblem(word: string): string | undefined {
  if (word === "") return "is empty; write a word such as fitness_start";
  if (word.length > MAX_TRIGGER_LENGTH) return `has ${word.length} characters; at most ${MAX_TRIGGER_LENGTH} are allowed`;
  if (word.includes(",")) return "holds a comma, which separates triggers; write a single word such as fitness_start";
  // Control characters and halves of surrogate pairs too: Postgres takes no NUL, and nobody can type the others.
  if (/[\s\p{Cc}\p{Cs}]/u.test(word)) return "holds a blank or a control character; write a single word such as fitness_start";
  return undefined;
}

/** The text to store; `parseTriggers` gives the same words back. */
export function joinTriggers(words: readonly string[], ...field: string[]): Result<string> {
  const kept = parseTriggers(words);
  const errors = kept.flatMap((word) => {
    const problem = triggerProblem(word);
    return problem ? [invalid(`The trigger '${excerpt(word, MAX_TRIGGER_LENGTH)}' ${problem}.`, ...field)] : [];
  });
  if (errors.length > 0) return refused(...errors);
  const text = kept.join(",");
  if (text.length > MAX_STORED_LENGTH) {
    const right = `a lead holds at most ${MAX_STORED_LENGTH}, commas counted`;
    return refused(invalid(`The triggers have ${text.length} characters together; ${right}.`, ...field));
  }
  return ok(text);
}
