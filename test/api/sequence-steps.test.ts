import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { entry, sequenceCalls, step } from "../support/sequences.ts";
import { testServer, type Loose, type TestServer } from "../support/server.ts";

let server: TestServer;
let calls: ReturnType<typeof sequenceCalls>;
beforeAll(async () => {
  server = await testServer();
  calls = sequenceCalls(server);
});
afterAll(() => server.stop());
beforeEach(() => server.database.pool.query("TRUNCATE sequences, removed_steps CASCADE"));

describe("steps one by one", () => {
  test("may leave a draft incomplete, and say what is missing", async () => {
    const { sequence } = await calls.create({});
    expect(sequence.problems).toMatchObject([{ message: expect.stringContaining("The sequence has no steps") }]);
    const first = await calls.createStep(sequence.id, entry("a", "b"));
    expect(first.userErrors).toEqual([]);
    expect(first.step).toMatchObject({ trigger: "a", nextTrigger: "b" });
    expect(first.sequence.problems).toMatchObject([
      { message: expect.stringContaining("no step has the next trigger 'b'"), field: ["steps", "0", "nextTrigger"] },
    ]);
    expect((await calls.createStep(sequence.id, step("b", null, { dayNumber: 2 }))).sequence.problems).toEqual([]);
  });

  test("are refused where they are wrong in themselves", async () => {
    const { sequence } = await calls.create({});
    await calls.createStep(sequence.id, entry("a", "b"));
    await calls.refused(
      () => calls.createStep(sequence.id, step("b", "a")),
      [
        {
          code: "INVALID",
          message: "Step 2 (b): the next triggers lead in a loop: a → b → a; leave one of them out, or let it lead elsewhere.",
          field: ["input", "nextTrigger"],
        },
      ],
    );
    await calls.refused(
      () => calls.createStep(sequence.id, step("a")),
      [{ code: "TAKEN", message: expect.stringContaining("taken by step 1 (a)"), field: ["input", "trigger"] }],
    );
    await calls.refused(
      () => calls.createStep(sequence.id, step("c", null, { text: "Hi {name" })),
      [{ code: "INVALID", message: expect.any(String), field: ["input", "text"] }],
    );
  });

  test.each([
    ["deep", "{a|".repeat(1000) + "b" + "}".repeat(1000), /nests braces more than 10 deep; flatten it/],
    ["wide", "{a|b|c|d|e|f|g|h}".repeat(200), /has 1600 alternatives; at most 500 are allowed/],
    ["long", "{a|b} ".repeat(1000), /longer than 4096 characters; shorten it/],
    ["never closed", "{".repeat(4000), /nests braces more than 10 deep; flatten it/],
  ])("a spintax bomb is refused when it is saved, with the reason: %s", async (_what, text, reason) => {
    const { sequence } = await calls.create({});
    await calls.refused(
      () => calls.createStep(sequence.id, step("a", null, { text })),
      [{ code: "INVALID", message: expect.stringMatching(reason), field: ["input", "text"] }],
    );
  });

  test("keep an active sequence whole", async () => {
    const { sequence } = await calls.create({ steps: [entry("a", "b"), step("b", null, { dayNumber: 2 })] });
    await calls.activate(sequence.id);
    const [a, b] = sequence.steps;
    await calls.refused(
      () => calls.createStep(sequence.id, step("c", null, { dayNumber: 3 })),
      [
        {
          code: "INVALID",
          message: "Step 3 (c): no step leads to it; make it another step's next trigger, or an entry point.",
          field: ["input", "trigger"],
        },
      ],
    );
    await calls.refused(
      () => calls.updateStep({ id: b.id, nextTrigger: "nowhere" }),
      [{ code: "INVALID", message: expect.stringContaining("'nowhere'"), field: ["input", "nextTrigger"] }],
    );
    await calls.refused(
      () => calls.deleteStep(a.id),
      [{ code: "INVALID", message: expect.stringContaining("No step is an entry point"), field: ["id"] }],
    );
    const { step: changed } = await calls.updateStep({ id: b.id, text: "Changed" });
    expect(changed.id).toBe(b.id);
  });

  test("that go are stepped over by what led to them", async () => {
    const { sequence } = await calls.create({
      steps: [entry("a", "b"), step("b", "c", { dayNumber: 2 }), step("c", null, { dayNumber: 3 })],
    });
    const { sequence: after } = await calls.deleteStep(sequence.steps[1].id);
    expect(after.steps.map((each: Loose) => [each.trigger, each.nextTrigger])).toEqual([
      ["a", "c"],
      ["c", null],
    ]);
    const { rows } = await server.database.pool.query("SELECT trigger, next_trigger FROM removed_steps");
    expect(rows).toEqual([{ trigger: "b", next_trigger: "c" }]);
  });

  test("null clears a step's next trigger and its own delay, and nothing else", async () => {
    const { sequence } = await calls.create({ steps: [entry("a", "b", { triggerDelayHours: 5 }), entry("b")] });
    const { sequence: after } = await calls.updateStep({ id: sequence.steps[0].id, nextTrigger: null, triggerDelayHours: null });
    expect(after.steps[0]).toMatchObject({ nextTrigger: null, triggerDelayHours: 24 });
    await calls.refused(
      () => calls.updateStep({ id: sequence.steps[0].id, text: null }),
      [{ code: "INVALID", message: "text cannot be cleared; leave it out to keep it as it is.", field: ["input", "text"] }],
    );
  });
});
