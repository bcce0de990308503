import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { WorkerStats } from "../../src/devices/fleet-view.ts";
import { testServer, type TestServer } from "../support/server.ts";

const workers = new Map<string, WorkerStats>();
let server: TestServer;
beforeAll(async () => {
  server = await testServer({ fleet: { worker: (id) => workers.get(id) ?? null, workers: () => [...workers.values()] } });
});
afterAll(() => server.stop());
beforeEach(() => server.database.pool.query("TRUNCATE devices, device_attempts CASCADE"));

const CREATE =
  "mutation($input: CreateDeviceInput!) { createDevice(input: $input) { device { id name transport status hourlyLimit dailyLimit pausedAt } userErrors { code message field } } }";

const create = async (input: object) => (await server.query(CREATE, { input: { transport: "SIMULATOR", ...input } })).data.createDevice;

const list = async (args: string) => {
  const { data, errors } = await server.query(
    `{ devices(${args}) { nodes { id name } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
  );
  expect(errors).toBeUndefined();
  return { names: data.devices.nodes.map(({ name }: { name: string }) => name).join(""), ...data.devices };
};

/** Writes `count` attempts of `minutes` ago. */
const attempts = (id: string, count: number, minutes: number) =>
  server.database.pool.query(
    `INSERT INTO device_attempts (workspace_id, device_id, flow_id, at)
     SELECT workspace_id, id, uuid_v7(), now() - make_interval(mins => $3) FROM devices, generate_series(1, $2) WHERE id = $1`,
    [id.replace("Device:", ""), count, minutes],
  );

describe("createDevice", () => {
  test("makes a simulated device and wakes the dispatcher", async () => {
    server.rung.length = 0;
    const { device, userErrors } = await create({ name: " Till 1 ", hourlyLimit: 10, simulatedLatencyMs: 5, simulatedFailureRate: 0.5 });
    expect(userErrors).toEqual([]);
    expect(device).toMatchObject({
      name: "Till 1",
      transport: "SIMULATOR",
      status: "OFFLINE",
      hourlyLimit: 10,
      dailyLimit: 800,
      pausedAt: null,
    });
    expect(server.rung).toEqual(["devices"]);
  });

  test("makes a device of WhatsApp where nothing else is said, which waits to be paired, and refuses it what is for simulated ones", async () => {
    const made = await create({ name: "a", transport: undefined });
    expect(made.device).toMatchObject({ transport: "WHATSAPP", status: "UNPAIRED" });
    const { data } = await server.query("query($id: ID!) { device(id: $id) { phone statusReason isAvailable } }", { id: made.device.id });
    expect(data.device).toEqual({ phone: null, statusReason: expect.stringContaining("Call pairDevice"), isAvailable: false });
    expect(await create({ name: "b", transport: "WHATSAPP", simulatedLatencyMs: 5, simulatedFailureRate: 0 })).toEqual({
      device: null,
      userErrors: ["simulatedLatencyMs", "simulatedFailureRate"].map((field) => ({
        code: "INVALID",
        message: `${field} is for a SIMULATOR; leave it out for a WHATSAPP device.`,
        field: ["input", field],
      })),
    });
  });

  test("names everything that is wrong, and makes nothing", async () => {
    expect(await create({ name: " ", hourlyLimit: 0, dailyLimit: 100_001, simulatedLatencyMs: -1, simulatedFailureRate: 1.5 })).toEqual({
      device: null,
      userErrors: [
        { code: "INVALID", message: "A device's name must have 1 to 200 characters.", field: ["input", "name"] },
        { code: "INVALID", message: "hourlyLimit must be a number from 1 to 100,000, not 0.", field: ["input", "hourlyLimit"] },
        { code: "INVALID", message: "dailyLimit must be a number from 1 to 100,000, not 100001.", field: ["input", "dailyLimit"] },
        {
          code: "INVALID",
          message: "simulatedLatencyMs must be 0 to 600,000 milliseconds, not -1.",
          field: ["input", "simulatedLatencyMs"],
        },
        { code: "INVALID", message: "simulatedFailureRate is a share from 0 to 1, not 1.5.", field: ["input", "simulatedFailureRate"] },
      ],
    });
    expect((await list("first: 1")).totalCount).toBe(0);
  });

  test("gives the first result again for the same key, and refuses another input", async () => {
    const first = await create({ name: "a", idempotencyKey: "k1" });
    const [again, at, once] = await Promise.all([1, 2, 3].map(() => create({ name: "a", idempotencyKey: "k1" })));
    for (const other of [again, at, once]) expect(other.device.id).toBe(first.device.id);
    expect(await create({ name: "b", idempotencyKey: "k1" })).toEqual({
      device: null,
      userErrors: [
        {
          code: "CONFLICT",
          message: 'The idempotencyKey "k1" was used before, for createDevice with another input. Use a new key for a new request.',
          field: ["input", "idempotencyKey"],
        },
      ],
    });
    expect((await list("first: 1")).totalCount).toBe(1);
  });

  test("is done once for a key that races", async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => create({ name: "a", idempotencyKey: "race" })));
    expect(new Set(made.map(({ device }) => device.id)).size).toBe(1);
    expect((await list("first: 1")).totalCount).toBe(1);
  });
});

describe("a device", () => {
  test("shows its load, its worker and whether it is available", async () => {
    const { device } = await create({ name: "a", hourlyLimit: 3, dailyLimit: 5 });
    const id = device.id.replace("Device:", "");
    await server.database.pool.query("UPDATE devices SET status = 'ONLINE'");
    await attempts(device.id, 2, 30);
    await attempts(device.id, 2, 120);
    await attempts(device.id, 9, 25 * 60);
    workers.set(id, {
      processed: 4,
      averageSendMs: 12.5,
      queueDepth: 1,
      currentProcessing: 2,
      errorRate: 0.25,
      utilization: 0.1,
      lastActivityAt: null,
    });
    const show = async () =>
      (
        await server.query(
          "query($id: ID!) { device(id: $id) { isAvailable effectiveHourlyLimit load { messagesHour messagesToday currentProcessing score } worker { processed averageSendMilliseconds lastActivityAt } } }",
          { id: device.id },
        )
      ).data.device;
    expect(await show()).toEqual({
      isAvailable: true,
      effectiveHourlyLimit: 3,
      load: { messagesHour: 2, messagesToday: 4, currentProcessing: 2, score: 2 * 0.7 + 2 * 0.3 },
      worker: { processed: 4, averageSendMilliseconds: 12.5, lastActivityAt: null },
    });
    await attempts(device.id, 1, 120);
    expect((await show()).isAvailable).toBe(false);
  });

  test("is changed, paused, resumed and deleted", async () => {
    const { device } = await create({ name: "a" });
    const run = async (mutation: string, args = "") =>
      (
        await server.query(
          `mutation($id: ID!) { it: ${mutation}(${args || "id: $id"}) { ${mutation === "deleteDevice" ? "deletedDeviceId" : "device { name hourlyLimit pausedAt }"} userErrors { message } } }`,
          { id: device.id },
        )
      ).data.it;
    expect(await run("updateDevice", 'input: { id: $id, name: "b" }')).toEqual({
      device: { name: "b", hourlyLimit: 80, pausedAt: null },
      userErrors: [],
    });
    expect((await run("updateDevice", "input: { id: $id, name: null }")).userErrors).toEqual([
      { message: "A device's name must have 1 to 200 characters." },
    ]);
    const { pausedAt } = (await run("pauseDevice")).device;
    expect(pausedAt).not.toBeNull();
    expect((await run("pauseDevice")).device.pausedAt).toBe(pausedAt);
    expect((await run("resumeDevice")).device.pausedAt).toBeNull();
    expect(await run("deleteDevice")).toEqual({ deletedDeviceId: device.id, userErrors: [] });
    expect((await run("deleteDevice")).userErrors).toEqual([{ message: "There is no device with this id." }]);
  });
});

describe("devices", () => {
  test("are paged forwards and backwards without losing or repeating one, in any order", async () => {
    for (const name of ["c", "a", "b", "a", "d"]) await create({ name });
    await server.database.pool.query("UPDATE devices SET status_changed_at = '2026-11-22T01:00:00.123Z' WHERE name < 'c'");
    for (const orderBy of [
      "",
      "orderBy: { field: NAME, direction: ASC }",
      "orderBy: { field: NAME, direction: DESC }",
      "orderBy: { field: MESSAGES_HOUR, direction: DESC }",
      "orderBy: { field: STATUS_CHANGED_AT, direction: ASC }",
    ]) {
      const whole = await list(`first: 100 ${orderBy}`);
      let forward = "";
      let after = "";
      for (let page = 0; page < 3; page++) {
        const { names, pageInfo } = await list(`first: 2 ${after} ${orderBy}`);
        expect(pageInfo.hasNextPage).toBe(page < 2);
        forward += names;
        after = `after: "${pageInfo.endCursor}"`;
      }
      expect(forward).toBe(whole.names);
      let backward = "";
      let before = "";
      for (let page = 0; page < 3; page++) {
        const { names, pageInfo } = await list(`last: 2 ${before} ${orderBy}`);
        expect(pageInfo.hasPreviousPage).toBe(page < 2);
        backward = names + backward;
        before = `before: "${pageInfo.startCursor}"`;
      }
      expect(backward).toBe(whole.names);
    }
    expect((await list("first: 9 orderBy: { field: NAME, direction: ASC }")).names).toBe("aabcd");
  });

  test("are never more than 100 at once, and a cursor belongs to its order", async () => {
    await server.database.pool.query("INSERT INTO devices (name, transport) SELECT 'd' || n, 'SIMULATOR' FROM generate_series(1, 120) n");
    const { nodes, totalCount, pageInfo } = await list("first: 1000");
    expect([nodes.length, totalCount, pageInfo.hasNextPage]).toEqual([100, 120, true]);
    const { errors } = await server.query(
      `{ devices(after: "${pageInfo.endCursor}", orderBy: { field: NAME, direction: ASC }) { nodes { id } } }`,
    );
    expect(errors?.[0]?.message).toBe(
      "The cursor in `after` belongs to a list in another order. Use it with the arguments it was given for.",
    );
  });

  test("are found by state and by name", async () => {
    for (const name of ["on", "full", "off", "100%"]) await create({ name, hourlyLimit: 1 });
    const { pool } = server.database;
    await pool.query("UPDATE devices SET status = 'ONLINE' WHERE name IN ('on', 'full')");
    const { rows } = await pool.query("SELECT id FROM devices WHERE name = 'full'");
    await attempts(rows[0].id, 1, 5);
    await pool.query("UPDATE devices SET paused_at = now() WHERE name = 'off'");
    const names = async (filter: string) => (await list(`first: 9, filter: { ${filter} }, orderBy: { field: NAME, direction: ASC }`)).names;
    expect(await names("isAvailable: true")).toBe("on");
    expect(await names("isAvailable: false")).toBe("100%fulloff");
    expect(await names("isPaused: true")).toBe("off");
    expect(await names("status: [ONLINE]")).toBe("fullon");
    expect(await names('search: "%"')).toBe("100%");
    expect(await names('search: "O"')).toBe("offon");
    await pool.query("UPDATE devices SET transport = 'WHATSAPP', phone = '60123456789', status = 'RESTRICTED' WHERE name = 'off'");
    expect(await names("transport: WHATSAPP")).toBe("off");
    expect(await names("status: [RESTRICTED, BANNED]")).toBe("off");
    for (const text of ["+60 12-345", "0123456", "56789"]) expect(await names(`search: "${text}"`)).toBe("off");
    expect((await server.query('{ devices(first: 1, filter: { transport: WHATSAPP }) { nodes { phone status } } }')).data.devices.nodes).toEqual([{ phone: "+60123456789", status: "RESTRICTED" }]);
  });
});
