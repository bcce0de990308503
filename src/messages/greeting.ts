// How a workspace greets: its lists by the time of the recipient's day, and what it calls a person whose name it does not know.

import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import { excerpt } from "../lib/text.ts";
import { templateProblems } from "./template.ts";

/** One of the templates begins a message from this time of the recipient's day on (HH:MM), until the next greeting's. */
export type Greeting = { readonly from: string; readonly templates: readonly string[] };

export type Greeter = {
  readonly greetings: readonly Greeting[];
  /** What a person without a usable name is called. */
  readonly formOfAddress: string;
};

/** The templates for a time of day (HH:MM). The night is the last evening's: before the first greeting of a day, the last one still holds. */
export function templatesAt(greetings: readonly Greeting[], time: string): readonly string[] {
  const inOrder = greetings.toSorted((a, b) => (a.from < b.from ? -1 : 1));
  return (inOrder.findLast(({ from }) => from <= time) ?? inOrder.at(-1))?.templates ?? [];
}

/** The time of day (HH:MM) in a zone that is so far ahead of UTC. */
export const timeOfDay = (epochMs: number, utcOffsetSeconds: number): string =>
  new Date(epochMs + 1000 * utcOffsetSeconds).toISOString().slice(11, 16);

/** A name that a person can be greeted by. Lists that were exported from elsewhere have the number, a dash or a dot where the name is not known. */
export const isUsableName = (name: string): boolean => /[\p{L}\p{Extended_Pictographic}]/u.test(name);

const MAX_GREETINGS = 24;
const MAX_TEMPLATES = 20;
/** A twentieth of a message's: with a greeting, a text is bounded nearly as it is without. */
const MAX_TEMPLATE_LENGTH = 200;
const MAX_ADDRESS_LENGTH = 50;

/** A workspace's own lists as they are kept, in the order of the day. `path` leads to the input. */
export function checkGreetings(greetings: readonly Greeting[], ...path: string[]): Result<readonly Greeting[]> {
  if (greetings.length === 0) {
    return refused(invalid("At least one greeting must remain; a sequence that is not to greet has greeting: false.", ...path));
  }
  if (greetings.length > MAX_GREETINGS) {
    return refused(invalid(`${greetings.length} greetings are too many; at most ${MAX_GREETINGS} are allowed.`, ...path));
  }
  const errors = greetings.flatMap((greeting, index) => {
    const at = [...path, String(index)];
    const first = greetings.findIndex(({ from }) => from === greeting.from);
    const twice = `${nameOf(greeting, index)} begins when greeting ${first + 1} does; put the templates of both into one.`;
    return [...(first < index ? [invalid(twice, ...at, "from")] : []), ...templatesErrors(greeting, nameOf(greeting, index), at)];
  });
  return errors.length > 0 ? refused(...errors) : ok(greetings.toSorted((a, b) => (a.from < b.from ? -1 : 1)));
}

const nameOf = ({ from }: Greeting, index: number) => `Greeting ${index + 1} (from ${from})`;

function templatesErrors({ templates }: Greeting, name: string, at: readonly string[]): UserError[] {
  const path = [...at, "templates"];
  if (templates.length === 0) return [invalid(`${name} has no templates; write at least one, such as 'Selamat pagi {{name}}'.`, ...path)];
  if (templates.length > MAX_TEMPLATES) {
    return [invalid(`${name} has ${templates.length} templates; at most ${MAX_TEMPLATES} are allowed.`, ...path)];
  }
  return templates.flatMap((template, index) =>
    greetingProblems(template).map((problem) => invalid(`${name}, template ${index + 1}: ${problem}`, ...path, String(index))),
  );
}

function greetingProblems(template: string): readonly string[] {
  if (template.trim() === "") return ["It is empty; write a greeting, such as 'Selamat pagi {{name}}'."];
  if (template.length > MAX_TEMPLATE_LENGTH) {
    return [`'${excerpt(template, 30)}' has ${template.length} characters; at most ${MAX_TEMPLATE_LENGTH} are allowed.`];
  }
  return templateProblems(template);
}

/** What is wrong with a form of address, as a sentence; undefined where nothing is. */
export function formOfAddressProblem(formOfAddress: string): string | undefined {
  const { length } = formOfAddress.trim();
  if (length < 1 || length > MAX_ADDRESS_LENGTH) return `A form of address has 1 to ${MAX_ADDRESS_LENGTH} characters, not ${length}; write one such as Cik.`;
  if (/\p{Cc}/u.test(formOfAddress) || !formOfAddress.isWellFormed()) {
    return "A form of address may hold no control characters, such as line breaks, and no half of an emoji.";
  }
  return undefined;
}
