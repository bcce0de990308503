// The language of message texts, {{name|default}} and {Hi|Hello}, read once into a small tree. Logic-less; linear in the text's length.

import { excerpt } from "../lib/text.ts";

export type Part =
  | { readonly kind: "text"; readonly text: string }
  /** A value of the lead; `fallback` stands in where the lead has none. */
  | { readonly kind: "placeholder"; readonly name: string; readonly fallback: string | undefined }
  /** One of its alternatives is taken. */
  | { readonly kind: "choice"; readonly alternatives: readonly Template[] };

export type Template = readonly Part[];

type ParsedTemplate =
  | { readonly ok: true; readonly template: Template }
  | { readonly ok: false; readonly problems: readonly string[] };

const MAX_TEMPLATE_LENGTH = 4096;
const MAX_DEPTH = 10;
const MAX_ALTERNATIVES = 500;
const MAX_PROBLEMS = 10;
const MAX_NAME_LENGTH = 100;

const MAX_REMEMBERED = 500;
const remembered = new Map<string, ParsedTemplate>();

const PLACEHOLDER = /\{\{([^{}|]*)(?:\|([^{}]*))?\}\}/y;
/** What other systems call the name. */
const SINGLE_BRACED_NAME = /\{(?:name|recipient_name)\}/y;
const PLAIN = /[^{}|]+/y;
const NAME = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_ .-]*$/u;

/** True for what can stand between {{ and }}, and thus for what an attribute must be called to be of use in a text. */
export const isPlaceholderName = (name: string): boolean => name.length <= MAX_NAME_LENGTH && NAME.test(name);

/** Sentences on what is wrong with `text`, each with the place and with what would be right; none where it can be rendered. */
export function templateProblems(text: string): readonly string[] {
  const parsed = parseTemplate(text);
  return parsed.ok ? [] : parsed.problems;
}

export function parseTemplate(text: string): ParsedTemplate {
  const before = remembered.get(text);
  if (before) return before;
  const parsed = parseAnew(text);
  if (!parsed.ok) return parsed;
  // A step's text is read once, not for each of its leads. Bounded, for the texts come from outside.
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  remembered.set(text, parsed);
  return parsed;
}

function parseAnew(text: string): ParsedTemplate {
  const unfit = sizeProblem(text);
  if (unfit) return { ok: false, problems: [unfit] };
  const { root, problems } = readParts(text);
  return problems.length === 0 ? { ok: true, template: root } : { ok: false, problems: problems.slice(0, MAX_PROBLEMS) };
}

function sizeProblem(text: string): string | undefined {
  if (text.trim() === "") return "The message is empty; write what is to be sent.";
  // Counted as people and Postgres count: an emoji is one character, though two units of a string.
  const length = text.length <= MAX_TEMPLATE_LENGTH ? text.length : Array.from(text.slice(0, 2 * MAX_TEMPLATE_LENGTH + 1)).length;
  if (length > MAX_TEMPLATE_LENGTH) return `The message is longer than ${MAX_TEMPLATE_LENGTH} characters; shorten it.`;
  if (text.includes("\0")) return `The message holds a NUL character at character ${text.indexOf("\0") + 1}; remove it.`;
  if (!text.isWellFormed()) return "The message holds half of an emoji or other character; write that character anew.";
  return undefined;
}

/** A brace that is open: where it began, its closed alternatives, and the one being read. */
type Open = { readonly at: number; readonly alternatives: Template[]; current: Part[] };

/** Reads with a stack of its own instead of recursion, so that a text of nothing but braces costs no more than any other. */
function readParts(text: string): { root: Template; problems: readonly string[] } {
  const problems: string[] = [];
  const root: Part[] = [];
  const open: Open[] = [];
  const parts = () => open.at(-1)?.current ?? root;
  let alternatives = 0;
  let at = 0;

  while (at < text.length) {
    const token = tokenAt(text, at);
    const innermost = open.at(-1);
    if (token.kind === "part") parts().push(token.part);
    else if (token.kind === "problem") problems.push(token.problem);
    else if (token.text === "{") open.push({ at, alternatives: [], current: [] });
    else if (!innermost) {
      // A bar outside of braces is a bar.
      if (token.text === "|") root.push({ kind: "text", text: "|" });
      else problems.push(`The '}' at character ${at + 1} closes nothing; remove it, or open it with '{' before, as in {Hi|Hello}.`);
    } else {
      if (token.text === "|" || innermost.alternatives.length > 0) innermost.alternatives.push(innermost.current);
      if (token.text === "|") innermost.current = [];
      else {
        open.pop();
        alternatives += innermost.alternatives.length;
        if (innermost.alternatives.length === 0) problems.push(noBar(text.slice(innermost.at, at + 1), innermost.at));
        parts().push({ kind: "choice", alternatives: innermost.alternatives });
      }
    }
    if (open.length > MAX_DEPTH) {
      return { root, problems: [`${quoted(text.slice(at), at)} nests braces more than ${MAX_DEPTH} deep; flatten it.`] };
    }
    at += token.length;
  }

  for (const { at: start } of open) {
    problems.push(`${quoted(text.slice(start), start)} opens a brace that is never closed; add the missing '}'.`);
  }
  if (alternatives > MAX_ALTERNATIVES) {
    problems.push(`The message has ${alternatives} alternatives; at most ${MAX_ALTERNATIVES} are allowed.`);
  }
  return { root, problems };
}

type Token =
  | { readonly kind: "part"; readonly length: number; readonly part: Part }
  | { readonly kind: "problem"; readonly length: number; readonly problem: string }
  | { readonly kind: "mark"; readonly length: 1; readonly text: string };

function tokenAt(text: string, at: number): Token {
  const plain = matchAt(PLAIN, text, at);
  if (plain) return { kind: "part", length: plain[0].length, part: { kind: "text", text: plain[0] } };

  const single = matchAt(SINGLE_BRACED_NAME, text, at);
  if (single) return { kind: "part", length: single[0].length, part: { kind: "placeholder", name: "name", fallback: undefined } };

  // {{ begins a placeholder only where }} follows before any other brace: {{a|b}|c} is a choice within a choice.
  const placeholder = matchAt(PLACEHOLDER, text, at);
  if (!placeholder) return { kind: "mark", length: 1, text: text.charAt(at) };
  const { length } = placeholder[0];
  const name = (placeholder[1] ?? "").trim();
  if (isPlaceholderName(name)) return { kind: "part", length, part: { kind: "placeholder", name, fallback: placeholder[2]?.trim() } };
  const rule = `a name has letters, digits, blanks, '_', '.' and '-', and at most ${MAX_NAME_LENGTH} of them`;
  const wrong = name === "" ? "names no value; write {{name}} or an attribute, as in {{city}}" : `cannot be the name of a value; ${rule}`;
  return { kind: "problem", length, problem: `${quoted(placeholder[0], at)} ${wrong}.` };
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function noBar(group: string, at: number): string {
  const inner = group.slice(1, -1).trim();
  const right = isPlaceholderName(inner) ? `{{${inner}}} for a value of the lead` : "{{city}} for a value of the lead";
  return `${quoted(group, at)} is neither a placeholder nor a choice; write ${right}, or {Hi|Hello} for a choice.`;
}

const quoted = (text: string, at: number) => `'${excerpt(text, 30)}' at character ${at + 1}`;
