// When messages may go out: windows and quiet hours in the person's own zone, over daylight saving both ways. What Postgres reckons is held against Intl.

import { fc, test as property } from "@fast-check/vitest";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { claimFlows } from "../../src/dispatcher/claim.ts";
import { attemptFlows } from "../../src/dispatcher/attempt.ts";
import { WHOLE } from "../../src/dispatcher/slices.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../src/lib/clock.ts";
import { hindranceOf, holdLease, NOBODY, requestFor, waitingFlows } from "../support/attempts.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addEnrolled, addLeads, addWorkspace, enrolAll, one, query } from "../support/factories.ts";

let database: TestDatabase;
let pool: pg.Pool;
let node: string;
let workspaceId: string;
let deviceId: string;

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
  node = await holdLease(pool);
});
afterAll(() => database.drop());
beforeEach(async () => {
  workspaceId = await addWorkspace(pool, { timeZone: "UTC" });
  deviceId = await addDevice(pool, workspaceId);
});

const ZONES = ["Asia/Kuala_Lumpur", "Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "Asia/Kathmandu", "Antarctica/Troll"];
const zones = fc.constantFrom(...ZONES);
/** Every quarter of an hour of the day, and of ten years. */
const clockTimes = fc.integer({ min: 0, max: 95 }).map((quarter) => quarter * 15);
const instants = fc.integer({ min: Date.UTC(2026, 0, 1) / (15 * MINUTE_MS), max: Date.UTC(2036, 0, 1) / (15 * MINUTE_MS) }).map((quarter) => quarter * 15 * MINUTE_MS);
const hhmm = (minutes: number) => `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

const formats = new Map<string, Intl.DateTimeFormat>();
/** What the zone's clocks show, as if it were UTC. */
function local(at: number, zone: string): number {
  const known = formats.get(zone);
  const format = known ?? new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" });
  formats.set(zone, format);
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  return Date.UTC(part["year"] ?? 0, (part["month"] ?? 1) - 1, part["day"], part["hour"], part["minute"]);
}
/** By looking at every minute around: the first at which the clocks show the time, or have passed over it. */
function instantOf(wanted: number, zone: string): number {
  let at = wanted - 14 * HOUR_MS - MINUTE_MS;
  while (local(at, zone) < wanted) at += 15 * MINUTE_MS; // never past it by more than a quarter
  at -= 15 * MINUTE_MS;
  while (local(at, zone) < wanted) at += MINUTE_MS;
  return at;
}
const iso = (at: number) => new Date(at).toISOString();
const naive = (at: number) => iso(at).slice(0, 19);

describe("the instant of a time of day", () => {
  property.prop([instants, zones], { numRuns: 150 })("is the first at which the zone's clocks show it, or the next valid one", async (around, zone) => {
    const wanted = local(around, zone);
    const { at } = await one<{ at: Date }>(pool, "SELECT instant_of($1::timestamp, $2) AS at", [naive(wanted), zone]);
    expect(iso(at.getTime())).toBe(iso(instantOf(wanted, zone)));
  });

  test.each([
    ["skipped in London", "2026-03-29T01:30", "Europe/London", "2026-03-29T01:00:00.000Z"],
    ["doubled in London", "2026-10-25T01:30", "Europe/London", "2026-10-25T00:30:00.000Z"],
    ["skipped in New York", "2027-03-14T02:05", "America/New_York", "2027-03-14T07:00:00.000Z"],
    ["half an hour skipped on Lord Howe", "2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:30:00.000Z"],
    ["half an hour doubled on Lord Howe", "2027-04-04T01:45", "Australia/Lord_Howe", "2027-04-03T14:45:00.000Z"],
    ["midnight skipped in Santiago", "2026-09-06T00:00", "America/Santiago", "2026-09-06T04:00:00.000Z"],
  ])("%s", async (_what, time, zone, expected) => {
    expect(iso((await one<{ at: Date }>(pool, "SELECT instant_of($1::timestamp, $2) AS at", [time, zone])).at.getTime())).toBe(expected);
  });
});

describe("a lane", () => {
  const lane = async (schedule: string | null, tolerance: number, quiet: readonly [string, string] | null, zone: string, after: number) => {
    const { id } = await one<{ id: string }>(pool, "INSERT INTO sequences (workspace_id, name, schedule_time, schedule_tolerance_minutes) VALUES ($1, 'S', $2, $3) RETURNING id", [workspaceId, schedule, tolerance]);
    await pool.query("UPDATE workspaces SET quiet_start = $2, quiet_end = $3 WHERE id = $1", [workspaceId, quiet?.[0] ?? null, quiet?.[1] ?? null]);
    const row = await one<{ from: Date | number; until: Date | number }>(pool, 'SELECT open_from AS "from", open_until AS until FROM lane_opening($1, $2, $3)', [id, zone, iso(after)]);
    return { from: Number(row.from), until: Number(row.until) };
  };
  const within = (minute: number, from: number, to: number) => (from < to ? minute >= from && minute < to : minute >= from || minute < to);
  const minuteOfDay = (at: number, zone: string) => (local(at, zone) % DAY_MS) / MINUTE_MS;

  property.prop([clockTimes, clockTimes, zones, instants], { numRuns: 60 })("with quiet hours is open whenever the clocks show none of them, and no minute else", async (start, end, zone, after) => {
    fc.pre(start !== end);
    const { from, until } = await lane(null, 10, [hhmm(start), hhmm(end)], zone, after);
    expect(until).toBeGreaterThan(after);
    for (let at = Math.max(from, after); at < until; at += 15 * MINUTE_MS) expect(within(minuteOfDay(at, zone), start, end)).toBe(false);
    // Between now and then it is quiet, and once it is over it is quiet again: but for the hour that daylight saving shows twice.
    for (let at = after; at < from; at += 15 * MINUTE_MS) expect(within(minuteOfDay(at, zone), start, end) || local(at + 2 * HOUR_MS, zone) - local(at - 2 * HOUR_MS, zone) !== 4 * HOUR_MS).toBe(true);
  });

  property.prop([clockTimes, fc.constantFrom(1, 10, 120, 1440), zones, instants], { numRuns: 60 })("with a window opens at its time, for its tolerance, at the next day that has it", async (start, tolerance, zone, after) => {
    const { from, until } = await lane(hhmm(start), tolerance, null, zone, after);
    expect(until).toBeGreaterThan(after);
    if (tolerance === 1440) return; // one day's window goes over into the next's
    const day = Math.floor(local(from, zone) / DAY_MS) * DAY_MS;
    expect(iso(from)).toBe(iso(instantOf(day + start * MINUTE_MS, zone)));
    expect(until - from).toBe(tolerance * MINUTE_MS);
    expect(until - after).toBeLessThanOrEqual(DAY_MS + HOUR_MS + tolerance * MINUTE_MS);
  });

  test("is open in what the quiet hours leave of its window, and never where they cover it", async () => {
    const at = Date.UTC(2026, 5, 1, 12);
    expect(await lane("21:50", 30, ["22:00", "07:00"], "UTC", at)).toEqual({ from: Date.UTC(2026, 5, 1, 21, 50), until: Date.UTC(2026, 5, 1, 22) });
    expect(await lane("06:50", 30, ["22:00", "07:00"], "UTC", at)).toEqual({ from: Date.UTC(2026, 5, 2, 7), until: Date.UTC(2026, 5, 2, 7, 20) });
    expect(await lane("23:00", 30, ["22:00", "07:00"], "UTC", at)).toEqual({ from: Infinity, until: Infinity });
    expect(await lane(null, 30, null, "UTC", at)).toEqual({ from: -Infinity, until: Infinity });
    expect((await lane("09:00", 30, null, "Nowhere/Land", at)).from).toBe(Date.UTC(2026, 5, 2, 9)); // SQL may write any zone
  });

  const opening = () => one<{ from: string; until: string }>(pool, "SELECT open_from::text AS from, open_until::text AS until FROM lanes WHERE workspace_id = $1", [workspaceId]);
  const setOpen = (from: string, until: string) =>
    pool.query("UPDATE lanes SET open_from = now() + $2::interval, open_until = now() + $3::interval WHERE workspace_id = $1", [workspaceId, from, until]);
  const claimable = async () => (await claimFlows(pool, [{ workspaceId, flows: 10, slice: WHOLE }], NOBODY, [])).flows.length;
  const attempt = async () => {
    const [flow] = await waitingFlows(pool, workspaceId);
    return flow && hindranceOf((await attemptFlows(pool, node, [requestFor(flow, deviceId)]))[0]);
  };

  test("that is closed offers nothing, and an attempt that comes too late for its window is none", async () => {
    await addEnrolled(pool, workspaceId, { steps: [{ trigger: "one" }] });
    for (const [from, until] of [["1 minute", "2 minutes"], ["-2 minutes", "-1 minutes"], ["-2 minutes", "9 seconds"]] as const) {
      await setOpen(from, until); // the last: on the wire it could be 10 seconds later
      expect([await claimable(), await attempt()]).toEqual([0, "not_now"]);
    }
    await setOpen("-1 minute", "1 minute");
    expect([await claimable(), await attempt()]).toEqual([1, null]);
  });

  test("is moved on when its time is over, and at once when window or quiet hours are changed", async () => {
    const { sequenceId } = await addEnrolled(pool, workspaceId, { steps: [{ trigger: "one" }] });
    expect(await opening()).toEqual({ from: "-infinity", until: "infinity" });
    await pool.query("UPDATE sequences SET schedule_time = (now() AT TIME ZONE 'UTC')::time - interval '1 minute' WHERE id = $1", [sequenceId]);
    expect([await claimable(), (await opening()).until]).toEqual([1, expect.not.stringContaining("infinity")]);
    await pool.query("UPDATE sequences SET schedule_time = (now() AT TIME ZONE 'UTC')::time + interval '1 hour' WHERE id = $1", [sequenceId]);
    expect(await claimable()).toBe(0);
    await pool.query("UPDATE sequences SET schedule_time = NULL WHERE id = $1", [sequenceId]);
    await pool.query("UPDATE workspaces SET quiet_start = (now() AT TIME ZONE 'UTC')::time - interval '1 hour', quiet_end = (now() AT TIME ZONE 'UTC')::time + interval '1 hour' WHERE id = $1", [workspaceId]);
    expect(await claimable()).toBe(0);
    await pool.query("UPDATE workspaces SET quiet_start = NULL, quiet_end = NULL WHERE id = $1", [workspaceId]);
    expect([await claimable(), await opening()]).toEqual([1, { from: "-infinity", until: "infinity" }]);
    await pool.query("UPDATE sequences SET schedule_time = '00:00', schedule_tolerance_minutes = 1 WHERE id = $1", [sequenceId]);
    await setOpen("-1 day", "-1 second");
    await pool.query("SELECT turn_lanes()");
    expect((await query(pool, "SELECT FROM lanes WHERE workspace_id = $1 AND open_until > now() AND open_from = date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + CASE WHEN now() < date_trunc('day', now()) + interval '1 minute' THEN interval '0' ELSE interval '1 day' END", [workspaceId])).length).toBe(1);
  });
});

describe("the first message of a sequence with a window is due", () => {
  const due = async (schedule: string, startDelayMinutes: number) => {
    const { sequenceId } = await addEnrolled(pool, workspaceId, { steps: [{ trigger: "one" }], startDelayMinutes, active: false }, 0);
    await pool.query(`UPDATE sequences SET schedule_time = (now() AT TIME ZONE 'UTC')::time + $2::interval, is_active = true WHERE id = $1`, [sequenceId, schedule]);
    await addLeads(pool, workspaceId, 1, "one");
    await enrolAll(pool);
    return (await one<{ minutes: number }>(pool, "SELECT extract(epoch FROM due_at - now())::float8 / 60 AS minutes FROM flows WHERE workspace_id = $1", [workspaceId])).minutes;
  };
  test("when the window opens", async () => expect(await due("2 hours", 0)).toBeCloseTo(120, 0));
  test("at its opening where it is open already: a daily message does not drift", async () => expect(await due("-5 minutes", 0)).toBeCloseTo(-5, 0));
  test("tomorrow where it is over for today", async () => expect(await due("-15 minutes", 0)).toBeCloseTo(24 * 60 - 15, 0));
  test("at the first opening after the start delay", async () => expect(await due("1 hour", 90)).toBeCloseTo(25 * 60, 0));
});
