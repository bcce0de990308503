import { fc, test as property } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { findLongestChain, findLoops, findUnreachable, stepGraph } from "../../../src/sequences/step-graph.ts";

type Steps = { trigger: string; nextTrigger: string | null; isEntryPoint: boolean; branches: { nextTrigger: string | null }[] }[];

/** Each step as "trigger: next branch branch"; an entry point where it begins with ">". */
const steps = (...lines: string[]): Steps =>
  lines.map((line) => {
    const [name = "", ways = ""] = line.split(":");
    const [next = null, ...branches] = ways.trim().split(" ").filter(Boolean);
    return { trigger: name.replace(">", ""), nextTrigger: next, isEntryPoint: name.startsWith(">"), branches: branches.map((nextTrigger) => ({ nextTrigger })) };
  });

describe("loops", () => {
  test("through a branch are found", () => {
    expect(findLoops(stepGraph(steps(">a: b", "b: c a", "c:"), []))).toEqual([{ index: 1, triggers: ["a", "b", "a"] }]);
    expect(findLoops(stepGraph(steps(">a: b c", "b: d", "c: d", "d:"), []))).toEqual([]);
  });

  test("through another sequence are found, and those of others alone are theirs", () => {
    expect(findLoops(stepGraph(steps(">a: x"), [steps("x: y a", "y:")]))).toEqual([{ index: 0, triggers: ["a", "x", "a"] }]);
    expect(findLoops(stepGraph(steps(">a: x"), [steps("x: y", "y: x")]))).toEqual([]);
  });

  const graph = fc.array(fc.array(fc.nat(11), { maxLength: 3 }), { minLength: 1, maxLength: 12 });
  property.prop([graph])("are found where there are any, and only there", (ways) => {
    const own = steps(...ways.map((to, n) => `>${n}: ${to.join(" ")}`));
    // Taken off one by one, steps that lead nowhere: what is left loops.
    const left = new Set(ways.keys());
    for (let before = -1; before !== left.size; ) {
      before = left.size;
      for (const n of left) if (!(ways[n] ?? []).some((to) => left.has(to))) left.delete(n);
    }
    const loops = findLoops(stepGraph(own, []));
    expect(loops.length > 0).toBe(left.size > 0);
    for (const { triggers } of loops) {
      for (const [place, trigger] of triggers.slice(0, -1).entries()) expect(ways[Number(trigger)]).toContain(Number(triggers[place + 1]));
    }
  });
});

test("what only a branch leads to is reached", () => {
  expect(findUnreachable(stepGraph(steps(">a: b c", "b:", "c: d", "d:", "e:"), []))).toEqual([4]);
  expect(findUnreachable(stepGraph(steps(">a:", "b:"), [steps(">x: y b", "y:")]))).toEqual([]);
});

test("the longest chain goes by whichever way is longest", () => {
  expect(findLongestChain(stepGraph(steps(">a: b x", "b:"), [steps("x: y"), steps("y:")]))).toEqual({ index: 0, sequences: 3 });
  expect(findLongestChain(stepGraph(steps("m:"), [steps(">x: y m"), steps("y: z"), steps("z: w"), steps("w:")]))).toEqual({ index: 0, sequences: 2 });
});

test("a way of thousands of steps is walked without running out of stack", () => {
  const long = Array.from({ length: 20_000 }, (_, n) => `${n === 0 ? ">" : ""}${n}: ${n + 1}`);
  expect(findUnreachable(stepGraph(steps(...long, "20000:"), []))).toEqual([]);
});
