// Where a step's leads go: the first branch whose condition holds, else the step's next trigger. Decided when the next message is due, not when this one was
// sent: a moment after it nobody has read it yet.

import { excerpt } from "../lib/text.ts";

export const BRANCH_CONDITIONS = ["ATTRIBUTE_EQUALS", "NICHE_IN", "REPLIED_SINCE", "READ"] as const;
export type BranchCondition = (typeof BRANCH_CONDITIONS)[number];

export type Branch = {
  readonly condition: BranchCondition;
  /** {"city": "Ipoh"} for ATTRIBUTE_EQUALS, {"niches": ["fitness"]} for NICHE_IN; null for the others. */
  readonly value: Readonly<Record<string, unknown>> | null;
  /** The end where null. */
  readonly nextTrigger: string | null;
};

const MAX_BRANCHES = 10;
const MAX_VALUES = 50;
const MAX_TEXT_LENGTH = 200;

export type BranchProblem = { readonly field: readonly string[]; readonly problem: string };

/** Everything that is wrong with a step's branches in themselves, each with the place in the list. */
export function branchProblems(branches: readonly Branch[], { stopOnReply }: { readonly stopOnReply: boolean }): BranchProblem[] {
  if (branches.length > MAX_BRANCHES) return [{ field: [], problem: `${branches.length} branches are too many; at most ${MAX_BRANCHES} are allowed.` }];
  const keys = branches.map(keyOf);
  return branches.flatMap((branch, index) => {
    const at = (field: string, problem: string): BranchProblem => ({ field: [String(index), field], problem: `branch ${index + 1}: ${problem}` });
    const first = keys.indexOf(keys[index] ?? "");
    const unfit = valueProblem(branch);
    return [
      ...(unfit === undefined ? [] : [at("value", unfit)]),
      ...(first < index ? [at("condition", `branch ${first + 1} has the same condition, so this one would never be taken; leave one of them out.`)] : []),
      ...(branch.condition === "REPLIED_SINCE" && stopOnReply
        ? [at("condition", "a lead that replies leaves this sequence, so this branch would never be taken; set the sequence's stopOnReply to false.")]
        : []),
    ];
  });
}

/** The same for the same condition, in whichever order it was written. */
function keyOf({ condition, value }: Branch): string {
  const niches = condition === "NICHE_IN" && Array.isArray(value?.["niches"]) ? value["niches"].map(String).toSorted((a, b) => (a < b ? -1 : 1)) : undefined;
  return JSON.stringify([condition, niches ?? Object.entries(value ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

function valueProblem({ condition, value }: Branch): string | undefined {
  switch (condition) {
    case "ATTRIBUTE_EQUALS": {
      const entries = Object.entries(value ?? {});
      const isScalar = (each: unknown) => typeof each === "number" || typeof each === "boolean" || isShortText(each);
      if (entries.length > 0 && entries.length <= MAX_VALUES && entries.every(([, each]) => isScalar(each))) return undefined;
      return 'ATTRIBUTE_EQUALS compares attributes with texts, numbers or true and false; write a value such as {"city": "Ipoh"}.';
    }
    case "NICHE_IN": {
      const { niches, ...rest } = value ?? {};
      const isList = Array.isArray(niches) && niches.length > 0 && niches.length <= MAX_VALUES && niches.every(isShortText);
      return isList && Object.keys(rest).length === 0 ? undefined : 'NICHE_IN looks for the lead\'s niche in a list; write a value such as {"niches": ["fitness", "yoga"]}.';
    }
    case "REPLIED_SINCE":
    case "READ":
      return value === null ? undefined : `${condition} needs no value; leave it out.`;
  }
}

const isShortText = (value: unknown): boolean => typeof value === "string" && value.length <= MAX_TEXT_LENGTH;

/** For people: 'city is Ipoh'. */
export function conditionLabel({ condition, value }: Branch): string {
  switch (condition) {
    case "ATTRIBUTE_EQUALS":
      return Object.entries(value ?? {}).map(([name, each]) => `${excerpt(name, 40)} is ${excerpt(String(each), 40)}`).join(" and ");
    case "NICHE_IN":
      return `niche is ${((value?.["niches"] ?? []) as readonly unknown[]).map((niche) => excerpt(String(niche), 40)).join(" or ")}`;
    case "REPLIED_SINCE":
      return "has replied since";
    case "READ":
      return "has read it";
  }
}
