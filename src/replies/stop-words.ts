// Does a message ask to stop? Pure, and careful on both sides: an opt-out is final, so that who says "I can't stop laughing" must not be lost by it; and
// who says "STOP please!!" must not hear from us again.
//
// A message asks to stop where nothing is left of it once its stop words and its polite words are taken off, and one of them was a stop word. Any other
// word may turn the meaning round ("don't stop", "jangan berhenti", "bus stop"), so that any other word makes it an ordinary reply. Such a one still ends the
// sequence, where that stops on reply, and a person reads it.

import { invalid, ok, refused, type Result } from "../lib/errors.ts";

/** What adds courtesy, address or haste, and never turns round what stands beside it. Nothing that denies (no, don't, jangan, tak) and nothing by which
 *  another thing could be meant (it, that, this) may come in here. */
const POLITE = [
  ...["please", "pls", "plz", "kindly", "just", "now", "immediately", "me", "thanks", "thank you", "thx", "ty", "ok", "okay", "hi", "hello", "sir", "madam"],
  ...["tolong", "sila", "silakan", "mohon", "harap", "minta", "sekarang", "segera", "terima kasih", "makasih", "tq", "ya", "lah", "kak", "bang", "pak", "bu", "encik", "puan"],
].map((phrase) => ({ word: null, parts: phrase.split(" ") }));

/** Longer ones are no bare wish to stop, whatever their words; and the sender decides how long a message is that is looked at. */
const MAX_WORDS = 12;
const MAX_LOOKED_AT = 1000;

/** The text's words and nothing else: without case, punctuation, emoji, invisible characters, and however they are encoded (full-width STOP, bold 𝐒𝐓𝐎𝐏). */
const normalised = (text: string): string =>
  text
    // Before all else: within a word they would tear it apart.
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, "")
    .normalize("NFKC")
    // By way of the capitals: the nearest that JavaScript has to folding case (ẞ, ß and SS are the same, and so are both small sigmas).
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .replaceAll("ς", "σ")
    .normalize("NFKC")
    // Marks are parts of letters in Tamil or Thai.
    .replaceAll(/[^\p{L}\p{N}\p{Mn}\p{Mc}]+/gu, " ")
    .trim();

const wordsOf = (text: string): string[] => normalised(text).split(" ").filter((word) => word !== "");

/** The first of `stopWords` by which `text` asks to stop; undefined where it does not ask to. */
export function stopWordIn(text: string, stopWords: readonly string[]): string | undefined {
  if (text.length > MAX_LOOKED_AT) return undefined;
  const words = wordsOf(text);
  if (words.length > MAX_WORDS) return undefined;
  // One that has no words, written by SQL, would be found in every message.
  const phrases = [...stopWords.map((word) => ({ word, parts: wordsOf(word) })).filter(({ parts }) => parts.length > 0), ...POLITE];
  /** At each place: undefined where what is before it cannot all be taken off; else the first stop word in there, null where all was courtesy. */
  const before: (string | null | undefined)[] = [null];
  for (const place of words.keys()) {
    const found = before[place];
    if (found === undefined) continue;
    for (const { word, parts } of phrases) {
      const next = place + parts.length;
      if (parts.every((part, index) => words[place + index] === part)) before[next] = before[next] ?? found ?? word;
    }
  }
  return before[words.length] ?? undefined;
}

const MAX_STOP_WORDS = 50;
const MAX_LENGTH = 50;

/** A workspace's own list as it is kept: each word as messages are compared with it, none twice. `path` leads to the input. */
export function checkStopWords(words: readonly string[], ...path: string[]): Result<string[]> {
  if (words.length < 1) return refused(invalid("At least one stop word must remain, so that people can stop the messages themselves.", ...path));
  if (words.length > MAX_STOP_WORDS) return refused(invalid(`${words.length} stop words are too many; at most ${MAX_STOP_WORDS} are allowed.`, ...path));
  const errors = words.flatMap((word, index) => {
    const problem = problemOf(word);
    return problem === undefined ? [] : [invalid(problem, ...path, String(index))];
  });
  return errors.length > 0 ? refused(...errors) : ok([...new Set(words.map(normalised))]);
}

function problemOf(word: string): string | undefined {
  if (word.length > MAX_LENGTH) return `A stop word may have at most ${MAX_LENGTH} characters, not ${word.length}.`;
  if (/\p{Cc}/u.test(word)) return "A stop word may hold no control characters, such as line breaks.";
  const kept = normalised(word);
  if (kept === "") return "A stop word needs letters or digits: punctuation and emoji are taken off a message before it is compared.";
  // A character can stand for many (ﷺ for 18), and the database is told of the kept form.
  if (kept.length > MAX_LENGTH) return `A stop word may have at most ${MAX_LENGTH} characters, not ${kept.length} once it is written out.`;
  if (kept.split(" ").length > MAX_WORDS) return `A stop word may consist of at most ${MAX_WORDS} words.`;
  return undefined;
}
