// A template and a lead, to the very text that is sent. The same seed gives the same text: a preview shows what will go out.

import { seededRandom } from "../lib/random.ts";
import { excerpt, storable } from "../lib/text.ts";
import { isUsableName } from "./greeting.ts";
import { countVariants, spin, type TextOf } from "./spintax.ts";
import { parseTemplate, type Template } from "./template.ts";
import { drawVariation, inSmall, punctuate, PUNCTUATIONS, UNVARIED } from "./variation.ts";

/** What a template can speak of. */
export type TemplateLead = {
  readonly name: string | null;
  /** E.164 digits, as stored; empty where there is no lead. */
  readonly phone: string;
  readonly niche: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
};

/** What a sequence adds to its texts. */
export type Style = {
  /** One of the templates comes first, with a blank line behind it. */
  readonly greeting: { readonly templates: readonly string[]; readonly formOfAddress: string } | null;
  /** Punctuation and case vary, visibly. */
  readonly isVaried: boolean;
};

const PLAIN: Style = { greeting: null, isVaried: false };

type Failed = { readonly error: string };

type Rendered = { readonly text: string } | Failed;

type Preview = { readonly text: string; readonly variants: number; readonly missing: readonly string[] };

/** Placeholders can be repeated and values be long: without an end to it, one message could fill the memory. */
const MAX_RENDERED_LENGTH = 8192;

/** The text for `lead`. `seed` is the flow's id. */
export function renderTemplate(text: string, lead: TemplateLead, seed: string, style: Style = PLAIN): Rendered {
  const parsed = parseAll(text, style);
  if ("error" in parsed) return parsed;
  const rendered = compose(parsed, lead, seed, style);
  if ("error" in rendered) return rendered;
  if (rendered.isEmpty) return { error: "The message is empty once the lead's values are filled in; give its placeholders defaults." };
  return { text: rendered.text };
}

/** What `renderTemplate` would give, with the number of different texts and the placeholders that the lead has no value for,
 *  though a default may stand in. A text that comes out empty is shown, not refused: the preview may be made without a lead. */
export function previewTemplate(text: string, lead: TemplateLead, seed: string, style: Style = PLAIN): Preview | Failed {
  const parsed = parseAll(text, style);
  if ("error" in parsed) return parsed;
  const rendered = compose(parsed, lead, seed, style);
  if ("error" in rendered) return rendered;
  const missing = new Set([...missingIn(parsed.greeting, greeted(lead)), ...missingIn(parsed.message, lead)]);
  return { text: rendered.text, variants: countAll(parsed, style), missing: [...missing] };
}

/** `greeting` has no parts where there is none. */
type Parsed = { readonly greeting: Template; readonly message: Template };

function parseAll(text: string, { greeting }: Style): Parsed | Failed {
  const message = parseTemplate(text);
  if (!message.ok) return { error: message.problems.join(" ") };
  const alternatives: Template[] = [];
  for (const template of greeting?.templates ?? []) {
    const parsed = parseTemplate(template);
    if (!parsed.ok) return { error: `The workspace's greeting '${excerpt(template, 30)}' is wrong: ${parsed.problems.join(" ")}` };
    alternatives.push(parsed.template);
  }
  return { greeting: alternatives.length === 0 ? [] : [{ kind: "choice", alternatives }], message: message.template };
}

/** Each part draws from numbers of its own: who edits a greeting, or has texts vary, does not change which words the message chooses. */
function compose({ greeting, message }: Parsed, lead: TemplateLead, seed: string, style: Style): { text: string; isEmpty: boolean } | Failed {
  const variation = style.isVaried ? drawVariation(seededRandom(`${seed} variation`)) : UNVARIED;
  const first = fill(variation.isSmall ? inSmall(greeting) : greeting, greeted(lead), `${seed} greeting`, style.greeting?.formOfAddress);
  const main = fill(message, lead, seed);
  // An empty greeting leaves no blank line behind.
  const text = first.text.trim() === "" ? main.text : `${first.text}\n\n${main.text}`;
  if (first.isLong || main.isLong || text.length > MAX_RENDERED_LENGTH) {
    return { error: `The message is longer than ${MAX_RENDERED_LENGTH} characters once the lead's values are filled in; shorten them.` };
  }
  return { text: punctuate(text, variation), isEmpty: main.text.trim() === "" };
}

/** `isLong`: there would have been more of it. `nobody` stands in for a name that is not known. */
function fill(template: Template, lead: TemplateLead, seed: string, nobody = ""): { text: string; isLong: boolean } {
  let length = 0;
  const textOf: TextOf = (part) => {
    if (length > MAX_RENDERED_LENGTH) return "";
    // Values go in as they are and are never read as a template again: a lead may be called {a|b}.
    const text = part.kind === "text" ? part.text : (valueOf(lead, part.name) ?? part.fallback ?? (isName(part.name) ? nobody : ""));
    length += text.length;
    return text;
  };
  return { text: spin(template, textOf, seededRandom(seed)), isLong: length > MAX_RENDERED_LENGTH };
}

/** The lead as it is greeted: without a name where that is none to call a person by. */
const greeted = (lead: TemplateLead): TemplateLead => (lead.name === null || isUsableName(lead.name) ? lead : { ...lead, name: null });

function countAll({ greeting, message }: Parsed, { isVaried }: Style): number {
  const rest: Template = greeting.length === 0 ? message : [{ kind: "text", text: "\n\n" }, ...message];
  if (!isVaried) return countVariants([...greeting, ...rest]);
  const eitherCase: Template = greeting.length === 0 ? [] : [{ kind: "choice", alternatives: [greeting, inSmall(greeting)] }];
  return countVariants([...eitherCase, ...rest], (text) => PUNCTUATIONS.map((variation) => punctuate(text, variation)));
}

/** The names of placeholders that the lead has no value for, in the text's order. */
function missingIn(template: Template, lead: TemplateLead): Set<string> {
  const missing = new Set<string>();
  const look = (parts: Template) => {
    for (const part of parts) {
      if (part.kind === "choice") part.alternatives.forEach(look);
      if (part.kind === "placeholder" && valueOf(lead, part.name) === undefined) missing.add(part.name);
    }
  };
  look(template);
  return missing;
}

/** The lead's value as text; undefined where it has none to show. */
function valueOf(lead: TemplateLead, placeholder: string): string | undefined {
  if (isName(placeholder)) return shown(lead.name);
  switch (placeholder.toLowerCase()) {
    case "phone":
      return shown(lead.phone && `+${lead.phone}`);
    case "niche":
      return shown(lead.niche);
    default:
      return shown(attributeOf(lead.attributes, placeholder));
  }
}

const isName = (placeholder: string) => /^(?:recipient_)?name$/i.test(placeholder);

/** The attribute of that name, else one that differs in case only: files say City where texts say city. */
function attributeOf(attributes: TemplateLead["attributes"], name: string): unknown {
  // Own ones only: {{constructor}} must not find the one that every object inherits.
  if (Object.hasOwn(attributes, name)) return attributes[name];
  const wanted = name.toLowerCase();
  const key = Object.keys(attributes).find((candidate) => candidate.toLowerCase() === wanted);
  return key === undefined ? undefined : attributes[key];
}

function shown(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") return undefined;
  const text = storable(value);
  return text.trim() === "" ? undefined : text;
}
