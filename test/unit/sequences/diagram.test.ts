import { fc, test as property } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { diagramOf, mermaidOf } from "../../../src/sequences/diagram.ts";
import type { RuleSequence, RuleStep } from "../../../src/sequences/rules.ts";

const idOf = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`;

const step = (n: number, more: Partial<RuleStep> = {}): RuleStep => ({
  id: idOf(n),
  dayNumber: 1,
  trigger: `t${n}`,
  nextTrigger: null,
  triggerDelayHours: null,
  isEntryPoint: false,
  text: "Hi",
  media: null,
  variants: [],
  branches: [],
  ...more,
});

const sequence = (n: number, name: string, steps: readonly RuleStep[]): RuleSequence => ({
  id: idOf(n),
  name,
  triggerDelayHours: 24,
  startDelayMinutes: 0,
  minDelaySeconds: 10,
  maxDelaySeconds: 30,
  scheduleTime: null,
  scheduleToleranceMinutes: 10,
  timeZone: null,
  noDeviceGraceMinutes: 0,
  stopOnReply: false,
  quietHours: null,
  steps,
});

const cold = sequence(100, "COLD", [
  step(1, { isEntryPoint: true, nextTrigger: "t2", branches: [{ condition: "READ", value: null, nextTrigger: "t3" }, { condition: "NICHE_IN", value: { niches: ["yoga"] }, nextTrigger: null }] }),
  step(2, { nextTrigger: "nowhere", triggerDelayHours: 2 }),
]);
const warm = sequence(101, "WARM", [step(3, { nextTrigger: "t4" }), step(4), step(5)]);
const name = (n: number) => `step_${idOf(n).replaceAll("-", "")}`;

describe("the diagram", () => {
  test("has the ways of each step in their order, and what they lead on to in other sequences", () => {
    const { nodes, edges, sequences, isWhole } = diagramOf(cold, [warm, sequence(102, "HOT", [step(6)])]);
    expect(nodes.map(({ name, kind }) => [kind, name])).toEqual([
      ["STEP", name(1)],
      ["STEP", name(2)],
      ["STEP", name(3)],
      ["STEP", name(4)],
      ["END", expect.stringMatching(/^end_/)],
      ["MISSING", expect.stringMatching(/^missing_/)],
      ["END", expect.stringMatching(/^end_/)],
    ]);
    expect(edges.slice(0, 4).map(({ from, to, label }) => [from, to, label])).toEqual([
      [name(1), name(3), "1. has read it, after 24 h"],
      [name(1), expect.stringMatching(/^end_/), "2. niche is yoga, after 24 h"],
      [name(1), name(2), "else, after 24 h"],
      [name(2), expect.stringMatching(/^missing_/), "after 2 h"],
    ]);
    expect(sequences.map(({ name }) => name)).toEqual(["COLD", "WARM"]);
    expect(isWhole).toBe(true);
  });

  test("of sequences that lead in a loop comes to its end", () => {
    const { nodes, edges } = diagramOf(sequence(100, "A", [step(1, { nextTrigger: "t2" })]), [sequence(101, "B", [step(2, { nextTrigger: "t1" })])]);
    expect([nodes.length, edges.length]).toEqual([2, 2]);
  });

  test("of more steps than can be drawn says so, and no edge leads out of it", () => {
    const many = Array.from({ length: 1200 }, (_, n) => step(n + 10, { nextTrigger: n === 1199 ? null : `t${n + 11}` }));
    const { nodes, edges, isWhole } = diagramOf(sequence(100, "A", [step(1, { nextTrigger: "t10" })]), [sequence(101, "B", many)]);
    expect([nodes.length, isWhole]).toEqual([1000, false]);
    const names = new Set(nodes.map(({ name }) => name));
    expect(edges.filter(({ to }) => !names.has(to))).toEqual([]);
  });

  test("names a step the same after it was renamed", () => {
    const renamed = diagramOf({ ...cold, steps: cold.steps.map((each) => ({ ...each, trigger: `${each.trigger}_new` })) }, []);
    expect(renamed.nodes.slice(0, 2).map(({ name }) => name)).toEqual([name(1), name(2)]);
  });
});

const LINE =
  /^(?:flowchart TD| {2}subgraph sequence_\w+\["(?<box>[^"]*)"\]| {2}end| +(?:step|end|missing)_\w+(?:\(\["(?<entry>[^"]*)"\]\)|\["(?<plain>[^"]*)"\]|\(\("(?<end>[^"]*)"\)\)|\{\{"(?<missing>[^"]*)"\}\})| {2}\w+ -->\|"(?<edge>[^"]*)"\| \w+|)$/;
const decoded = (label: string) => label.replace(/#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)));

describe("the Mermaid text", () => {
  test("is a flowchart", () => {
    const text = mermaidOf(diagramOf(cold, [warm]), (id) => id === idOf(1));
    expect(text.split("\n").slice(0, 6)).toEqual([
      "flowchart TD",
      `  subgraph sequence_${idOf(100).replaceAll("-", "")}["COLD"]`,
      `    ${name(1)}(["Day 1, t1"])`,
      `    ${name(2)}["Day 1, t2"]`,
      `    end_${idOf(100).replaceAll("-", "")}(("End"))`,
      "  end",
    ]);
    expect(text).toContain(`  ${name(1)} -->|"1#46; has read it, after 24 h"| ${name(3)}`);
  });

  test.each([
    ["1. Cold", "1#46; Cold"],
    ["1) Cold", "1#41; Cold"],
    ["- Cold", "#45; Cold"],
    ["__vip__ list", "#95;#95;vip#95;#95; list"],
    ["www.example.com", "www#46;example#46;com"],
    ["  Cold", "#32;Cold"],
    ["fitness_day-2, 1.5 h?", "fitness_day-2, 1.5 h?"],
  ])("says '%s' without its being Markdown, and stays legible", (written, label) => {
    expect(mermaidOf(diagramOf(sequence(100, written, []), []), () => false)).toContain(`["${label}"]`);
  });

  const nasty = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.constantFrom('"]; click x', "a\nend\nb", "`md`", "#quot;", "style a:b#35;", "%% comment", "<script>alert(1)</script>", "x|y{z}(w)[v]", "-->", "\ud800", "名前 📣", "\u2028", "%%{init: {}}%%", "1. a", "_a_ __b__", "www.a.my"),
  );
  property.prop([nasty, nasty, nasty])("is one, whatever people call their sequences, triggers and attributes, and shows what they wrote", (sequenceName, trigger, city) => {
    const own = sequence(100, sequenceName, [step(1, { trigger, isEntryPoint: true, branches: [{ condition: "ATTRIBUTE_EQUALS", value: { city }, nextTrigger: `${trigger}?` }] })]);
    const text = mermaidOf(diagramOf(own, []), () => true);
    const lines = text.split("\n");
    for (const line of lines) expect(line).toMatch(LINE);
    // The shape is that of the data: nobody's text has begun a line, a node or an edge of its own.
    expect(lines).toHaveLength(1 + 2 + 2 + 1 + 2 + 1);
    const shown = (written: string) => written.toWellFormed().replace(/[\p{Cc}\s]+/gu, " ");
    const labels = lines.map((line) => decoded(Object.values(LINE.exec(line)?.groups ?? {}).find((label) => label !== undefined) ?? ""));
    expect(shown(labels[1] ?? "")).toBe(shown(sequenceName.replaceAll("\0", "")));
    expect(shown(labels[2] ?? "")).toBe(shown(`Day 1, ${trigger.replaceAll("\0", "")}`));
    for (const line of lines) for (const label of Object.values(LINE.exec(line)?.groups ?? {})) expect((label ?? "").replace(/#\d+;/g, "¤")).not.toMatch(/["#;`<>&:%|\\{}[\]()*+=!~@]|^ |(?<!\p{N})\.|\.(?!\p{N})|(?<![\p{L}\p{N}_-])[_-]|[_-](?![\p{L}\p{N}_-])/u);
  });
});
