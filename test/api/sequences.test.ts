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

describe("a list of steps", () => {
  test("makes a sequence that is in order", async () => {
    const { sequence, userErrors } = await calls.create({
      steps: [entry("fit_start", "fit_2"), step("fit_2", null, { dayNumber: 2, triggerDelayHours: 2 })],
      triggerDelayHours: 12,
    });
    expect(userErrors).toEqual([]);
    expect(sequence).toMatchObject({ name: "Fitness", status: "DRAFT", problems: [] });
    expect(sequence.steps.map((each: Loose) => [each.trigger, each.nextTrigger, each.triggerDelayHours, each.isEntryPoint])).toEqual([
      ["fit_start", "fit_2", 12, true],
      ["fit_2", null, 2, false],
    ]);
    expect(server.rung.at(-1)).toBe("enrollment");
  });

  test("is refused as a whole where a next trigger is unknown; the step is named", async () => {
    await expect(
      calls.refused(
        () => calls.create({ steps: [entry("a", "b"), step("b", "nowhere")] }),
        [
          {
            code: "INVALID",
            message:
              "Step 2 (b): no step has the next trigger 'nowhere'; name the trigger of a step in this or another sequence, or leave it out where the sequence ends.",
            field: ["input", "steps", "1", "nextTrigger"],
          },
        ],
      ),
    ).resolves.toBeUndefined();
  });

  test("is refused where it leads in a loop", async () => {
    await expect(
      calls.refused(
        () => calls.create({ steps: [entry("a", "b"), step("b", "a")] }),
        [
          {
            code: "INVALID",
            message: "Step 2 (b): the next triggers lead in a loop: a → b → a; leave one of them out, or let it lead elsewhere.",
            field: ["input", "steps", "1", "nextTrigger"],
          },
        ],
      ),
    ).resolves.toBeUndefined();
  });

  test("is refused with all its mistakes at once, whatever order its steps are given in", async () => {
    await calls.refused(
      () =>
        calls.create({
          name: " ",
          minDelaySeconds: 40,
          steps: [step("late", null, { dayNumber: 9, text: "Hi {name" }), step("lost", null, { dayNumber: 1, triggerDelayHours: 0.5 })],
        }),
      [
        { code: "INVALID", message: "A sequence's name must have 1 to 200 characters.", field: ["input", "name"] },
        {
          code: "INVALID",
          message: expect.stringContaining("minDelaySeconds (40) is above its maxDelaySeconds (30)"),
          field: ["input", "minDelaySeconds"],
        },
        { code: "INVALID", message: expect.stringContaining("No step is an entry point"), field: ["input", "steps", "0", "isEntryPoint"] },
        { code: "INVALID", message: expect.any(String), field: ["input", "steps", "0", "text"] },
        {
          code: "INVALID",
          message: expect.stringContaining("the hours to wait before the next step are 0.5; write a number from 1"),
          field: ["input", "steps", "1", "triggerDelayHours"],
        },
      ],
    );
  });

  test("is refused where a text could make too much of itself, with the reason", async () => {
    const wide = `{${Array.from({ length: 501 }, (_, n) => n).join("|")}}`;
    const deep = "{a|".repeat(11) + "}".repeat(11);
    await calls.refused(
      () => calls.create({ steps: [entry("a", "b", { text: wide }), step("b", "c", { text: deep }), step("c", null, { text: "x".repeat(4097) })] }),
      [
        { code: "INVALID", message: "Step 1 (a): The message has 501 alternatives; at most 500 are allowed.", field: ["input", "steps", "0", "text"] },
        { code: "INVALID", message: expect.stringContaining("nests braces more than 10 deep; flatten it."), field: ["input", "steps", "1", "text"] },
        { code: "INVALID", message: "Step 3 (c): The message is longer than 4096 characters; shorten it.", field: ["input", "steps", "2", "text"] },
      ],
    );
  });

  test("is refused where a trigger is another step's, an archived sequence's too", async () => {
    const { sequence } = await calls.create({ name: "Old", steps: [entry("a")] });
    await calls.refused(
      () => calls.create({ steps: [entry("a")] }),
      [{ code: "TAKEN", message: expect.stringContaining("taken by the sequence 'Old'"), field: ["input", "steps", "0", "trigger"] }],
    );
    await calls.refused(
      () => calls.create({ steps: [entry("b"), entry("b")] }),
      [{ code: "TAKEN", message: expect.stringContaining("taken by step 1 (b)"), field: ["input", "steps", "1", "trigger"] }],
    );
    await calls.archive(sequence.id);
    await calls.refused(
      () => calls.create({ steps: [entry("a")] }),
      [
        {
          code: "TAKEN",
          message: expect.stringContaining("taken by the archived sequence 'Old'"),
          field: ["input", "steps", "0", "trigger"],
        },
      ],
    );
  });

  test("replaces the one before; steps keep their identity by id, or by trigger", async () => {
    const { sequence } = await calls.create({
      steps: [entry("a", "b"), step("b", "c", { dayNumber: 2 }), step("c", null, { dayNumber: 3 })],
    });
    const [a, b, c] = sequence.steps;
    const { sequence: changed, userErrors } = await calls.update({
      id: sequence.id,
      // a and b change their triggers with one another; c is named by its trigger; d is new.
      steps: [
        entry("b", "a", { id: a.id }),
        step("a", "c", { id: b.id, dayNumber: 2 }),
        step("c", "d", { dayNumber: 3, text: "new" }),
        step("d", null, { dayNumber: 4 }),
      ],
    });
    expect(userErrors).toEqual([]);
    expect(changed.steps.map((each: Loose) => [each.trigger, each.id, each.text])).toEqual([
      ["b", a.id, "Hi from b"],
      ["a", b.id, "Hi from a"],
      ["c", c.id, "new"],
      ["d", expect.stringContaining("SequenceStep:"), "Hi from d"],
    ]);
    await calls.refused(
      () => calls.update({ id: sequence.id, steps: [entry("z", null, { id: "SequenceStep:0198c7e2-5d4f-7cc1-a5a5-0123456789ab" })] }),
      [
        {
          code: "NOT_FOUND",
          message: "The sequence has no step with this id; leave the id out to add a step.",
          field: ["input", "steps", "0", "id"],
        },
      ],
    );
  });

  test("changes only what is given; null clears what can be cleared", async () => {
    const { sequence } = await calls.create({ triggerPrefix: "fit_", steps: [entry("a")] });
    const { sequence: changed } = await calls.update({ id: sequence.id, name: "Renamed", triggerPrefix: null });
    expect(changed).toMatchObject({ name: "Renamed", steps: [{ trigger: "a" }] });
    await calls.refused(
      () => calls.update({ id: sequence.id, minDelaySeconds: null }),
      [
        {
          code: "INVALID",
          message: "minDelaySeconds cannot be cleared; leave it out to keep it as it is.",
          field: ["input", "minDelaySeconds"],
        },
      ],
    );
  });

  test("is made once for an idempotency key", async () => {
    const input = { steps: [entry("a")], idempotencyKey: "seq" };
    const first = await calls.create(input);
    expect((await calls.create(input)).sequence.id).toBe(first.sequence.id);
    expect((await calls.create({ ...input, name: "Other" })).userErrors).toMatchObject([{ code: "CONFLICT" }]);
  });
});

describe("the schedule of a sequence", () => {
  const SCHEDULE = "sequence { id scheduleTime scheduleToleranceMinutes timeZone noDeviceGraceMinutes problems { message field } } userErrors { code message field }";
  const create = (input: object) =>
    calls.mutate("createSequence", { input: { name: "Daily", steps: [entry("a")], ...input } }, { input: "CreateSequenceInput!" }, SCHEDULE);
  const update = (input: object) => calls.mutate("updateSequence", { input }, { input: "UpdateSequenceInput!" }, SCHEDULE);
  const quiet = (start: string | null, end: string | null) =>
    server.database.pool.query("UPDATE workspaces SET quiet_start = $1, quiet_end = $2", [start, end]);

  test("is none at first; each part is set, kept and cleared", async () => {
    const { sequence } = await create({});
    const none = { scheduleTime: null, scheduleToleranceMinutes: 10, timeZone: null, noDeviceGraceMinutes: 0 };
    expect(sequence).toMatchObject({ ...none, problems: [] });
    const all = { scheduleTime: "09:00", scheduleToleranceMinutes: 30, timeZone: "Asia/Jakarta", noDeviceGraceMinutes: 5 };
    expect((await update({ id: sequence.id, ...all })).sequence).toMatchObject(all);
    expect((await update({ id: sequence.id, name: "Renamed" })).sequence).toMatchObject(all);
    expect((await update({ id: sequence.id, scheduleTime: null, timeZone: null })).sequence).toMatchObject({ ...all, scheduleTime: null, timeZone: null });
  });

  test("is refused where it cannot be, field by field", async () => {
    const { sequence, userErrors } = await create({ scheduleTime: "09:00", scheduleToleranceMinutes: 1441, noDeviceGraceMinutes: -1 });
    expect(sequence).toBeNull();
    expect(userErrors).toEqual([
      {
        code: "INVALID",
        message: "The sequence's scheduleToleranceMinutes is 1441; write a whole number from 1 to 1440.",
        field: ["input", "scheduleToleranceMinutes"],
      },
      {
        code: "INVALID",
        message: "The sequence's noDeviceGraceMinutes is -1; write a whole number from 0 to 525600.",
        field: ["input", "noDeviceGraceMinutes"],
      },
    ]);
    const made = await create({});
    expect((await update({ id: made.sequence.id, scheduleToleranceMinutes: null })).userErrors).toMatchObject([
      { message: "scheduleToleranceMinutes cannot be cleared; leave it out to keep it as it is.", field: ["input", "scheduleToleranceMinutes"] },
    ]);
  });

  test("is refused, or a problem, where the quiet hours cover all of it", async () => {
    await quiet("22:00", "08:00");
    const { userErrors } = await create({ scheduleTime: "07:50" });
    expect(userErrors).toEqual([
      { code: "INVALID", message: expect.stringContaining("all of which lies in the workspace's quiet hours (22:00 to 08:00)"), field: ["input", "scheduleTime"] },
    ]);
    const { sequence } = await create({ scheduleTime: "07:51" });
    await quiet("22:00", "08:01");
    expect((await update({ id: sequence.id, timeZone: "Asia/Jakarta" })).userErrors).toMatchObject([{ field: ["input", "scheduleTime"] }]);
    expect((await calls.activate(sequence.id)).userErrors).toMatchObject([{ field: ["scheduleTime"] }]);
    const { data } = await server.query("query($id: ID!) { sequence(id: $id) { problems { field } } }", { id: sequence.id });
    expect(data.sequence.problems).toEqual([{ field: ["scheduleTime"] }]);
    await quiet(null, null);
    expect((await calls.activate(sequence.id)).userErrors).toEqual([]);
  });
});

describe("the greeting and the variation of a sequence", () => {
  const DRESS = "sequence { id greeting visibleVariation } userErrors { message field }";
  const create = (input: object) => calls.mutate("createSequence", { input: { name: "Greets", ...input } }, { input: "CreateSequenceInput!" }, DRESS);
  const update = (input: object) => calls.mutate("updateSequence", { input }, { input: "UpdateSequenceInput!" }, DRESS);

  test("are off at first, and are set one by one", async () => {
    const { sequence } = await create({});
    expect(sequence).toMatchObject({ greeting: false, visibleVariation: false });
    expect((await update({ id: sequence.id, greeting: true })).sequence).toMatchObject({ greeting: true, visibleVariation: false });
    expect((await update({ id: sequence.id, visibleVariation: true })).sequence).toMatchObject({ greeting: true, visibleVariation: true });
    expect((await update({ id: sequence.id, name: "Renamed", greeting: false })).sequence).toMatchObject({ greeting: false, visibleVariation: true });
    expect((await create({ greeting: true, visibleVariation: true })).sequence).toMatchObject({ greeting: true, visibleVariation: true });
  });

  test("cannot be cleared", async () => {
    const { sequence } = await create({ greeting: true });
    expect(await update({ id: sequence.id, greeting: null, visibleVariation: null })).toEqual({
      sequence: null,
      userErrors: ["greeting", "visibleVariation"].map((field) => ({ message: `${field} cannot be cleared; leave it out to keep it as it is.`, field: ["input", field] })),
    });
  });
});

describe("the state of a sequence", () => {
  test("becomes active only without problems", async () => {
    const { sequence } = await calls.create({});
    await calls.createStep(sequence.id, step("a", "b"));
    await calls.refused(
      () => calls.activate(sequence.id),
      [
        { code: "INVALID", message: expect.stringContaining("No step is an entry point"), field: ["steps", "0", "isEntryPoint"] },
        { code: "INVALID", message: expect.stringContaining("no step has the next trigger 'b'"), field: ["steps", "0", "nextTrigger"] },
      ],
    );
  });

  test("goes from draft to active and paused, and to archived for good", async () => {
    const { sequence } = await calls.create({ steps: [entry("a")] });
    const { id } = sequence;
    await calls.refused(
      () => calls.pause(id),
      [{ code: "INVALID_STATE", message: "The sequence 'Fitness' is DRAFT; only an ACTIVE one can be paused.", field: ["id"] }],
    );
    for (const change of [calls.activate, calls.activate, calls.pause, calls.pause, calls.activate])
      expect((await change(id)).userErrors).toEqual([]);
    expect((await calls.archive(id)).sequence.status).toBe("ARCHIVED");
    expect((await calls.archive(id)).sequence.status).toBe("ARCHIVED");
    const gone = { code: "INVALID_STATE", message: "The sequence 'Fitness' is archived, for good; make a new one." };
    await calls.refused(() => calls.activate(id), [{ ...gone, field: ["id"] }]);
    await calls.refused(() => calls.update({ id, name: "x" }), [{ ...gone, field: ["input", "id"] }]);
    await calls.refused(() => calls.createStep(id, step("b")), [{ ...gone, field: ["sequenceId"] }]);
    await calls.refused(() => calls.deleteStep(sequence.steps[0].id), [{ ...gone, field: ["id"] }]);
  });
});

describe("a sequence that others lead to", () => {
  test("is not changed so that an active one would be broken; that one is named", async () => {
    const { sequence: warm } = await calls.create({ name: "WARM", steps: [entry("warm")] });
    const { sequence: cold } = await calls.create({ name: "COLD", steps: [entry("cold", "warm")] });
    await calls.activate(cold.id);
    const error = {
      code: "CONFLICT",
      message: expect.stringMatching(
        /^The active sequence 'COLD' would no longer be in order\. Step 1 \(cold\): no step has the next trigger 'warm'/,
      ),
    };
    await calls.refused(() => calls.archive(warm.id), [{ ...error, field: null }]);
    await calls.refused(() => calls.update({ id: warm.id, steps: [entry("warmer")] }), [{ ...error, field: null }]);
    await calls.refused(() => calls.updateStep({ id: warm.steps[0].id, trigger: "warmer" }), [{ ...error, field: null }]);
    // What led to the step leads on to what followed it: here, to the end.
    expect((await calls.deleteStep(warm.steps[0].id)).userErrors).toEqual([]);
    const { rows } = await server.database.pool.query("SELECT next_trigger FROM sequence_steps WHERE trigger = 'cold'");
    expect(rows).toEqual([{ next_trigger: null }]);
  });

  test("is none the worse for what was wrong elsewhere before", async () => {
    await server.database.pool.query("INSERT INTO sequences (name, is_active) VALUES ('Broken by SQL', true)");
    expect((await calls.create({ steps: [entry("a")] })).userErrors).toEqual([]);
  });

  test("is changed by one at a time", async () => {
    const { sequence } = await calls.create({});
    const made = await Promise.all(["a", "b"].map((trigger) => calls.createStep(sequence.id, entry(trigger, trigger === "a" ? "b" : "a"))));
    expect(made.map(({ userErrors }) => userErrors.length).toSorted((a, b) => a - b)).toEqual([0, 1]);
  });
});

test("sequences are listed by state, and counted", async () => {
  for (const name of ["one", "two", "three"]) await calls.create({ name, steps: [entry(name)] });
  const first = await server.query("{ sequences(first: 2) { nodes { id name } totalCount pageInfo { endCursor hasNextPage } } }");
  expect(first.data.sequences).toMatchObject({ nodes: [{ name: "one" }, { name: "two" }], totalCount: 3, pageInfo: { hasNextPage: true } });
  await calls.activate(first.data.sequences.nodes[1].id);
  const { data } = await server.query(
    `{ active: sequences(status: [ACTIVE]) { nodes { name } totalCount } rest: sequences(after: "${first.data.sequences.pageInfo.endCursor}") { nodes { name } } }`,
  );
  expect(data).toEqual({ active: { nodes: [{ name: "two" }], totalCount: 1 }, rest: { nodes: [{ name: "three" }] } });
});
