// An operator's own decisions on single flows: to attempt a failed one again, and to cancel one that waits.

import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Ending, settleFlows } from "../../src/flows/settle.ts";
import { entry, sequenceCalls, step } from "../support/sequences.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let calls: ReturnType<typeof sequenceCalls>;

const sql = async (text: string, values: unknown[] = []) => (await server.database.pool.query(text, values)).rows;
const ask = async (query: string, variables: Record<string, unknown> = {}) => {
  const { data, errors } = await server.query(query, variables);
  expect(errors).toBeUndefined();
  return data;
};

beforeAll(async () => {
  server = await testServer();
  calls = sequenceCalls(server);
});
afterAll(() => server.stop());
beforeEach(() => sql("TRUNCATE sequences, leads, enrollments, flows, lanes, devices, event_batches, removed_steps, idempotency_keys CASCADE"));

const REFUSED: Ending = { kind: "refused", code: "REJECTED", message: "no" };
const UNKNOWN: Ending = { kind: "unknown", message: "Nothing was heard." };
const ACCEPTED: Ending = { kind: "accepted", at: new Date() };
const NO_DEVICE: Ending = { kind: "no_device", message: "none" };

/** A sequence of three steps with so many leads at the first. */
async function enrolled(count = 1, fields: Record<string, unknown> = {}): Promise<{ sequence: string; leads: string[] }> {
  const steps = [entry("a", "b"), step("b", "c"), step("c")];
  const { sequence } = await calls.create({ steps, ...fields });
  await calls.activate(sequence.id);
  const rows = await sql("INSERT INTO leads (phone) SELECT (60123000000 + n)::text FROM generate_series(1, $1::int) n RETURNING id", [count]);
  const leads = rows.map(({ id }) => id as string);
  await ask("mutation($id: ID!) { enrollLeads(sequenceId: $id, filter: {}) { enrolled } }", { id: sequence.id });
  return { sequence: sequence.id, leads };
}

const current = async (lead: string): Promise<string> =>
  (await sql("SELECT current_flow_id AS id FROM enrollments WHERE lead_id = $1 ORDER BY id DESC LIMIT 1", [lead]))[0].id;

/** Ends a flow as its attempt would; one that fails without a device is not attempted. */
async function end(flowId: string, ending: Ending): Promise<void> {
  const attemptId = ending.kind === "no_device" ? null : randomUUID();
  if (attemptId !== null) {
    await sql("UPDATE flows SET queued = false, status = 'PROCESSING', attempted_at = now(), attempt_id = $2 WHERE id = $1", [flowId, attemptId]);
  }
  expect([...(await settleFlows(server.database.pool, [{ flowId, attemptId, ending }], 1))]).toEqual([flowId]);
}

/** A lead whose first flow has failed. */
async function failed(ending: Ending = REFUSED, fields: Record<string, unknown> = {}): Promise<{ flow: string; lead: string; sequence: string }> {
  const { sequence, leads } = await enrolled(1, fields);
  const lead = leads[0] ?? "";
  const flow = await current(lead);
  await end(flow, ending);
  return { flow, lead, sequence };
}

const FLOW = "flow { id status dueAt retryOf { id } retriedAs { id } step { trigger } enrollment { id } device { id } waitingFor { reason } } userErrors { code message field }";

const retry = async (flow: string, idempotencyKey?: string) =>
  (await ask(`mutation($id: ID!, $key: String) { it: retryFlow(id: $id, idempotencyKey: $key) { ${FLOW} } }`, { id: `Flow:${flow}`, key: idempotencyKey })).it;
const cancel = async (flow: string) => (await ask(`mutation($id: ID!) { it: cancelFlow(id: $id) { ${FLOW} } }`, { id: `Flow:${flow}` })).it;
const retryAll = async (filter: Record<string, unknown>, idempotencyKey?: string) =>
  (
    await ask("mutation($filter: FlowFilter!, $key: String) { it: retryFlows(filter: $filter, idempotencyKey: $key) { retried refused userErrors { code message field } } }", {
      filter,
      key: idempotencyKey,
    })
  ).it;

const rowsOfFlows = () => sql("SELECT * FROM flows ORDER BY id");

/** The mutation is refused with this, and no flow was changed or made. */
async function refuses(run: () => Promise<{ flow: unknown; userErrors: unknown }>, code: string, message: string) {
  const before = await rowsOfFlows();
  expect(await run()).toEqual({ flow: null, userErrors: [{ code, message: expect.stringContaining(message), field: ["id"] }] });
  expect(await rowsOfFlows()).toEqual(before);
}

describe("retryFlow", () => {
  test("makes a new flow of a failed one, once", async () => {
    const { flow, lead } = await failed();
    const [{ id: device }] = await sql("INSERT INTO devices (name, transport, status) VALUES ('d', 'SIMULATOR', 'ONLINE') RETURNING id");
    await sql("UPDATE leads SET last_device_id = $1", [device]);
    server.rung.length = 0;
    const { flow: made, userErrors } = await retry(flow);
    expect(userErrors).toEqual([]);
    expect(made).toMatchObject({ status: "ACTIVE", retryOf: { id: `Flow:${flow}` }, retriedAs: null, step: { trigger: "a" }, waitingFor: [{ reason: "QUEUED" }] });
    expect(made.device.id).toBe(`Device:${device}`);
    expect(server.rung).toEqual(["events"]);

    const [before, after] = await sql("SELECT * FROM flows WHERE step_id = (SELECT step_id FROM flows WHERE id = $1) ORDER BY id", [flow]);
    const kept = ({ workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id }: Record<string, unknown>) => ({ workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id });
    expect(kept(after)).toEqual(kept(before));
    expect(before).toMatchObject({ status: "FAILED", retried_as: after.id, retry_count: 0 });
    expect(after).toMatchObject({ queued: true, retry_of: flow, retry_count: 1, attempted_at: null });
    expect(Math.abs(after.due_at.getTime() - Date.now())).toBeLessThan(60_000);
    expect(await sql("SELECT type FROM events WHERE flow_id = $1", [after.id])).toEqual([{ type: "FLOW_ACTIVATED" }]);
    // The enrolment went on when the first one failed.
    expect(await current(lead)).not.toBe(after.id);
    await refuses(() => retry(flow), "INVALID_STATE", `It has been attempted again already, as Flow:${after.id}`);
  });

  test("retries a retry that failed, too", async () => {
    const { flow } = await failed();
    const first = (await retry(flow)).flow.id.slice("Flow:".length);
    await end(first, REFUSED);
    const second = await retry(first);
    expect(second.flow.retryOf.id).toBe(`Flow:${first}`);
    expect(await sql("SELECT retry_count FROM flows WHERE retry_of = $1", [first])).toEqual([{ retry_count: 2 }]);
  });

  test("gives the first answer again to the same key", async () => {
    const { flow } = await failed();
    const first = await retry(flow, "k");
    expect(await retry(flow, "k")).toEqual(first);
    expect((await retry(randomUUID(), "k")).userErrors).toMatchObject([{ code: "CONFLICT" }]);
    expect(await sql("SELECT FROM flows WHERE retry_of IS NOT NULL")).toHaveLength(1);
  });

  test("makes one flow, however many ask at once", async () => {
    const { flow } = await failed();
    const answers = await Promise.all(Array.from({ length: 8 }, () => retry(flow)));
    expect(answers.filter((answer) => answer.flow !== null)).toHaveLength(1);
    expect(await sql("SELECT FROM flows WHERE retry_of IS NOT NULL")).toHaveLength(1);
  });

  test("is due at once when its sequence goes on, where that is paused", async () => {
    const { flow, sequence } = await failed();
    await calls.pause(sequence);
    await sql("UPDATE lanes SET paused_at = paused_at - interval '1 hour'");
    expect((await retry(flow)).flow.waitingFor.map(({ reason }: { reason: string }) => reason)).toEqual(["SEQUENCE_PAUSED", "NO_DEVICE_ONLINE"]);
    await calls.activate(sequence);
    const [{ overdue }] = await sql(
      "SELECT abs(extract(epoch FROM now() - wall_time(f.due_at, a.paused_at, a.pause_offset))) < 60 AS overdue FROM flows f JOIN lanes a ON a.id = f.lane_id WHERE retry_of IS NOT NULL",
    );
    expect(overdue).toBe(true);
  });

  test("waits for no device that was deleted", async () => {
    const { flow } = await failed();
    await sql("UPDATE leads SET last_device_id = uuid_v7()");
    expect((await retry(flow)).userErrors).toEqual([]);
    expect(await sql("SELECT bound_device_id FROM flows WHERE retry_of = $1", [flow])).toEqual([{ bound_device_id: null }]);
  });

  test.each<[string, Ending, Record<string, unknown>]>([
    ["of unknown outcome", UNKNOWN, {}],
    ["that stopped its enrolment", REFUSED, { onFailure: "STOP" }],
    ["of an enrolment that is complete", REFUSED, { steps: [entry("a")] }],
  ])("takes one %s", async (_what, ending, fields) => {
    const { flow } = await failed(ending, fields);
    expect((await retry(flow)).userErrors).toEqual([]);
  });

  describe("refuses one", () => {
    test("that has not failed, and one that nobody knows", async () => {
      const { flow } = await failed(ACCEPTED);
      await refuses(() => retry(flow), "INVALID_STATE", "The flow is SENT; only one that is FAILED can be attempted again.");
      await refuses(() => retry(randomUUID()), "NOT_FOUND", "There is no flow with this id.");
    });

    test("of another workspace", async () => {
      const { flow } = await failed();
      const [{ id }] = await sql("INSERT INTO workspaces (name) VALUES ('other') RETURNING id");
      const secret = await server.tokenFor(["MANAGE"], id);
      for (const mutation of ["retryFlow", "cancelFlow"]) {
        const { data } = await server.query(`mutation($id: ID!) { it: ${mutation}(id: $id) { userErrors { code } } }`, { id: `Flow:${flow}` }, secret);
        expect(data.it.userErrors).toEqual([{ code: "NOT_FOUND" }]);
      }
      const { data } = await server.query("mutation { it: retryFlows(filter: {}) { retried refused } }", {}, secret);
      expect(data.it).toEqual({ retried: 0, refused: 0 });
    });

    test("whose lead has opted out, or is gone", async () => {
      const { flow, lead } = await failed();
      await sql("UPDATE leads SET opted_out_at = now() WHERE id = $1", [lead]);
      await refuses(() => retry(flow), "SUPPRESSED", "The lead has opted out");
      await sql("DELETE FROM leads");
      await refuses(() => retry(flow), "INVALID_STATE", "The lead is gone");
    });

    test("whose step was removed, or whose sequence is archived", async () => {
      const { flow, sequence } = await failed();
      await sql("DELETE FROM sequence_steps WHERE trigger = 'a'");
      await refuses(() => retry(flow), "INVALID_STATE", "Its step was removed");
      await calls.archive(sequence);
      await refuses(() => retry(flow), "INVALID_STATE", "Its sequence is archived");
    });

    test("whose enrolment is paused, or was stopped", async () => {
      const { flow } = await failed();
      const [{ id }] = await sql("SELECT id FROM enrollments");
      const change = (mutation: string) => ask(`mutation($id: ID!) { ${mutation}(id: $id) { userErrors { code } } }`, { id: `Enrollment:${id}` });
      await change("pauseEnrollment");
      await refuses(() => retry(flow), "INVALID_STATE", "The lead's enrolment is paused; resume it first.");
      await change("stopEnrollment");
      await refuses(() => retry(flow), "INVALID_STATE", "The lead's enrolment was stopped (OPERATOR)");
    });

    test("that a later step has overtaken, also where the enrolment has gone on from that", async () => {
      const { flow, lead } = await failed();
      const second = await current(lead);
      await end(second, ACCEPTED);
      expect(await current(lead)).not.toBe(second);
      await refuses(() => retry(flow), "INVALID_STATE", "A later step of the enrolment has been attempted");
    });
  });

  test("is overtaken by no earlier step, though that was attempted later", async () => {
    const { flow, lead } = await failed(NO_DEVICE);
    const second = await current(lead);
    await end(second, NO_DEVICE);
    const first = (await retry(flow)).flow.id.slice("Flow:".length);
    await end(first, ACCEPTED);
    expect((await retry(second)).userErrors).toEqual([]);
  });
});

describe("retryFlows", () => {
  test("retries all that match and may be, and counts the others", async () => {
    const { leads, sequence } = await enrolled(5);
    const flows = await Promise.all(leads.map(current));
    for (const flow of flows.slice(0, 4)) await end(flow, REFUSED);
    await end(flows[4] ?? "", ACCEPTED);
    await sql("UPDATE leads SET opted_out_at = now() WHERE id = $1", [leads[0]]);
    await retry(flows[1] ?? "");

    expect(await retryAll({ sequenceId: sequence, failureCode: ["NO_DEVICE"] })).toEqual({ retried: 0, refused: 0, userErrors: [] });
    expect(await retryAll({ sequenceId: sequence }, "k")).toEqual({ retried: 2, refused: 1, userErrors: [] });
    expect(await retryAll({ sequenceId: sequence }, "k")).toEqual({ retried: 2, refused: 1, userErrors: [] });
    expect((await retryAll({}, "k")).userErrors).toMatchObject([{ code: "CONFLICT" }]);
    expect(await retryAll({ sequenceId: sequence })).toEqual({ retried: 0, refused: 1, userErrors: [] });
    expect(await sql("SELECT FROM flows WHERE retry_of IS NOT NULL")).toHaveLength(3);
  });

  test("keeps the order of a lead's steps", async () => {
    const { flow, lead } = await failed(NO_DEVICE);
    const second = await current(lead);
    await end(second, NO_DEVICE);
    expect(await retryAll({})).toMatchObject({ retried: 2 });
    expect(await sql("SELECT retry_of FROM flows WHERE retry_of IS NOT NULL ORDER BY due_at, id")).toEqual([{ retry_of: flow }, { retry_of: second }]);
  });

  test("takes thousands in several transactions, and refuses more than it could do in one call", async () => {
    const { flow } = await failed();
    const copies = (count: number) =>
      sql(
        `INSERT INTO flows (workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, queued, due_at, status, settled_at, failed_at, failure_code)
         SELECT workspace_id, lane_id, lead_id, uuid_v7(), sequence_id, step_id, false, due_at, status, settled_at, failed_at, failure_code
           FROM flows CROSS JOIN generate_series(1, $2::int) WHERE id = $1`,
        [flow, count],
      );
    await copies(2500);
    await sql("INSERT INTO enrollments (id, workspace_id, lead_id, sequence_id, status, trigger, current_flow_id) SELECT enrollment_id, workspace_id, lead_id, sequence_id, 'COMPLETED', 'a', id FROM flows ON CONFLICT DO NOTHING");
    expect(await retryAll({})).toEqual({ retried: 2501, refused: 0, userErrors: [] });
    await copies(100_001);
    expect((await retryAll({})).userErrors).toEqual([
      { code: "LIMIT_EXCEEDED", message: expect.stringContaining("More than 100,000 failed flows match"), field: ["filter"] },
    ]);
    expect(await sql("SELECT FROM flows WHERE retry_of IS NOT NULL")).toHaveLength(2501);
  });
});

describe("cancelFlow", () => {
  test("cancels a flow that waits, and the lead goes on to the next step", async () => {
    const { leads } = await enrolled();
    const flow = await current(leads[0] ?? "");
    server.rung.length = 0;
    const { flow: cancelled, userErrors } = await cancel(flow);
    expect(userErrors).toEqual([]);
    expect(cancelled).toMatchObject({ id: `Flow:${flow}`, status: "CANCELLED", waitingFor: [] });
    expect(server.rung).toEqual(["events"]);
    const next = await current(leads[0] ?? "");
    expect(await sql("SELECT st.trigger, f.queued, f.due_at > now() + interval '23 hours' AS later FROM flows f JOIN sequence_steps st ON st.id = f.step_id WHERE f.id = $1", [next])).toEqual([
      { trigger: "b", queued: true, later: true },
    ]);
    expect(await sql("SELECT type, flow_id FROM events ORDER BY id OFFSET 1")).toEqual(
      expect.arrayContaining([
        { type: "FLOW_CANCELLED", flow_id: flow },
        { type: "FLOW_ACTIVATED", flow_id: next },
      ]),
    );
  });

  test("completes the enrolment with its last step", async () => {
    const { leads } = await enrolled(1, { steps: [entry("a")] });
    await cancel(await current(leads[0] ?? ""));
    expect(await sql("SELECT status FROM enrollments")).toEqual([{ status: "COMPLETED" }]);
  });

  test("leaves the enrolment where it is, where it cancels a retry", async () => {
    const { flow, lead } = await failed();
    const at = await current(lead);
    expect((await cancel((await retry(flow)).flow.id.slice("Flow:".length))).flow.status).toBe("CANCELLED");
    expect(await current(lead)).toBe(at);
    expect(await rowsOfFlows()).toHaveLength(3);
  });

  test("keeps a paused enrolment paused", async () => {
    const { leads } = await enrolled();
    const [{ id }] = await sql("SELECT id FROM enrollments");
    await ask("mutation($id: ID!) { pauseEnrollment(id: $id) { userErrors { code } } }", { id: `Enrollment:${id}` });
    await cancel(await current(leads[0] ?? ""));
    expect(await sql("SELECT e.status, f.queued FROM enrollments e JOIN flows f ON f.id = e.current_flow_id")).toEqual([{ status: "PAUSED", queued: false }]);
  });

  test("refuses one that is attempted or settled, and one that nobody knows", async () => {
    const { leads } = await enrolled();
    const flow = await current(leads[0] ?? "");
    await cancel(flow);
    await refuses(() => cancel(flow), "INVALID_STATE", "The flow is CANCELLED already");
    const next = await current(leads[0] ?? "");
    await sql("UPDATE flows SET queued = false, status = 'PROCESSING', attempted_at = now(), attempt_id = uuid_v7() WHERE id = $1", [next]);
    await refuses(() => cancel(next), "INVALID_STATE", "The flow is being attempted; only one that is not attempted yet can be cancelled.");
    await refuses(() => cancel(randomUUID()), "NOT_FOUND", "There is no flow with this id.");
  });
});
