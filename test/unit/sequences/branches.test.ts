import { describe, expect, test } from "vitest";
import { type Branch, branchProblems, conditionLabel } from "../../../src/sequences/branches.ts";

const branch = (condition: Branch["condition"], value: Branch["value"] = null): Branch => ({ condition, value, nextTrigger: "next" });
const city = (name: unknown) => branch("ATTRIBUTE_EQUALS", { city: name });

describe("what is refused", () => {
  test.each<[string, Branch[], (string | RegExp)[]]>([
    ["nothing of good ones", [city("Ipoh"), branch("NICHE_IN", { niches: ["fitness"] }), branch("REPLIED_SINCE"), branch("READ")], []],
    ["too many", Array.from({ length: 11 }, (_, n) => city(n)), [/11 branches are too many; at most 10/]],
    ["no attribute", [branch("ATTRIBUTE_EQUALS", {}), branch("ATTRIBUTE_EQUALS")], [/branch 1: ATTRIBUTE_EQUALS compares/, /branch 2: ATTRIBUTE_EQUALS/, /branch 1 has the same condition/]],
    ["an attribute that is a list", [city(["Ipoh"])], [/compares attributes with texts, numbers or true and false/]],
    ["no niches", [branch("NICHE_IN", { niches: [] })], [/write a value such as \{"niches": \["fitness", "yoga"\]\}/]],
    ["something beside the niches", [branch("NICHE_IN", { niches: ["a"], city: "b" })], [/NICHE_IN looks for/]],
    ["a value where none is needed", [branch("READ", { minutes: 5 })], [/READ needs no value; leave it out/]],
    ["the same condition again", [branch("NICHE_IN", { niches: ["a", "b"] }), branch("NICHE_IN", { niches: ["b", "a"] })], [/branch 2: branch 1 has the same condition/]],
  ])("%s", (_what, branches, problems) => {
    expect(branchProblems(branches, { stopOnReply: false }).map(({ problem }) => problem)).toEqual(problems.map((problem) => expect.stringMatching(problem)));
  });

  test("a reply, where who replies leaves the sequence", () => {
    expect(branchProblems([branch("REPLIED_SINCE")], { stopOnReply: true })).toEqual([{ field: ["0", "condition"], problem: expect.stringContaining("set the sequence's stopOnReply to false") }]);
  });
});

test("a condition can be read", () => {
  expect(conditionLabel(branch("ATTRIBUTE_EQUALS", { city: "Ipoh", vip: true }))).toBe("city is Ipoh and vip is true");
  expect(conditionLabel(branch("NICHE_IN", { niches: ["fitness", "yoga"] }))).toBe("niche is fitness or yoga");
});
