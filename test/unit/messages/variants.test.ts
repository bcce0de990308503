import { fc, test as property } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { type Variant, variantFor, variantProblems } from "../../../src/messages/variants.ts";

const people = (count: number) => Array.from({ length: count }, (_, n) => `person ${n}`);

const variant = (name: string, share: number, text = "Hi"): Variant => ({ name, share, text });

describe("who gets which", () => {
  property.prop([fc.uuid(), fc.uuid(), fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 5 })])("hangs on the person and the message alone", (message, person, shares) => {
    const variants = shares.map((share, index) => variant(`v${index}`, share));
    const given = variantFor(variants, message, person);
    expect(variantFor(structuredClone(variants), message, person)).toEqual(given);
    if (variants.length === 0) expect(given).toBeNull();
  });

  test("is drawn anew for each message", () => {
    const half = [variant("A", 50)];
    const twice = people(10_000).filter((person) => variantFor(half, "one", person) && variantFor(half, "two", person)).length;
    expect(twice / 10_000).toBeGreaterThan(0.23);
    expect(twice / 10_000).toBeLessThan(0.27);
  });

  test("a share that grows takes people from what is left, and from no other variant", () => {
    const withShare = (share: number) => people(1000).filter((person) => variantFor([variant("A", share)], "m", person));
    expect(new Set(withShare(60)).isSupersetOf(new Set(withShare(30)))).toBe(true);
    expect(withShare(30).length).toBeGreaterThan(200);
  });
});

describe("what is refused", () => {
  test.each<[string, Variant[], (string | RegExp)[]]>([
    ["nothing of good ones", [variant("A", 50), variant("B", 50)], []],
    ["too many", Array.from({ length: 11 }, (_, n) => variant(`${n}`, 1)), [/11 variants are too many; at most 10/]],
    ["more than all people", [variant("A", 60), variant("B", 50)], [/shares come to 110 %; at most 100 %/]],
    ["no name", [variant(" ", 10)], [/variant 1: a name has 1 to 50 characters, not 0/]],
    ["a name twice", [variant("A", 10), variant("A ", 10)], [/variant 2: it is called as variant 1 is/]],
    ["no share", [variant("A", 0)], [/the share is 0; write a whole number from 1 to 100/]],
    ["half a percent", [variant("A", 0.5)], [/the share is 0.5/]],
    ["a text that cannot be rendered", [variant("A", 10, "Hi {name")], [/variant 1: .*never closed/]],
  ])("%s", (_what, variants, problems) => {
    expect(variantProblems(variants).map(({ problem }) => problem)).toEqual(problems.map((problem) => expect.stringMatching(problem)));
  });
});
