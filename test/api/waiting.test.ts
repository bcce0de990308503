// Every gate of `Flow.waitingFor`, on a real database.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { entry, sequenceCalls } from "../support/sequences.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let calls: ReturnType<typeof sequenceCalls>;
let device: string;
let began: number;

const sql = async (text: string, values: unknown[] = []) => (await server.database.pool.query(text, values)).rows;
const ask = async (query: string, variables: Record<string, unknown> = {}) => {
  const { data, errors } = await server.query(query, variables);
  expect(errors).toBeUndefined();
  return data;
};
const addDevice = async () => {
  const [{ id }] = await sql("INSERT INTO devices (name, transport, status) VALUES ('d', 'SIMULATOR', 'ONLINE') RETURNING id");
  return id as string;
};

beforeAll(async () => {
  server = await testServer();
  calls = sequenceCalls(server);
});
afterAll(() => server.stop());
beforeEach(async () => {
  await sql("TRUNCATE sequences, leads, enrollments, flows, lanes, devices, device_attempts, lead_pace CASCADE");
  await sql("UPDATE workspaces SET quiet_start = NULL, quiet_end = NULL, cap_messages = NULL, cap_hours = NULL, hourly_ceiling = NULL, first_contacts_held_at = NULL");
  device = await addDevice();
  began = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
});

let number = 0;

type Waiting = { readonly flow: string; readonly lead: string; readonly sequence: string; readonly enrollment: string };

/** A lead's first flow of a new sequence. */
async function waiting(fields: Record<string, unknown> = {}, lead?: string, timeZone = "Asia/Kuala_Lumpur"): Promise<Waiting> {
  number += 1;
  const { sequence, userErrors } = await calls.create({ steps: [entry(`w${number}`)], ...fields });
  expect(userErrors).toEqual([]);
  expect((await calls.activate(sequence.id)).userErrors).toEqual([]);
  const made = lead ?? (await sql("INSERT INTO leads (phone, time_zone) VALUES ($1, $2) RETURNING id", [`${60_123_000_000 + number}`, timeZone]))[0].id;
  await ask("mutation($id: ID!, $ids: [ID!]) { enrollLeads(sequenceId: $id, filter: { ids: $ids }) { enrolled } }", {
    id: sequence.id,
    ids: [`Lead:${made}`],
  });
  const [enrolled] = await sql("SELECT id, current_flow_id FROM enrollments WHERE lead_id = $1 ORDER BY id DESC LIMIT 1", [made]);
  return { flow: enrolled.current_flow_id, lead: made, sequence: sequence.id, enrollment: enrolled.id };
}

const makeDue = ({ flow }: Waiting) => sql("UPDATE flows SET due_at = now() - interval '1 minute' WHERE id = $1", [flow]);

type Wait = { readonly reason: string; readonly until: string | null; readonly message: string };

const read = async ({ flow }: Waiting): Promise<{ dueAt: string; waitingFor: Wait[] }> =>
  (await ask("query($id: ID!) { flow(id: $id) { dueAt waitingFor { reason until message } } }", { id: `Flow:${flow}` })).flow;

const reasons = async (of: Waiting) => (await read(of)).waitingFor.map(({ reason }) => reason);

/** The one gate, whose time is known. */
async function gate(of: Waiting): Promise<{ reason: string; until: number; message: string }> {
  const { waitingFor } = await read(of);
  expect(waitingFor).toHaveLength(1);
  const [{ reason, until, message }] = waitingFor as [Wait];
  expect(until).not.toBeNull();
  return { reason, until: Date.parse(until ?? ""), message };
}

const setWorkspace = async (input: Record<string, unknown>) =>
  (await ask("mutation($input: UpdateWorkspaceInput!) { it: updateWorkspace(input: $input) { userErrors { message } } }", { input })).it.userErrors;

/** So many minutes from the minute in which the test began. */
const inMinutes = (minutes: number) => began + minutes * MINUTE_MS;
/** The same as a time of day where clocks are 8 hours ahead all year. */
const clockTime = (minutes: number) => new Date(inMinutes(minutes) + 8 * HOUR_MS).toISOString().slice(11, 16);

const attempted = async (deviceId: string, secondsAgo: number) => {
  const [{ at }] = await sql(
    "INSERT INTO device_attempts (workspace_id, device_id, flow_id, at) SELECT workspace_id, id, uuid_v7(), now() - make_interval(secs => $2) FROM devices WHERE id = $1 RETURNING at",
    [deviceId, secondsAgo],
  );
  return (at as Date).getTime();
};

/** The device has the lead to itself. */
const bind = async ({ flow }: Waiting, deviceId: string) => {
  await sql("UPDATE devices SET spills = false WHERE id = $1", [deviceId]);
  await sql("UPDATE flows SET bound_device_id = $2 WHERE id = $1", [flow, deviceId]);
};

describe("a flow waits for", () => {
  test("nothing but the next cycle (QUEUED)", async () => {
    const one = await waiting();
    expect(await read(one)).toMatchObject({ waitingFor: [{ reason: "QUEUED", until: null }] });
    await sql("UPDATE flows SET queued = false, attempted_at = now() WHERE id = $1", [one.flow]);
    expect(await reasons(one)).toEqual([]);
  });

  test("its time (NOT_DUE), as long as its delay lasts", async () => {
    const one = await waiting({ startDelayMinutes: 60 });
    const { dueAt, waitingFor } = await read(one);
    expect(waitingFor).toEqual([{ reason: "NOT_DUE", until: dueAt, message: `It is due at ${dueAt}.` }]);
    expect(Math.abs(Date.parse(dueAt) - Date.now() - HOUR_MS)).toBeLessThan(MINUTE_MS);
  });

  test("its sequence (SEQUENCE_PAUSED) and its enrolment (ENROLLMENT_PAUSED) to be resumed", async () => {
    const one = await waiting({ startDelayMinutes: 60 });
    await calls.pause(one.sequence);
    await ask("mutation($id: ID!) { pauseEnrollment(id: $id) { userErrors { message } } }", { id: `Enrollment:${one.enrollment}` });
    expect((await read(one)).waitingFor).toMatchObject([
      { reason: "SEQUENCE_PAUSED", until: null },
      { reason: "ENROLLMENT_PAUSED", until: null },
      { reason: "NOT_DUE", until: null },
    ]);
    await ask("mutation($id: ID!) { resumeEnrollment(id: $id) { userErrors { message } } }", { id: `Enrollment:${one.enrollment}` });
    expect(await reasons(one)).toEqual(["SEQUENCE_PAUSED", "NOT_DUE"]);
  });

  test("its sequence's window (SCHEDULE_WINDOW), in the lead's own zone", async () => {
    const one = await waiting({ scheduleTime: clockTime(120) });
    const { dueAt, waitingFor } = await read(one);
    expect(Date.parse(dueAt)).toBe(inMinutes(120));
    expect(waitingFor).toMatchObject([
      { reason: "NOT_DUE", until: dueAt },
      { reason: "SCHEDULE_WINDOW", until: dueAt },
    ]);
    await makeDue(one);
    expect(await gate(one)).toMatchObject({ reason: "SCHEDULE_WINDOW", until: inMinutes(120) });

    const open = await waiting({ scheduleTime: clockTime(-5) });
    await makeDue(open);
    expect(await reasons(open)).toEqual(["QUEUED"]);
    const elsewhere = await waiting({ scheduleTime: clockTime(-5) }, undefined, "Asia/Dubai");      // clocks four hours behind
    await makeDue(elsewhere);
    expect(await gate(elsewhere)).toMatchObject({ reason: "SCHEDULE_WINDOW", until: inMinutes(4 * 60 - 5) });
    const closed = await waiting({ scheduleTime: clockTime(-11) });
    await makeDue(closed);
    expect(await gate(closed)).toMatchObject({ reason: "SCHEDULE_WINDOW", until: inMinutes(24 * 60 - 11) });
  });

  test("the end of the quiet hours (QUIET_HOURS), in the lead's own zone", async () => {
    const [one, elsewhere] = [await waiting(), await waiting({}, undefined, "Asia/Dubai")];
    expect(await setWorkspace({ quietHours: { start: clockTime(-60), end: clockTime(30) } })).toEqual([]);
    expect(await gate(one)).toMatchObject({ reason: "QUIET_HOURS", until: inMinutes(30) });
    expect(await reasons(elsewhere)).toEqual(["QUEUED"]);
    await setWorkspace({ quietHours: { start: clockTime(-60), end: clockTime(-120) } });            // over midnight, somewhere
    expect(await gate(one)).toMatchObject({ reason: "QUIET_HOURS", until: inMinutes(22 * 60) });
    await setWorkspace({ quietHours: null });
    expect(await reasons(one)).toEqual(["QUEUED"]);
  });

  test("both, where both keep it, each with its own time; and says so where they would never let it go", async () => {
    const closed = await waiting({ scheduleTime: clockTime(120) });
    const open = await waiting({ scheduleTime: clockTime(-5), scheduleToleranceMinutes: 60 });
    await Promise.all([makeDue(closed), makeDue(open)]);
    await setWorkspace({ quietHours: { start: clockTime(-60), end: clockTime(30) } });
    expect((await read(closed)).waitingFor.map(({ reason, until }) => [reason, Date.parse(until ?? "")])).toEqual([
      ["SCHEDULE_WINDOW", inMinutes(120)],
      ["QUIET_HOURS", inMinutes(30)],
    ]);
    expect(await gate(open)).toMatchObject({ reason: "QUIET_HOURS", until: inMinutes(30) });

    await sql("UPDATE workspaces SET quiet_start = $1, quiet_end = $2", [clockTime(60), clockTime(180)]);
    expect((await read(closed)).waitingFor).toMatchObject([{ reason: "SCHEDULE_WINDOW", until: null, message: expect.stringContaining("nothing is sent until") }]);
  });

  test("room under the frequency cap (FREQUENCY_CAP)", async () => {
    const one = await waiting();
    await setWorkspace({ frequencyCap: { messages: 2, hours: 24 } });
    const pace = async (...hoursAgo: number[]) => {
      const [{ times }] = await sql(
        `INSERT INTO lead_pace (lead_id, workspace_id, attempted_at)
         SELECT id, workspace_id, (SELECT array_agg(now() - make_interval(hours => h) ORDER BY h DESC) FROM unnest($2::int[]) AS h) FROM leads WHERE id = $1
             ON CONFLICT (lead_id) DO UPDATE SET attempted_at = excluded.attempted_at RETURNING attempted_at AS times`,
        [one.lead, hoursAgo],
      );
      return (times as Date[]).map((at) => at.getTime());
    };
    await pace(5);
    expect(await reasons(one)).toEqual(["QUEUED"]);
    const [, second = 0] = await pace(30, 5, 1);
    expect(await gate(one)).toMatchObject({ reason: "FREQUENCY_CAP", until: second + 24 * HOUR_MS + 10 * SECOND_MS });
    await pace(30, 25, 1);
    expect(await reasons(one)).toEqual(["QUEUED"]);
  });

  test("the time that the frequency cap has put it off to (FREQUENCY_CAP), and is due as before", async () => {
    const one = await waiting();
    const { dueAt } = await read(one);
    const [{ until }] = await sql("UPDATE flows SET deferred_from = due_at, due_at = now() + interval '2 hours' WHERE id = $1 RETURNING due_at AS until", [one.flow]);
    expect(await gate(one)).toMatchObject({ reason: "FREQUENCY_CAP", until: until.getTime() });
    expect((await read(one)).dueAt).toBe(dueAt);
    await calls.pause(one.sequence);
    expect((await read(one)).waitingFor).toMatchObject([{ reason: "SEQUENCE_PAUSED" }, { reason: "FREQUENCY_CAP", until: null }]);
  });

  test("the message of an older enrolment, under a frequency cap (FREQUENCY_CAP)", async () => {
    const older = await waiting();
    const younger = await waiting({}, older.lead);
    expect(await reasons(younger)).toEqual(["QUEUED"]);
    await setWorkspace({ frequencyCap: { messages: 2, hours: 24 } });
    expect(await reasons(older)).toEqual(["QUEUED"]);
    expect((await read(younger)).waitingFor).toMatchObject([{ reason: "FREQUENCY_CAP", until: null }]);
  });

  test("a device to come online (NO_DEVICE_ONLINE), and says when it fails where none could", async () => {
    const one = await waiting({ noDeviceGraceMinutes: 30 });
    await sql("UPDATE devices SET paused_at = now()");
    expect((await read(one)).waitingFor).toEqual([
      { reason: "NO_DEVICE_ONLINE", until: null, message: "No device of the workspace is online and not paused." },
    ]);
    await sql("UPDATE devices SET paused_at = NULL, status = 'OFFLINE'");
    expect(await reasons(one)).toEqual(["NO_DEVICE_ONLINE"]);
    await sql("UPDATE devices SET status = 'LOGGED_OUT'");
    expect((await read(one)).waitingFor).toMatchObject([{ reason: "NO_DEVICE_ONLINE", message: expect.stringMatching(/^Every device .* NO_DEVICE/) }]);
    await sql("UPDATE devices SET status = 'PAIRING'");
    expect((await read(one)).waitingFor).toMatchObject([{ reason: "NO_DEVICE_ONLINE", message: expect.not.stringContaining("NO_DEVICE") }]);
    await sql("DELETE FROM devices");
    const { dueAt, waitingFor } = await read(one);
    expect(waitingFor).toMatchObject([
      { reason: "NO_DEVICE_ONLINE", until: null, message: expect.stringContaining(new Date(Date.parse(dueAt) + 30 * MINUTE_MS).toISOString()) },
    ]);
  });

  test("room under the limits of all devices (DEVICE_LIMITS)", async () => {
    const one = await waiting({ minDelaySeconds: 0, maxDelaySeconds: 0 });
    const other = await addDevice();
    await sql("UPDATE devices SET hourly_limit = 2, daily_limit = 3");
    const first = await attempted(device, 1800);
    await attempted(device, 60);
    expect(await reasons(one)).toEqual(["QUEUED"]);
    await attempted(other, 7200);
    const early = await attempted(other, 5000);
    await attempted(other, 4000);
    expect(await gate(one)).toMatchObject({ reason: "DEVICE_LIMITS", until: first + HOUR_MS + 10 * SECOND_MS });
    await sql("UPDATE devices SET hourly_limit = 80, daily_limit = 2");
    expect(await gate(one)).toMatchObject({ reason: "DEVICE_LIMITS", until: early + 24 * HOUR_MS + 10 * SECOND_MS });
  });

  test("room under the limits of its own device (DEVICE_LIMITS), until others may serve its people", async () => {
    const one = await waiting({ minDelaySeconds: 0, maxDelaySeconds: 0 });
    await addDevice();
    await bind(one, device);
    await sql("UPDATE devices SET hourly_limit = 1 WHERE id = $1", [device]);
    const at = await attempted(device, 600);
    expect(await gate(one)).toMatchObject({ reason: "DEVICE_LIMITS", until: at + HOUR_MS + 10 * SECOND_MS });
    await sql("UPDATE devices SET spills = true");
    expect(await reasons(one)).toEqual(["QUEUED"]);
  });

  test("the end of its device's restriction (DEVICE_RESTRICTED), unless the lead has written to it", async () => {
    const one = await waiting({ minDelaySeconds: 0, maxDelaySeconds: 0 });
    await addDevice();
    await bind(one, device);
    const restrict = async (status: string, hours: number | null) =>
      (await sql("UPDATE devices SET status = $2, restricted_until = now() + make_interval(hours => $3) WHERE id = $1 RETURNING restricted_until AS until", [device, status, hours]))[0].until;
    const until = await restrict("RESTRICTED", 5);
    expect(await gate(one)).toMatchObject({ reason: "DEVICE_RESTRICTED", until: until.getTime() });
    await sql("UPDATE leads SET last_replied_at = now(), replied_device_id = $1", [device]);
    expect(await reasons(one)).toEqual(["QUEUED"]);

    await restrict("OFFLINE", 5);                            // nobody else goes on with its people
    expect((await read(one)).waitingFor).toMatchObject([{ reason: "NO_DEVICE_ONLINE", message: expect.stringContaining("no other goes on") }]);
    await sql("UPDATE leads SET replied_device_id = uuid_v7()");
    expect(await reasons(one)).toEqual(["DEVICE_RESTRICTED"]);
    await sql("UPDATE devices SET spills = true");
    await restrict("OFFLINE", -1);
    expect(await reasons(one)).toEqual(["QUEUED"]);
    await restrict("LOGGED_OUT", null);
    expect(await reasons(one)).toEqual(["QUEUED"]);
  });

  test("an operator to let first contacts go on (SYSTEM_HOLD), unless the lead has written", async () => {
    const one = await waiting();
    expect((await ask("{ viewer { workspace { firstContactsHeldAt } } }")).viewer.workspace.firstContactsHeldAt).toBeNull();
    await sql("UPDATE workspaces SET first_contacts_held_at = now()");
    expect((await read(one)).waitingFor).toMatchObject([{ reason: "SYSTEM_HOLD", until: null, message: expect.stringContaining("releaseFirstContacts") }]);
    await sql("UPDATE leads SET last_replied_at = now()");
    expect(await reasons(one)).toEqual(["QUEUED"]);
    await sql("UPDATE flows SET retry_of = uuid_v7()");    // not found beside the enrolment
    expect(await reasons(one)).toEqual(["SYSTEM_HOLD"]);
    expect((await ask("{ viewer { workspace { firstContactsHeldAt } } }")).viewer.workspace.firstContactsHeldAt).not.toBeNull();
    const released = await ask("mutation { releaseFirstContacts { workspace { firstContactsHeldAt } userErrors { message } } }");
    expect(released.releaseFirstContacts).toEqual({ workspace: { firstContactsHeldAt: null }, userErrors: [] });
    expect(await reasons(one)).toEqual(["QUEUED"]);
  });

  test("the pause of its device, or of all devices with room (PACE)", async () => {
    const one = await waiting({ minDelaySeconds: 60, maxDelaySeconds: 120 });
    const at = await attempted(device, 30);
    expect(await gate(one)).toMatchObject({
      reason: "PACE",
      until: at + 120 * SECOND_MS,
      message: expect.stringContaining("60 to 120 seconds at random"),
    });
    await addDevice();
    expect(await reasons(one)).toEqual(["QUEUED"]);
    await bind(one, device);
    expect(await gate(one)).toMatchObject({ reason: "PACE", until: at + 120 * SECOND_MS });
    await sql("UPDATE device_attempts SET at = now() - interval '3 minutes'");
    expect(await reasons(one)).toEqual(["QUEUED"]);
  });

  test("room under the workspace's hourly ceiling (RATE_CEILING)", async () => {
    // Attempts are counted in slots of ten seconds, each until its last one can be on the wire no more.
    const endOfSlot = (ms: number) => (Math.floor(ms / (10 * SECOND_MS)) + 1) * 10 * SECOND_MS;
    const one = await waiting({ minDelaySeconds: 0, maxDelaySeconds: 0 });
    await attempted(device, 3000);
    const second = await attempted(device, 2000);
    await attempted(device, 1000);
    await setWorkspace({ hourlyCeiling: 4 });
    expect(await reasons(one)).toEqual(["QUEUED"]);
    await setWorkspace({ hourlyCeiling: 2 });
    expect(await gate(one)).toMatchObject({ reason: "RATE_CEILING", until: endOfSlot(second) + HOUR_MS + 10 * SECOND_MS });
    await setWorkspace({ hourlyCeiling: null });
    expect(await reasons(one)).toEqual(["QUEUED"]);
  });

  test("every gate that is closed, all at once", async () => {
    const one = await waiting({ scheduleTime: clockTime(120), minDelaySeconds: 0 });
    await attempted(device, 60);
    await setWorkspace({ quietHours: { start: clockTime(-60), end: clockTime(30) }, frequencyCap: { messages: 1, hours: 1 }, hourlyCeiling: 1 });
    await sql("INSERT INTO lead_pace SELECT id, workspace_id, ARRAY[now()] FROM leads");
    await sql("UPDATE devices SET status = 'OFFLINE'");
    await calls.pause(one.sequence);
    expect(await reasons(one)).toEqual([
      "SEQUENCE_PAUSED",
      "NOT_DUE",
      "SCHEDULE_WINDOW",
      "QUIET_HOURS",
      "FREQUENCY_CAP",
      "NO_DEVICE_ONLINE",
      "RATE_CEILING",
    ]);
  });
});
