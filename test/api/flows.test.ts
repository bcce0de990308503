import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { statementsDuring } from "../support/statements.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let sequence: string;
let leads: string[];
const sql = async (text: string, values: unknown[] = []) => (await server.database.pool.query(text, values)).rows;
const ask = async (query: string, variables: Record<string, unknown> = {}) => {
  const { data, errors } = await server.query(query, variables);
  expect(errors).toBeUndefined();
  return data;
};

beforeAll(async () => {
  server = await testServer();
  const input = {
    name: "Fitness",
    steps: [
      { dayNumber: 1, trigger: "a", nextTrigger: "b", isEntryPoint: true, text: "Hi" },
      { dayNumber: 2, trigger: "b", text: "Again" },
    ],
  };
  const { it } = await ask("mutation($input: CreateSequenceInput!) { it: createSequence(input: $input) { sequence { id } } }", { input });
  sequence = it.sequence.id;
  await ask("mutation($id: ID!) { activateSequence(id: $id) { userErrors { message } } }", { id: sequence });
  const rows = await sql(
    "INSERT INTO leads (phone, name) SELECT (60123000000 + n)::text, 'Lead ' || n FROM generate_series(1, 60) n RETURNING id",
  );
  leads = rows.map(({ id }) => id);
  await sql("INSERT INTO devices (name, transport, status) VALUES ('d', 'SIMULATOR', 'ONLINE')");
});
afterAll(() => server.stop());

const ENROL =
  "mutation($id: ID!, $ids: [ID!], $limit: Int, $key: String) { it: enrollLeads(sequenceId: $id, filter: { ids: $ids }, limit: $limit, idempotencyKey: $key) { enrolled skipped userErrors { code message } } }";

describe("enrollLeads", () => {
  test("enrols those that match, once; with a limit, so many", async () => {
    const ids = leads.map((id) => `Lead:${id}`);
    expect((await ask(ENROL, { id: sequence, ids, limit: 10, key: "e" })).it).toEqual({ enrolled: 10, skipped: 0, userErrors: [] });
    expect((await ask(ENROL, { id: sequence, ids, limit: 10, key: "e" })).it).toMatchObject({ enrolled: 10 });
    expect((await ask(ENROL, { id: sequence, ids, limit: 11, key: "e" })).it).toMatchObject({
      enrolled: 0,
      userErrors: [{ code: "CONFLICT" }],
    });
    expect((await ask(ENROL, { id: sequence, ids })).it).toMatchObject({ enrolled: 50, skipped: 10 });
    expect((await ask(ENROL, { id: sequence, ids, limit: 0 })).it.userErrors).toEqual([
      { code: "INVALID", message: "limit must be a number from 1 to 100,000, not 0." },
    ]);
  });

  test("refuses a sequence that is not active", async () => {
    const { it } = await ask('mutation { it: createSequence(input: { name: "Draft" }) { sequence { id } } }');
    expect((await ask(ENROL, { id: it.sequence.id, ids: [] })).it.userErrors).toEqual([
      { code: "INVALID_STATE", message: "The sequence 'Draft' is DRAFT; only an ACTIVE one enrols leads. Activate it first." },
    ]);
  });
});

const PAGE = `query($first: Int!) { sequences(first: 1) { nodes {
  problems { message } steps { trigger triggerDelayHours sequence { name } } progress { enrolled active flowsWaiting percent }
  enrollments(first: $first) { totalCount totalCountIsExact nodes { id status currentTrigger nextTriggerTime sequence { name } lead { id phone name
      enrollments(first: 2) { totalCount nodes { id } } flows(first: 2, orderBy: { field: DUE_AT, direction: ASC }) { totalCount nodes { id } } triggerStates { state } preferredDevice { name } }
    flows { id status dueAt messageId step { trigger } device { name load { messagesHour } isAvailable } enrollment { id } waitingFor { reason until } } } } } } }`;

describe("a page of enrolments with all that hangs on it", () => {
  test("is as it should be", async () => {
    const { sequences } = await ask(PAGE, { first: 1 });
    const [node] = sequences.nodes;
    expect(node.progress).toEqual({ enrolled: 60, active: 60, flowsWaiting: 60, percent: 0 });
    expect(node.enrollments).toMatchObject({ totalCount: 60, totalCountIsExact: true });
    const [enrollment] = node.enrollments.nodes;
    expect(enrollment).toMatchObject({ status: "ACTIVE", currentTrigger: "a", sequence: { name: "Fitness" } });
    expect(enrollment.lead).toMatchObject({
      phone: expect.stringMatching(/^\+6012/),
      enrollments: { totalCount: 1 },
      flows: { totalCount: 1, nodes: [{ id: enrollment.flows[0].id }] },
    });
    expect(enrollment.flows).toMatchObject([
      {
        status: "ACTIVE",
        dueAt: enrollment.nextTriggerTime,
        step: { trigger: "a" },
        messageId: expect.stringMatching(/^[0-9A-F]{32}$/),
        waitingFor: [{ reason: "QUEUED" }],
      },
    ]);
  });

  test("takes as many statements for fifty rows as for two", async () => {
    const count = async (first: number) => (await statementsDuring(() => ask(PAGE, { first }))).length;
    await ask(PAGE, { first: 1 });
    const two = await count(2);
    expect(two).toBeGreaterThan(3);
    expect(await count(50)).toBe(two);
  });
});

describe("flows", () => {
  test("are paged in every order without losing or repeating one", async () => {
    await sql(
      "UPDATE flows SET status = 'FAILED', queued = false, attempted_at = now(), settled_at = now(), failed_at = now(), failure_code = 'REJECTED', failure_message = 'no' WHERE id IN (SELECT id FROM flows ORDER BY id LIMIT 7)",
    );
    for (const orderBy of [null, "CREATED_AT", "DUE_AT", "SENT_AT", "FAILED_AT"]) {
      for (const filter of [{}, { failureCode: ["REJECTED"] }]) {
        const order = orderBy && { field: orderBy, direction: "ASC" };
        const seen: string[] = [];
        for (let after: string | null = null, more = true; more;) {
          const { flows } = await ask(
            "query($after: String, $filter: FlowFilter, $order: FlowOrder) { flows(first: 25, after: $after, filter: $filter, orderBy: $order) { nodes { id } totalCount totalCountIsExact pageInfo { endCursor hasNextPage } } }",
            { after, filter, order },
          );
          seen.push(...flows.nodes.map(({ id }: { id: string }) => id));
          expect(flows).toMatchObject({ totalCount: "failureCode" in filter ? 7 : 60, totalCountIsExact: true });
          after = flows.pageInfo.endCursor;
          more = flows.pageInfo.hasNextPage;
        }
        expect(new Set(seen).size).toBe("failureCode" in filter ? 7 : 60);
        expect(seen).toHaveLength("failureCode" in filter ? 7 : 60);
      }
    }
  });

  test("are found by what they belong to", async () => {
    const of = async (filter: object) =>
      (await ask("query($filter: FlowFilter) { flows(filter: $filter) { totalCount nodes { failure { code message } } } }", { filter }))
        .flows;
    expect(await of({ leadId: `Lead:${leads[0]}` })).toMatchObject({ totalCount: 1 });
    expect(await of({ status: ["FAILED"], sequenceId: sequence })).toMatchObject({
      totalCount: 7,
      nodes: expect.arrayContaining([{ failure: { code: "REJECTED", message: "no" } }]),
    });
    expect(await of({ dueBefore: "2020-01-01T00:00:00Z" })).toMatchObject({ totalCount: 0 });
  });

  test("say what they wait for", async () => {
    const waits = async () =>
      (await ask("{ flows(first: 1, filter: { status: [ACTIVE] }) { nodes { waitingFor { reason } } } }")).flows.nodes[0].waitingFor.map(
        ({ reason }: { reason: string }) => reason,
      );
    await sql("UPDATE devices SET hourly_limit = 1");
    await sql(
      "INSERT INTO device_attempts (workspace_id, device_id, flow_id, at) SELECT workspace_id, id, uuid_v7(), now() - interval '10 minutes' FROM devices",
    );
    expect(await waits()).toEqual(["DEVICE_LIMITS"]);
    await sql("UPDATE devices SET status = 'OFFLINE'");
    expect(await waits()).toEqual(["NO_DEVICE_ONLINE"]);
    await ask("mutation($id: ID!) { pauseSequence(id: $id) { userErrors { code } } }", { id: sequence });
    expect(await waits()).toEqual(["SEQUENCE_PAUSED", "NO_DEVICE_ONLINE"]);
    await ask("mutation($id: ID!) { activateSequence(id: $id) { userErrors { code } } }", { id: sequence });
    await sql("UPDATE devices SET status = 'ONLINE', hourly_limit = 80");
    expect(await waits()).toEqual(["QUEUED"]);
  });

  test("are counted by the system's state", async () => {
    await sql("INSERT INTO event_batches (workspace_id, type, flow_ids) SELECT id, unnest(ARRAY['FLOW_SENT', 'FLOW_SENT', 'FLOW_FAILED']), ARRAY[id] FROM workspaces");
    await sql("INSERT INTO nodes (name, heartbeat_at) VALUES ('here', now()), ('gone', now() - interval '1 day')");
    const { system } = await ask(
      "{ system { version nodes { name } devicesOnline devicesAvailable flowsDue flowsProcessing sentLastMinute failedLastMinute oldestDueSeconds } }",
    );
    expect(system).toMatchObject({
      version: "0.0.0-test",
      nodes: [{ name: "here" }],
      devicesOnline: 1,
      devicesAvailable: 1,
      flowsDue: 53,
      flowsProcessing: 0,
      sentLastMinute: 2,
      failedLastMinute: 1,
    });
    expect(system.oldestDueSeconds).toBeGreaterThan(0);
  });
});

describe("an enrolment", () => {
  test("is paused, resumed and stopped, each as often as one likes", async () => {
    const [{ id }] = await sql("SELECT e.id FROM enrollments e JOIN flows f ON f.id = e.current_flow_id WHERE f.queued LIMIT 1");
    const run = async (mutation: string) =>
      (
        await ask(
          `mutation($id: ID!) { it: ${mutation}(id: $id) { enrollment { status stopReason currentTrigger } userErrors { code message } } }`,
          { id: `Enrollment:${id}` },
        )
      ).it;
    expect(await run("pauseEnrollment")).toMatchObject({ enrollment: { status: "PAUSED", currentTrigger: "a" }, userErrors: [] });
    expect((await run("pauseEnrollment")).enrollment.status).toBe("PAUSED");
    expect((await run("resumeEnrollment")).enrollment.status).toBe("ACTIVE");
    expect((await run("stopEnrollment")).enrollment).toEqual({ status: "STOPPED", stopReason: "OPERATOR", currentTrigger: null });
    expect((await run("stopEnrollment")).userErrors).toEqual([]);
    expect(await run("resumeEnrollment")).toEqual({
      enrollment: null,
      userErrors: [{ code: "INVALID_STATE", message: "The enrolment has ended (STOPPED); enrol the lead anew instead." }],
    });
  });
});

describe("previewMessage", () => {
  test("shows what would be sent, and what is missing", async () => {
    const { previewMessage } = await ask(
      'query($text: String!, $leadId: ID) { previewMessage(text: $text, leadId: $leadId, seed: "s") { text variants missing } }',
      { text: "{Hi|Hello} {{name}} from {{city}}", leadId: `Lead:${leads[0]}` },
    );
    expect(previewMessage).toMatchObject({ text: expect.stringMatching(/^(Hi|Hello) Lead 1 from /), variants: 2, missing: ["city"] });
    const { errors } = await server.query('{ previewMessage(text: "Hi {name") { text } }');
    expect(errors?.[0]).toMatchObject({ message: expect.stringContaining("never closed"), extensions: { code: "BAD_USER_INPUT" } });
  });

  const preview = async (args: Record<string, unknown>) => {
    const { data, errors } = await server.query(
      `query($text: String!, $leadId: ID, $sequenceId: ID, $greeting: Boolean, $visibleVariation: Boolean, $at: DateTime, $seed: String) {
         it: previewMessage(text: $text, leadId: $leadId, sequenceId: $sequenceId, greeting: $greeting, visibleVariation: $visibleVariation, at: $at, seed: $seed) { text variants missing } }`,
      { text: "Come, {{name|you}}", seed: "s", ...args },
    );
    return errors?.[0]?.message ?? data.it;
  };

  test("greets by the time of day where the lead is", async () => {
    const [utc] = await sql("INSERT INTO leads (phone, time_zone) VALUES ('60124000001', 'UTC') RETURNING id");
    const at = "2026-11-26T23:00:00Z"; // seven in the morning in Kuala Lumpur
    expect(await preview({ greeting: true, at, leadId: `Lead:${leads[0]}` })).toEqual({ text: "Selamat pagi Lead 1\n\nCome, Lead 1", variants: 1, missing: [] });
    expect(await preview({ greeting: true, at, leadId: `Lead:${utc.id}` })).toEqual({
      text: expect.stringMatching(/^(Hi|Hello|Hai) Cik\n\nCome, you$/),
      variants: 3,
      missing: ["name"],
    });
    expect(await preview({ greeting: true, at })).toMatchObject({ text: "Selamat pagi Cik\n\nCome, you" });
    expect(await preview({ greeting: true, at: "0001-01-01T00:00:00Z" })).toMatchObject({ text: "Selamat pagi Cik\n\nCome, you" });
  });

  test("has what the sequence has, unless it is told otherwise", async () => {
    const at = "2026-11-26T23:00:00Z";
    const { it } = await ask(
      'mutation { it: createSequence(input: { name: "Greets", timeZone: "Europe/London", greeting: true, visibleVariation: true }) { sequence { id } } }',
    );
    const sequenceId = it.sequence.id;
    expect(await preview({ sequenceId, at })).toMatchObject({ variants: 24, text: expect.stringMatching(/^(Hi|Hello|Hai) Cik,?\n\nCome, you\.?$/i) });
    expect(await preview({ sequenceId, at, visibleVariation: false })).toMatchObject({ variants: 3 });
    expect(await preview({ sequenceId, at, greeting: false, visibleVariation: false })).toMatchObject({ text: "Come, you", variants: 1 });
    expect(await preview({ sequenceId, at, leadId: `Lead:${leads[0]}` })).toMatchObject({ text: expect.stringContaining("Lead 1") });
    expect(await preview({ sequenceId: `Sequence:${leads[0]}` })).toBe(`There is no sequence with the id Sequence:${leads[0]}.`);
  });

  test("is the same for a flow's id as the API shows it", async () => {
    const [{ id }] = (await sql("SELECT id FROM flows LIMIT 1")) as [{ id: string }];
    const text = "{1|2|3|4|5|6|7|8|9}".repeat(5);
    expect(await preview({ text, seed: `Flow:${id}` })).toEqual(await preview({ text, seed: id }));
  });
});
