// What is wrong with a campaign, each with what would be right.

import { invalid, type UserError } from "../lib/errors.ts";
import { captionProblems, type ChosenMedia, variantMediaProblem } from "../media/caption.ts";
import { type Variant, variantProblems } from "../messages/variants.ts";

export type CampaignFields = {
  readonly name: string;
  readonly text: string;
  /** Sent with the text, which is its caption. */
  readonly media: ChosenMedia | null;
  readonly variants: readonly Variant[];
  readonly minDelaySeconds: number;
  readonly maxDelaySeconds: number;
};

const sentence = (problem: string) => problem.charAt(0).toUpperCase() + problem.slice(1);

const MAX_NAME_LENGTH = 200;
const MAX_DELAY_SECONDS = 86_400;

export function campaignProblems({ name, text, media, variants, minDelaySeconds, maxDelaySeconds }: CampaignFields): UserError[] {
  const problems: UserError[] = [];
  if (name.trim() === "" || name.trim().length > MAX_NAME_LENGTH) {
    problems.push(invalid(`A campaign's name must have 1 to ${MAX_NAME_LENGTH} characters.`, "input", "name"));
  }
  problems.push(...captionProblems(text, media).map((problem) => invalid(problem, "input", "text")));
  problems.push(...variantProblems(variants).map(({ field, problem }) => invalid(sentence(problem), "input", "variants", ...field)));
  const pointless = variantMediaProblem(variants, media);
  if (pointless) problems.push(invalid(pointless, "input", "variants"));
  for (const [field, seconds] of Object.entries({ minDelaySeconds, maxDelaySeconds })) {
    if (Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_DELAY_SECONDS) continue;
    problems.push(invalid(`${field} is ${seconds}; write a whole number from 0 to ${MAX_DELAY_SECONDS}.`, "input", field));
  }
  if (minDelaySeconds > maxDelaySeconds) {
    const what = `minDelaySeconds (${minDelaySeconds}) is above maxDelaySeconds (${maxDelaySeconds})`;
    problems.push(invalid(`${what}; the minimum may be at most the maximum.`, "input", "minDelaySeconds"));
  }
  return problems;
}
