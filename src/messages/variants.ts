// A/B tests: texts that stand in for a message's own, each for a share of the people. Who gets which hangs on the person alone: the same one in every
// preview, retry and enrolment.

import { seededRandom } from "../lib/random.ts";
import { templateProblems } from "./template.ts";

export type Variant = {
  /** What its results are counted under. */
  readonly name: string;
  /** Of the people, in percent. What all variants leave gets the message's own text. */
  readonly share: number;
  readonly text: string;
};

/** The variant of the message `messageId` (a step, say) for a person; null for the message's own text. Independent of what the person gets of other messages. */
export function variantFor(variants: readonly Variant[], messageId: string, personId: string): Variant | null {
  const place = 100 * seededRandom(`${messageId} ${personId}`)();
  let until = 0;
  for (const variant of variants) {
    until += variant.share;
    if (place < until) return variant;
  }
  return null;
}

/** In this order of fields, whoever wrote them. */
export const storedVariants = (variants: readonly Variant[]): Variant[] => variants.map(({ name, share, text }) => ({ name: name.trim(), share, text }));

const MAX_VARIANTS = 10;
const MAX_NAME_LENGTH = 50;

export type VariantProblem = { readonly field: readonly string[]; readonly problem: string };

/** Everything that is wrong with a message's variants, each with the place in the list. */
export function variantProblems(variants: readonly Variant[]): VariantProblem[] {
  if (variants.length > MAX_VARIANTS) return [{ field: [], problem: `${variants.length} variants are too many; at most ${MAX_VARIANTS} are allowed.` }];
  const total = variants.reduce((sum, { share }) => sum + share, 0);
  return [
    ...variants.flatMap((variant, index) => ofOne(variant, index, variants)),
    ...(total > 100 ? [{ field: [], problem: `the variants' shares come to ${total} %; at most 100 % can be given away.` }] : []),
  ];
}

function ofOne({ name, share, text }: Variant, index: number, variants: readonly Variant[]): VariantProblem[] {
  const at = (field: string, problem: string): VariantProblem => ({ field: [String(index), field], problem: `variant ${index + 1}: ${problem}` });
  const { length } = name.trim();
  const first = variants.findIndex((other) => other.name.trim() === name.trim());
  return [
    ...(length < 1 || length > MAX_NAME_LENGTH ? [at("name", `a name has 1 to ${MAX_NAME_LENGTH} characters, not ${length}.`)] : []),
    ...(first < index ? [at("name", `it is called as variant ${first + 1} is; give it another name, or their results could not be told apart.`)] : []),
    ...(Number.isInteger(share) && share >= 1 && share <= 100 ? [] : [at("share", `the share is ${share}; write a whole number from 1 to 100, in percent.`)]),
    ...templateProblems(text).map((sentence) => at("text", sentence)),
  ];
}
