import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type StatusChange, writeStatusChanges } from "../../src/devices/status.ts";
import { joinNodes, orphanDevices } from "../../src/dispatcher/membership.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { SessionStatus } from "../../src/transports/transport.ts";
import { holdLease } from "../support/attempts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addWorkspace, one, query } from "../support/factories.ts";

let database: TestDatabase;
let pool: pg.Pool;
let nodeId: string;
let deviceId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
  nodeId = await holdLease(pool);
});
afterAll(() => database.drop());
beforeEach(async () => {
  deviceId = await addDevice(pool, await addWorkspace(pool), { transport: "WHATSAPP" });
  await pool.query("UPDATE devices SET node_id = $2 WHERE id = $1", [deviceId, nodeId]);
});

const LASTING: readonly SessionStatus[] = ["UNPAIRED", "LOGGED_OUT", "REPLACED", "BANNED"];
const UNTIL = new Date("2030-01-01T00:00:00.000Z");
const LATER = new Date("2030-01-02T00:00:00.000Z");

const tell = (status: SessionStatus, reason: string | null = `It is ${status}.`, until: Date | null = null, by = nodeId) =>
  writeStatusChanges(pool, by, [{ deviceId, status, reason, until } satisfies StatusChange]);
type Row = { status: string; reason: string | null; changedAt: Date; restrictedAt: Date | null; until: Date | null };
const row = () =>
  one<Row>(
    pool,
    `SELECT status, status_reason AS reason, status_changed_at AS "changedAt", restricted_at AS "restrictedAt", restricted_until AS until FROM devices WHERE id = $1`,
    [deviceId],
  );
const events = async () =>
  (await query<{ change: string }>(pool, "SELECT previous_status || ' ' || status || ' ' || reason AS change FROM events WHERE device_id = $1 ORDER BY xid", [deviceId])).map(({ change }) => change);

describe("a device's state", () => {
  test("is written with an event for each change, by its holder alone", async () => {
    await tell("CONNECTING");
    await tell("ONLINE");
    await tell("OFFLINE", "It is.", null, crypto.randomUUID());
    expect(await row()).toMatchObject({ status: "ONLINE", reason: "It is ONLINE." });
    expect(await events()).toEqual(["OFFLINE CONNECTING It is CONNECTING.", "CONNECTING ONLINE It is ONLINE."]);
  });

  test("gets another reason without an event, and is as old as before", async () => {
    await tell("CONNECTING");
    await tell("OFFLINE", "It cannot be reached.");
    const { changedAt } = await row();
    await tell("OFFLINE", "It was asked to wait.");
    expect(await row()).toMatchObject({ status: "OFFLINE", reason: "It was asked to wait.", changedAt });
    expect(await events()).toHaveLength(2);
  });

  test.each(LASTING)("%s is not overwritten where it is only disconnected, nor where its node dies", async (status) => {
    await tell(status);
    await tell("OFFLINE", "The server has disconnected it.");
    const before = await row();
    expect(before).toMatchObject({ status, reason: `It is ${status}.` });
    await pool.query("UPDATE devices SET node_id = uuid_v7() WHERE id = $1", [deviceId]);
    await orphanDevices(pool);
    expect(await row()).toEqual(before);
    expect(await query(pool, "SELECT node_id FROM devices WHERE id = $1", [deviceId])).toEqual([{ node_id: null }]);
    expect(await events()).toHaveLength(1);
  });

  test("PAIRING ends with its connection, and with its node", async () => {
    await tell("PAIRING");
    await tell("OFFLINE", "The server has disconnected it.");
    expect(await row()).toMatchObject({ status: "UNPAIRED" });
    await tell("PAIRING");
    await pool.query("UPDATE devices SET node_id = uuid_v7() WHERE id = $1", [deviceId]);
    await orphanDevices(pool);
    expect(await row()).toMatchObject({ status: "UNPAIRED", reason: expect.stringContaining("Call pairDevice again") });
    expect((await events()).at(-1)).toMatch(/^PAIRING UNPAIRED /);
  });

  test("of a dead node's other devices is OFFLINE, and a restriction goes on", async () => {
    await tell("RESTRICTED", "It is.", UNTIL);
    const { nodeId: dead } = await joinNodes({ pool, clock: systemClock, name: "dead", process: { name: "a", isGone: () => true }, capacity: 1 });
    await pool.query("UPDATE devices SET node_id = $2 WHERE id = $1", [deviceId, dead]);
    await joinNodes({ pool, clock: systemClock, name: "dead", process: { name: "b", isGone: () => true }, capacity: 1 });
    expect(await row()).toMatchObject({ status: "OFFLINE", until: UNTIL });
    expect((await events()).at(-1)).toMatch(/^RESTRICTED OFFLINE The process that held it has ended/);
  });
});

describe("a restriction", () => {
  test("is written with its beginning and its end; a later end comes without an event", async () => {
    await tell("RESTRICTED", "It is.", UNTIL);
    const { restrictedAt, until } = await row();
    expect([restrictedAt, until]).toEqual([expect.any(Date), UNTIL]);
    await tell("RESTRICTED", "It is.", LATER);
    expect(await row()).toMatchObject({ restrictedAt, until: LATER });
    await tell("RESTRICTED", "It is.", null);
    expect(await row()).toMatchObject({ restrictedAt, until: LATER });
    expect(await events()).toHaveLength(1);
  });

  test("goes on while the device is away, and begins no second time when it is back", async () => {
    await tell("RESTRICTED", "It is.", UNTIL);
    const { restrictedAt } = await row();
    await tell("OFFLINE");
    await tell("CONNECTING");
    expect(await row()).toMatchObject({ restrictedAt, until: UNTIL });
    await tell("RESTRICTED", "It is.", LATER);
    expect(await row()).toMatchObject({ restrictedAt, until: LATER });
  });

  test("of which the end is not known is taken to last for a day", async () => {
    await tell("RESTRICTED");
    expect(await query(pool, "SELECT FROM devices WHERE id = $1 AND restricted_until BETWEEN now() + interval '23 hours' AND now() + interval '25 hours'", [deviceId])).toHaveLength(1);
  });

  test.each<SessionStatus>(["ONLINE", ...LASTING])("is over where the device is %s, and the next one has a beginning of its own", async (status) => {
    await tell("RESTRICTED", "It is.", UNTIL);
    await tell(status);
    expect(await row()).toMatchObject({ status, until: null });
    await pool.query("UPDATE devices SET restricted_at = 'epoch' WHERE id = $1", [deviceId]);
    await tell("RESTRICTED", "It is.", LATER);
    expect((await row()).restrictedAt?.getTime()).toBeGreaterThan(0);
  });
});
