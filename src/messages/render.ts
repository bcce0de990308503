// A template and a lead, to the very text that is sent. The same seed gives the same text: a preview shows what will go out.

import { seededRandom } from "../lib/random.ts";
import { storable } from "../lib/text.ts";
import { countVariants, spin, type TextOf } from "./spintax.ts";
import { parseTemplate, type Template } from "./template.ts";

/** What a template can speak of. */
export type TemplateLead = {
  readonly name: string | null;
  /** E.164 digits, as stored; empty where there is no lead. */
  readonly phone: string;
  readonly niche: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
};

type Rendered = { readonly text: string } | { readonly error: string };

type Preview = { readonly text: string; readonly variants: number; readonly missing: readonly string[] };

/** Placeholders can be repeated and values be long: without an end to it, one message could fill the memory. */
const MAX_RENDERED_LENGTH = 8192;

/** The text for `lead`. `seed` is the flow's id. */
export function renderTemplate(text: string, lead: TemplateLead, seed: string): Rendered {
  const parsed = parseTemplate(text);
  if (!parsed.ok) return { error: parsed.problems.join(" ") };
  const rendered = fill(parsed.template, lead, seed);
  if ("error" in rendered || rendered.text.trim() !== "") return rendered;
  return { error: "The message is empty once the lead's values are filled in; give its placeholders defaults." };
}

/** What `renderTemplate` would give, with the number of different texts and the placeholders that the lead has no value for,
 *  though a default may stand in. A text that comes out empty is shown, not refused: the preview may be made without a lead. */
export function previewTemplate(text: string, lead: TemplateLead, seed: string): Preview | { readonly error: string } {
  const parsed = parseTemplate(text);
  if (!parsed.ok) return { error: parsed.problems.join(" ") };
  const rendered = fill(parsed.template, lead, seed);
  if ("error" in rendered) return rendered;
  return { text: rendered.text, variants: countVariants(parsed.template), missing: [...missingIn(parsed.template, lead)] };
}

function fill(template: Template, lead: TemplateLead, seed: string): Rendered {
  let length = 0;
  const textOf = textFor(lead);
  const bounded: TextOf = (part) => {
    const text = length > MAX_RENDERED_LENGTH ? "" : textOf(part);
    length += text.length;
    return text;
  };
  const text = spin(template, bounded, seededRandom(seed));
  if (length <= MAX_RENDERED_LENGTH) return { text };
  return { error: `The message is longer than ${MAX_RENDERED_LENGTH} characters once the lead's values are filled in; shorten them.` };
}

/** Values go in as they are and are never read as a template again: a lead may be called {a|b}. */
function textFor(lead: TemplateLead): TextOf {
  return (part) => (part.kind === "text" ? part.text : (valueOf(lead, part.name) ?? part.fallback ?? ""));
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
  switch (placeholder.toLowerCase()) {
    case "name":
    case "recipient_name":
      return shown(lead.name);
    case "phone":
      return shown(lead.phone && `+${lead.phone}`);
    case "niche":
      return shown(lead.niche);
    default:
      return shown(attributeOf(lead.attributes, placeholder));
  }
}

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
