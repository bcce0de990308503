import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { sequenceProblems, type RuleSequence, type RuleStep } from "../../../src/sequences/rules.ts";

const bounds = { minStepDelayHours: 1 };

const step = (trigger: string, nextTrigger: string | null = null, over: Partial<RuleStep> = {}): RuleStep => ({
  id: trigger,
  dayNumber: 1,
  trigger,
  nextTrigger,
  triggerDelayHours: null,
  isEntryPoint: false,
  text: "Hi {{name}}",
  media: null,
  variants: [],
  branches: [],
  ...over,
});

const entry = (trigger: string, nextTrigger: string | null = null, over: Partial<RuleStep> = {}) =>
  step(trigger, nextTrigger, { isEntryPoint: true, ...over });

const sequence = (steps: readonly RuleStep[], over: Partial<RuleSequence> = {}): RuleSequence => ({
  id: "s",
  name: "Fitness",
  triggerDelayHours: 24,
  startDelayMinutes: 0,
  minDelaySeconds: 10,
  maxDelaySeconds: 30,
  scheduleTime: null,
  scheduleToleranceMinutes: 10,
  timeZone: null,
  noDeviceGraceMinutes: 0,
  stopOnReply: true,
  quietHours: null,
  steps,
  ...over,
});

const nextRight = "name the trigger of a step in this or another sequence, or leave it out where the sequence ends.";
const neither = "is neither a placeholder nor a choice; write {{city}} for a value of the lead, or {Hi|Hello} for a choice.";

/** [field, message] of each problem. */
const problems = (steps: readonly RuleStep[], others: readonly RuleSequence[] = [], over: Partial<RuleSequence> = {}) =>
  sequenceProblems(sequence(steps, over), others, bounds).map(({ field, message }) => [field?.join("."), message]);

const fitness = [entry("start", "day2"), step("day2", "day3"), step("day3")];

describe("sequenceProblems", () => {
  test("finds none in a sequence that may run", () => {
    expect(problems(fitness)).toEqual([]);
    expect(problems([entry("cold", "warm")], [sequence([entry("warm", "hot")]), sequence([entry("hot")])])).toEqual([]);
    expect(problems([entry("a", "c"), entry("b", "c"), step("c")])).toEqual([]);
    expect(problems([entry("a"), step("b")], [sequence([entry("x", "b")])])).toEqual([]);
  });

  test.each<[string, readonly RuleStep[], string, string]>([
    ["no steps", [], "steps", "The sequence has no steps; give it at least one, marked as entry point."],
    [
      "no entry point",
      [step("a", "b"), step("b")],
      "steps.0.isEntryPoint",
      "No step is an entry point, so no lead could begin; mark the step that leads begin with, such as step 1 (a), with isEntryPoint.",
    ],
    [
      "an unknown next trigger",
      [entry("a", "b"), step("b", "nowhere")],
      "steps.1.nextTrigger",
      `Step 2 (b): no step has the next trigger 'nowhere'; ${nextRight}`,
    ],
    [
      "an empty next trigger",
      [entry("a", "")],
      "steps.0.nextTrigger",
      `Step 1 (a): no step has the next trigger ''; ${nextRight}`,
    ],
    [
      "a loop",
      [entry("a", "b"), step("b", "c"), step("c", "b")],
      "steps.2.nextTrigger",
      "Step 3 (c): the next triggers lead in a loop: b → c → b; leave one of them out, or let it lead elsewhere.",
    ],
    [
      "a step that leads to itself",
      [entry("a", "a")],
      "steps.0.nextTrigger",
      "Step 1 (a): the next triggers lead in a loop: a → a; leave one of them out, or let it lead elsewhere.",
    ],
    [
      "an unreachable step",
      [entry("a"), step("b")],
      "steps.1.trigger",
      "Step 2 (b): no step leads to it; make it another step's next trigger, or an entry point.",
    ],
    [
      "a trigger used twice",
      [entry("a", "b"), step("b"), step("b")],
      "steps.2.trigger",
      "Step 3 (b): the trigger is taken by step 2 (b); a trigger belongs to one step of the workspace, so choose another.",
    ],
    ["no trigger", [entry("")], "steps.0.trigger", "Step 1: the trigger is empty; write a word such as fitness_start."],
    [
      "a comma in a trigger",
      [entry("a,b")],
      "steps.0.trigger",
      "Step 1 (a,b): the trigger holds a comma, which separates triggers; write a single word such as fitness_start.",
    ],
    [
      "a blank in a trigger",
      [entry("a b")],
      "steps.0.trigger",
      "Step 1 (a b): the trigger holds a blank or a control character; write a single word such as fitness_start.",
    ],
    [
      "a trigger that is too long",
      [entry("a".repeat(101))],
      "steps.0.trigger",
      `Step 1 (${"a".repeat(40)}…): the trigger has 101 characters; at most 100 are allowed.`,
    ],
    [
      "a delay below the minimum",
      [entry("a", null, { triggerDelayHours: 0.5 })],
      "steps.0.triggerDelayHours",
      "Step 1 (a): the hours to wait before the next step are 0.5; write a number from 1 to 8760, or leave it out for the sequence's.",
    ],
    [
      "an absurd delay",
      [entry("a", null, { triggerDelayHours: 8761 })],
      "steps.0.triggerDelayHours",
      "Step 1 (a): the hours to wait before the next step are 8761; write a number from 1 to 8760, or leave it out for the sequence's.",
    ],
    [
      "a day before the first",
      [entry("a", null, { dayNumber: 0 })],
      "steps.0.dayNumber",
      "Step 1 (a): the day number is 0; write a whole number from 1 to 3650.",
    ],
    [
      "a broken text",
      [entry("a", null, { text: "Hi {city}" })],
      "steps.0.text",
      `Step 1 (a): '{city}' at character 4 ${neither}`,
    ],
  ])("names %s", (_what, steps, field, message) => expect(problems(steps)).toEqual([[field, message]]));

  test.each<[Partial<RuleSequence>, string, string]>([
    [{ triggerDelayHours: 0 }, "triggerDelayHours", "The sequence's hours between steps are 0; write a number from 1 to 8760."],
    [{ triggerDelayHours: NaN }, "triggerDelayHours", "The sequence's hours between steps are NaN; write a number from 1 to 8760."],
    [{ startDelayMinutes: -1 }, "startDelayMinutes", "The sequence's start delay is -1 minutes; write a whole number from 0 to 525600."],
    [{ minDelaySeconds: -1 }, "minDelaySeconds", "The sequence's minDelaySeconds is -1; write a whole number from 0 to 86400."],
    [{ maxDelaySeconds: 86_401 }, "maxDelaySeconds", "The sequence's maxDelaySeconds is 86401; write a whole number from 0 to 86400."],
    [
      { minDelaySeconds: 31 },
      "minDelaySeconds",
      "The sequence's minDelaySeconds (31) is above its maxDelaySeconds (30); the minimum may be at most the maximum.",
    ],
    [
      { scheduleToleranceMinutes: 0 },
      "scheduleToleranceMinutes",
      "The sequence's scheduleToleranceMinutes is 0; write a whole number from 1 to 1440.",
    ],
    [
      { scheduleToleranceMinutes: 1441 },
      "scheduleToleranceMinutes",
      "The sequence's scheduleToleranceMinutes is 1441; write a whole number from 1 to 1440.",
    ],
    [
      { noDeviceGraceMinutes: -1 },
      "noDeviceGraceMinutes",
      "The sequence's noDeviceGraceMinutes is -1; write a whole number from 0 to 525600.",
    ],
    [
      { timeZone: "Kuala Lumpur" },
      "timeZone",
      "The sequence's time zone 'Kuala Lumpur' is none; use a name of the IANA list, such as Asia/Kuala_Lumpur, or leave it out for the workspace's.",
    ],
    [
      { scheduleTime: "23:00:00", quietHours: { start: "22:00:00", end: "08:00:00" } },
      "scheduleTime",
      "The sequence sends from 23:00 on for 10 minutes, all of which lies in the workspace's quiet hours (22:00 to 08:00), so that nothing would ever be sent; choose another time, or other quiet hours.",
    ],
  ])("names bad times of the sequence itself: %j", (over, field, message) => {
    expect(problems(fitness, [], over)).toEqual([[field, message]]);
  });

  test("allows a window that quiet hours cover in part, and quiet hours where there is no window", () => {
    const quietHours = { start: "22:00", end: "08:00" };
    expect(problems(fitness, [], { quietHours, scheduleTime: "07:51" })).toEqual([]);
    expect(problems(fitness, [], { quietHours })).toEqual([]);
  });

  test("takes a delay of 0 where the server allows it", () => {
    expect(sequenceProblems(sequence(fitness, { triggerDelayHours: 0 }), [], { minStepDelayHours: 0 })).toEqual([]);
  });

  test("says TAKEN of a trigger that another sequence has, and INVALID of all else", () => {
    const found = sequenceProblems(sequence([entry("a", "zzz")]), [sequence([entry("a")], { name: "WARM" })], bounds);
    expect(found.map(({ code }) => code)).toEqual(["TAKEN", "INVALID"]);
    expect(found[0]?.message).toContain("taken by the sequence 'WARM'");
  });

  test.each<[string, readonly RuleStep[], true | undefined]>([
    ["no steps", [], true],
    ["no entry point", [step("a")], true],
    ["a next step that may still come", [entry("a", "b")], true],
    ["a step that nothing leads to yet", [entry("a"), step("b")], true],
    ["a loop", [entry("a", "a")], undefined],
    ["a broken text", [entry("a", null, { text: "{" })], undefined],
  ])("tells what is merely incomplete from what is wrong: %s", (_what, steps, expected) => {
    expect(sequenceProblems(sequence(steps), [], bounds).map(({ incomplete }) => incomplete)).toEqual([expected]);
  });

  test("names a loop through other sequences at the step that leads out", () => {
    const others = [sequence([entry("warm", "hot")]), sequence([entry("hot", "cold2")])];
    expect(problems([entry("cold", "cold2"), step("cold2", "warm")], others)).toEqual([
      ["steps.1.nextTrigger", expect.stringContaining("Step 2 (cold2): the next triggers lead in a loop: cold2 → warm → hot → cold2;")],
    ]);
  });

  test("leaves the others' mistakes to them", () => {
    const others = [sequence([step("x", "y"), step("y", "x")]), sequence([step("z", "nowhere", { text: "{" })])];
    expect(problems([entry("a", "x")], others)).toEqual([]);
  });

  test("shows of a long loop its beginning and its end", () => {
    const steps = Array.from({ length: 500 }, (_, i) => step(`t${i}`, `t${(i + 1) % 500}`, { isEntryPoint: i === 0 }));
    const path = "t0 → t1 → t2 → t3 → t4 → t5 → t6 → t7 → t8 → t9 → … → t499 → t0;";
    expect(problems(steps)).toEqual([["steps.499.nextTrigger", expect.stringContaining(path)]]);
  });

  test("allows a chain of 50 sequences, wherever in it this one stands, and no more", () => {
    const chain = (length: number) =>
      Array.from({ length }, (_, i) => sequence([entry(`s${i}`, `s${i}b`), step(`s${i}b`, i + 1 < length ? `s${i + 1}` : null)]));
    const problemsAt = (all: readonly RuleSequence[], at: number) =>
      problems(all[at]?.steps ?? [], all.filter((_, index) => index !== at));
    for (const at of [0, 25, 49]) expect(problemsAt(chain(50), at)).toEqual([]);
    for (const at of [0, 25, 50]) {
      expect(problemsAt(chain(51), at)).toEqual([
        [
          "steps.1.nextTrigger",
          `Step 2 (s${at}b): it is part of a chain of 51 sequences; at most 50 may follow each other, so end it earlier.`,
        ],
      ]);
    }
  });

  const triggers = fc.constantFrom("a", "b", "c", "d", "e", "f");
  const steps = fc.array(fc.record({ trigger: triggers, nextTrigger: fc.option(triggers), isEntryPoint: fc.boolean() }), { maxLength: 5 });
  const workspace = fc.array(
    steps.map((all) => sequence(all.map((each) => step(each.trigger, each.nextTrigger, each)))),
    { minLength: 1, maxLength: 4 },
  );

  // Each trigger once, and none that leads nowhere: of triggers drawn at random one workspace in a hundred was in order, and the property ran out of them.
  const orderly = fc
    .array(fc.record({ nextTrigger: fc.option(fc.nat(5)), isEntryPoint: fc.boolean(), place: fc.nat(3) }), { minLength: 1, maxLength: 6 })
    .map((ways) => {
      const all = ways.map(({ nextTrigger, isEntryPoint, place }, n) => ({
        place: n === 0 ? 0 : place,
        step: step(`t${n}`, nextTrigger === null ? null : `t${nextTrigger % ways.length}`, { isEntryPoint: isEntryPoint || n === 0 }),
      }));
      return [0, 1, 2, 3].map((place) => sequence(all.filter((each) => each.place === place).map((each) => each.step)));
    });

  test.prop([orderly])("lets nothing run that would not end, or that no lead could walk", ([first = sequence([]), ...others]) => {
    const all = [first, ...others].flatMap((each) => each.steps);
    const next = new Map(all.map((each) => [each.trigger, each.nextTrigger]));
    fc.pre(sequenceProblems(first, others, bounds).length === 0);
    const fromOutside = others.flatMap((other) => other.steps.map((each) => each.nextTrigger));
    const walked = new Set<string>();
    for (const start of first.steps.filter((each) => each.isEntryPoint || fromOutside.includes(each.trigger))) {
      const path = new Set<string>();
      for (let at: string | null | undefined = start.trigger; at; at = next.get(at)) {
        walked.add(at);
        // Loops that lie wholly in other sequences are named there.
        if (path.has(at)) {
          expect(first.steps.map((each) => each.trigger)).not.toContain(at);
          break;
        }
        path.add(at);
      }
    }
    expect(first.steps.some((each) => each.isEntryPoint)).toBe(true);
    expect(first.steps.filter((each) => !walked.has(each.trigger))).toEqual([]);
  });

  test.prop([workspace])("names the field of each problem", ([first = sequence([]), ...others]) => {
    for (const { field, message } of sequenceProblems(first, others, bounds)) {
      expect(field?.[0]).toBe("steps");
      if (field?.length === 3) expect(message).toContain(`tep ${Number(field[1]) + 1}`);
    }
  });

  test("looks at 5,000 steps, and 5,000 of others, without comparing each with each", () => {
    const chain = (prefix: string) => Array.from({ length: 5000 }, (_, i) => entry(`${prefix}${i}`, i < 4999 ? `${prefix}${i + 1}` : null));
    const start = performance.now();
    expect(problems(chain("a"), [sequence(chain("b"))])).toEqual([]);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
