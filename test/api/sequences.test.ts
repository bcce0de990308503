import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());
beforeEach(() => server.database.pool.query("TRUNCATE sequences, removed_steps CASCADE"));

const SEQUENCE = "sequence { id name status triggerDelayHours problems { message field } steps { id dayNumber trigger nextTrigger triggerDelayHours isEntryPoint text } } userErrors { code message field }";

type Step = { dayNumber?: number; trigger: string; nextTrigger?: string | null; isEntryPoint?: boolean; text?: string; id?: string; triggerDelayHours?: number };

const step = (trigger: string, nextTrigger?: string | null, more: Partial<Step> = {}): Step => ({ dayNumber: 1, text: `Hi from ${trigger}`, trigger, ...(nextTrigger !== undefined && { nextTrigger }), ...more });
const entry = (trigger: string, nextTrigger?: string | null, more: Partial<Step> = {}): Step => step(trigger, nextTrigger, { isEntryPoint: true, ...more });

const mutate = async (field: string, args: Record<string, unknown>, types: Record<string, string>, selection = SEQUENCE) => {
  const declared = Object.entries(types).map(([name, type]) => `$${name}: ${type}`).join(", ");
  const passed = Object.keys(types).map((name) => `${name}: $${name}`).join(", ");
  const { data, errors } = await server.query(`mutation(${declared}) { it: ${field}(${passed}) { ${selection} } }`, args);
  expect(errors).toBeUndefined();
  return data.it;
};

const create = (input: { name?: string; steps?: Step[]; [field: string]: unknown }) =>
  mutate("createSequence", { input: { name: "Fitness", ...input } }, { input: "CreateSequenceInput!" });
const update = (input: { id: string; [field: string]: unknown }) => mutate("updateSequence", { input }, { input: "UpdateSequenceInput!" });
const of = (field: string) => (id: string) => mutate(field, { id }, { id: "ID!" });
const [activate, pause, archive, deleteStep] = [of("activateSequence"), of("pauseSequence"), of("archiveSequence"), of("deleteSequenceStep")];
const STEP = `step { id trigger nextTrigger } ${SEQUENCE}`;
const createStep = (sequenceId: string, input: Step) => mutate("createSequenceStep", { sequenceId, input }, { sequenceId: "ID!", input: "SequenceStepInput!" }, STEP);
const updateStep = (input: Record<string, unknown>) => mutate("updateSequenceStep", { input }, { input: "UpdateSequenceStepInput!" }, STEP);

const snapshot = async () => {
  const { rows } = await server.database.pool.query(
    "SELECT s.name, s.status, st.trigger, st.next_trigger, st.message_text FROM sequences s LEFT JOIN sequence_steps st ON st.sequence_id = s.id ORDER BY st.trigger",
  );
  return rows;
};

/** The mutation is refused with these errors, and nothing was changed. */
const refused = async (run: () => Promise<{ userErrors: unknown; sequence: unknown }>, errors: { code: string; message: unknown; field?: unknown }[]) => {
  const before = await snapshot();
  const { sequence, userErrors } = await run();
  expect(userErrors).toEqual(errors.map((error) => ({ field: expect.anything(), ...error })));
  expect(sequence).toBeNull();
  expect(await snapshot()).toEqual(before);
};

describe("a list of steps", () => {
  test("makes a sequence that is in order", async () => {
    const { sequence, userErrors } = await create({ steps: [entry("fit_start", "fit_2"), step("fit_2", null, { dayNumber: 2, triggerDelayHours: 2 })], triggerDelayHours: 12 });
    expect(userErrors).toEqual([]);
    expect(sequence).toMatchObject({ name: "Fitness", status: "DRAFT", problems: [] });
    expect(sequence.steps.map((each: Step) => [each.trigger, each.nextTrigger, each.triggerDelayHours, each.isEntryPoint])).toEqual([
      ["fit_start", "fit_2", 12, true],
      ["fit_2", null, 2, false],
    ]);
    expect(server.rung.at(-1)).toBe("enrollment");
  });

  test("is refused as a whole where a next trigger is unknown; the step is named", () =>
    refused(
      () => create({ steps: [entry("a", "b"), step("b", "nowhere")] }),
      [{
        code: "INVALID",
        message: "Step 2 (b): no step has the next trigger 'nowhere'; name the trigger of a step in this or another sequence, or leave it out where the sequence ends.",
        field: ["input", "steps", "1", "nextTrigger"],
      }],
    ));

  test("is refused where it leads in a loop", () =>
    refused(
      () => create({ steps: [entry("a", "b"), step("b", "a")] }),
      [{
        code: "INVALID",
        message: "Step 2 (b): the next triggers lead in a loop: a → b → a; leave one of them out, or let it lead elsewhere.",
        field: ["input", "steps", "1", "nextTrigger"],
      }],
    ));

  test("is refused with all its mistakes at once, whatever order its steps are given in", () =>
    refused(
      () => create({ name: " ", minDelaySeconds: 40, steps: [step("late", null, { dayNumber: 9, text: "Hi {name" }), step("lost", null, { dayNumber: 1, triggerDelayHours: 0.5 })] }),
      [
        { code: "INVALID", message: "A sequence's name must have 1 to 200 characters.", field: ["input", "name"] },
        { code: "INVALID", message: expect.stringContaining("minDelaySeconds (40) is above its maxDelaySeconds (30)"), field: ["input", "minDelaySeconds"] },
        { code: "INVALID", message: expect.stringContaining("No step is an entry point"), field: ["input", "steps", "0", "isEntryPoint"] },
        { code: "INVALID", message: expect.any(String), field: ["input", "steps", "0", "text"] },
        { code: "INVALID", message: expect.stringContaining("the hours to wait before the next step are 0.5; write a number from 1"), field: ["input", "steps", "1", "triggerDelayHours"] },
      ],
    ));

  test("is refused where a trigger is another step's, an archived sequence's too", async () => {
    const { sequence } = await create({ name: "Old", steps: [entry("a")] });
    await refused(() => create({ steps: [entry("a")] }), [{ code: "TAKEN", message: expect.stringContaining("taken by the sequence 'Old'"), field: ["input", "steps", "0", "trigger"] }]);
    await refused(() => create({ steps: [entry("b"), entry("b")] }), [{ code: "TAKEN", message: expect.stringContaining("taken by step 1 (b)"), field: ["input", "steps", "1", "trigger"] }]);
    await archive(sequence.id);
    await refused(() => create({ steps: [entry("a")] }), [{ code: "TAKEN", message: expect.stringContaining("taken by the archived sequence 'Old'"), field: ["input", "steps", "0", "trigger"] }]);
  });

  test("replaces the one before; steps keep their identity by id, or by trigger", async () => {
    const { sequence } = await create({ steps: [entry("a", "b"), step("b", "c", { dayNumber: 2 }), step("c", null, { dayNumber: 3 })] });
    const [a, b, c] = sequence.steps;
    const { sequence: changed, userErrors } = await update({
      id: sequence.id,
      // a and b change their triggers with one another; c is named by its trigger; d is new.
      steps: [entry("b", "a", { id: a.id }), step("a", "c", { id: b.id, dayNumber: 2 }), step("c", "d", { dayNumber: 3, text: "new" }), step("d", null, { dayNumber: 4 })],
    });
    expect(userErrors).toEqual([]);
    expect(changed.steps.map((each: Step) => [each.trigger, each.id, each.text])).toEqual([
      ["b", a.id, "Hi from b"],
      ["a", b.id, "Hi from a"],
      ["c", c.id, "new"],
      ["d", expect.stringContaining("SequenceStep:"), "Hi from d"],
    ]);
    await refused(
      () => update({ id: sequence.id, steps: [entry("z", null, { id: "SequenceStep:0198c7e2-5d4f-7cc1-a5a5-0123456789ab" })] }),
      [{ code: "NOT_FOUND", message: "The sequence has no step with this id; leave the id out to add a step.", field: ["input", "steps", "0", "id"] }],
    );
  });

  test("changes only what is given; null clears what can be cleared", async () => {
    const { sequence } = await create({ triggerPrefix: "fit_", steps: [entry("a")] });
    const { sequence: changed } = await update({ id: sequence.id, name: "Renamed", triggerPrefix: null });
    expect(changed).toMatchObject({ name: "Renamed", steps: [{ trigger: "a" }] });
    await refused(() => update({ id: sequence.id, minDelaySeconds: null }), [
      { code: "INVALID", message: "minDelaySeconds cannot be cleared; leave it out to keep it as it is.", field: ["input", "minDelaySeconds"] },
    ]);
  });

  test("is made once for an idempotency key", async () => {
    const input = { steps: [entry("a")], idempotencyKey: "seq" };
    const first = await create(input);
    expect((await create(input)).sequence.id).toBe(first.sequence.id);
    expect((await create({ ...input, name: "Other" })).userErrors).toMatchObject([{ code: "CONFLICT" }]);
  });
});

describe("steps one by one", () => {
  test("may leave a draft incomplete, and say what is missing", async () => {
    const { sequence } = await create({});
    expect(sequence.problems).toMatchObject([{ message: expect.stringContaining("The sequence has no steps") }]);
    const first = await createStep(sequence.id, entry("a", "b"));
    expect(first.userErrors).toEqual([]);
    expect(first.step).toMatchObject({ trigger: "a", nextTrigger: "b" });
    expect(first.sequence.problems).toMatchObject([{ message: expect.stringContaining("no step has the next trigger 'b'"), field: ["steps", "0", "nextTrigger"] }]);
    expect((await createStep(sequence.id, step("b", null, { dayNumber: 2 }))).sequence.problems).toEqual([]);
  });

  test("are refused where they are wrong in themselves", async () => {
    const { sequence } = await create({});
    await createStep(sequence.id, entry("a", "b"));
    await refused(() => createStep(sequence.id, step("b", "a")), [
      { code: "INVALID", message: "Step 2 (b): the next triggers lead in a loop: a → b → a; leave one of them out, or let it lead elsewhere.", field: ["input", "nextTrigger"] },
    ]);
    await refused(() => createStep(sequence.id, step("a")), [{ code: "TAKEN", message: expect.stringContaining("taken by step 1 (a)"), field: ["input", "trigger"] }]);
    await refused(() => createStep(sequence.id, step("c", null, { text: "Hi {name" })), [{ code: "INVALID", message: expect.any(String), field: ["input", "text"] }]);
  });

  test("keep an active sequence whole", async () => {
    const { sequence } = await create({ steps: [entry("a", "b"), step("b", null, { dayNumber: 2 })] });
    await activate(sequence.id);
    const [a, b] = sequence.steps;
    await refused(() => createStep(sequence.id, step("c", null, { dayNumber: 3 })), [{ code: "INVALID", message: "Step 3 (c): no step leads to it; make it another step's next trigger, or an entry point.", field: ["input", "trigger"] }]);
    await refused(() => updateStep({ id: b.id, nextTrigger: "nowhere" }), [{ code: "INVALID", message: expect.stringContaining("'nowhere'"), field: ["input", "nextTrigger"] }]);
    await refused(() => deleteStep(a.id), [
      { code: "INVALID", message: expect.stringContaining("No step is an entry point"), field: ["id"] },
    ]);
    const { step: changed } = await updateStep({ id: b.id, text: "Changed" });
    expect(changed.id).toBe(b.id);
  });

  test("that go are stepped over by what led to them", async () => {
    const { sequence } = await create({ steps: [entry("a", "b"), step("b", "c", { dayNumber: 2 }), step("c", null, { dayNumber: 3 })] });
    const { sequence: after } = await deleteStep(sequence.steps[1].id);
    expect(after.steps.map((each: Step) => [each.trigger, each.nextTrigger])).toEqual([["a", "c"], ["c", null]]);
    const { rows } = await server.database.pool.query("SELECT trigger, next_trigger FROM removed_steps");
    expect(rows).toEqual([{ trigger: "b", next_trigger: "c" }]);
  });

  test("null clears a step's next trigger and its own delay, and nothing else", async () => {
    const { sequence } = await create({ steps: [entry("a", "b", { triggerDelayHours: 5 }), entry("b")] });
    const { sequence: after } = await updateStep({ id: sequence.steps[0].id, nextTrigger: null, triggerDelayHours: null });
    expect(after.steps[0]).toMatchObject({ nextTrigger: null, triggerDelayHours: 24 });
    await refused(() => updateStep({ id: sequence.steps[0].id, text: null }), [{ code: "INVALID", message: "text cannot be cleared; leave it out to keep it as it is.", field: ["input", "text"] }]);
  });
});

describe("the state of a sequence", () => {
  test("becomes active only without problems", async () => {
    const { sequence } = await create({});
    await createStep(sequence.id, step("a", "b"));
    await refused(() => activate(sequence.id), [
      { code: "INVALID", message: expect.stringContaining("No step is an entry point"), field: ["steps", "0", "isEntryPoint"] },
      { code: "INVALID", message: expect.stringContaining("no step has the next trigger 'b'"), field: ["steps", "0", "nextTrigger"] },
    ]);
  });

  test("goes from draft to active and paused, and to archived for good", async () => {
    const { sequence } = await create({ steps: [entry("a")] });
    const { id } = sequence;
    await refused(() => pause(id), [{ code: "INVALID_STATE", message: "The sequence 'Fitness' is DRAFT; only an ACTIVE one can be paused.", field: ["id"] }]);
    for (const change of [activate, activate, pause, pause, activate]) expect((await change(id)).userErrors).toEqual([]);
    expect((await archive(id)).sequence.status).toBe("ARCHIVED");
    expect((await archive(id)).sequence.status).toBe("ARCHIVED");
    const gone = { code: "INVALID_STATE", message: "The sequence 'Fitness' is archived, for good; make a new one." };
    await refused(() => activate(id), [{ ...gone, field: ["id"] }]);
    await refused(() => update({ id, name: "x" }), [{ ...gone, field: ["input", "id"] }]);
    await refused(() => createStep(id, step("b")), [{ ...gone, field: ["sequenceId"] }]);
    await refused(() => deleteStep(sequence.steps[0].id), [{ ...gone, field: ["id"] }]);
  });
});

describe("a sequence that others lead to", () => {
  test("is not changed so that an active one would be broken; that one is named", async () => {
    const { sequence: warm } = await create({ name: "WARM", steps: [entry("warm")] });
    const { sequence: cold } = await create({ name: "COLD", steps: [entry("cold", "warm")] });
    await activate(cold.id);
    const error = { code: "CONFLICT", message: expect.stringMatching(/^The active sequence 'COLD' would no longer be in order\. Step 1 \(cold\): no step has the next trigger 'warm'/) };
    await refused(() => archive(warm.id), [{ ...error, field: null }]);
    await refused(() => update({ id: warm.id, steps: [entry("warmer")] }), [{ ...error, field: null }]);
    await refused(() => updateStep({ id: warm.steps[0].id, trigger: "warmer" }), [{ ...error, field: null }]);
    // What led to the step leads on to what followed it: here, to the end.
    expect((await deleteStep(warm.steps[0].id)).userErrors).toEqual([]);
    const { rows } = await server.database.pool.query("SELECT next_trigger FROM sequence_steps WHERE trigger = 'cold'");
    expect(rows).toEqual([{ next_trigger: null }]);
  });

  test("is none the worse for what was wrong elsewhere before", async () => {
    await server.database.pool.query("INSERT INTO sequences (name, is_active) VALUES ('Broken by SQL', true)");
    expect((await create({ steps: [entry("a")] })).userErrors).toEqual([]);
  });

  test("is changed by one at a time", async () => {
    const { sequence } = await create({});
    const made = await Promise.all(["a", "b"].map((trigger) => createStep(sequence.id, entry(trigger, trigger === "a" ? "b" : "a"))));
    expect(made.map(({ userErrors }) => userErrors.length).toSorted()).toEqual([0, 1]);
  });
});

test("sequences are listed by state, and counted", async () => {
  for (const name of ["one", "two", "three"]) await create({ name, steps: [entry(name)] });
  const first = await server.query("{ sequences(first: 2) { nodes { id name } totalCount pageInfo { endCursor hasNextPage } } }");
  expect(first.data.sequences).toMatchObject({ nodes: [{ name: "one" }, { name: "two" }], totalCount: 3, pageInfo: { hasNextPage: true } });
  await activate(first.data.sequences.nodes[1].id);
  const { data } = await server.query(`{ active: sequences(status: [ACTIVE]) { nodes { name } totalCount } rest: sequences(after: "${first.data.sequences.pageInfo.endCursor}") { nodes { name } } }`);
  expect(data).toEqual({ active: { nodes: [{ name: "two" }], totalCount: 1 }, rest: { nodes: [{ name: "three" }] } });
});
