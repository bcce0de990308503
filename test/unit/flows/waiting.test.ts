import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { type DeviceRoom, flowWaits, type Situation } from "../../../src/flows/waiting.ts";

const now = new Date("2026-11-22T01:00:00Z");
const later = new Date("2026-11-22T02:00:00Z");
const latest = new Date("2026-11-22T03:00:00Z");
const before = (seconds: number) => new Date(now.getTime() - seconds * 1000);

const room: DeviceRoom = { online: 2, hasRoom: true, roomAt: null, restedSince: null };
const full: DeviceRoom = { ...room, hasRoom: false, roomAt: later };
const offline: DeviceRoom = { ...room, online: 0, hasRoom: false };

const ready: Situation = {
  now,
  isWaiting: true,
  dueAt: now,
  deferredUntil: null,
  sequenceStatus: "ACTIVE",
  campaignStatus: null,
  enrollmentStatus: "ACTIVE",
  windowOpensAt: null,
  quietUntil: null,
  neverOpens: false,
  capUntil: null,
  isBehindOlder: false,
  ceilingUntil: null,
  minDelaySeconds: 10,
  maxDelaySeconds: 30,
  noDeviceGraceMinutes: 0,
  hasDevices: true,
  canComeBack: true,
  devices: room,
  boundDevice: null,
  restriction: null,
  isHeld: false,
};

const waits = (changes: Partial<Situation>) => flowWaits({ ...ready, ...changes }).map(({ reason, until }) => [reason, until]);
const messages = (changes: Partial<Situation>) => flowWaits({ ...ready, ...changes }).map(({ message }) => message);

describe("what a flow waits for", () => {
  test("is the next cycle, where nothing keeps it", () => {
    expect(waits({})).toEqual([["QUEUED", null]]);
  });

  test("is nothing once it is attempted or settled", () => {
    expect(waits({ isWaiting: false, dueAt: later, sequenceStatus: "PAUSED" })).toEqual([]);
  });

  test("is its time, and says which", () => {
    expect(waits({ dueAt: later })).toEqual([["NOT_DUE", later]]);
  });

  test("has no known time while something is paused, for the delay stands still", () => {
    expect(waits({ dueAt: later, sequenceStatus: "PAUSED" })).toEqual([
      ["SEQUENCE_PAUSED", null],
      ["NOT_DUE", null],
    ]);
    expect(waits({ deferredUntil: later, enrollmentStatus: "PAUSED" })).toEqual([
      ["ENROLLMENT_PAUSED", null],
      ["FREQUENCY_CAP", null],
    ]);
  });

  test("is the window and the quiet hours, each with its own time", () => {
    expect(waits({ windowOpensAt: later, quietUntil: latest })).toEqual([
      ["SCHEDULE_WINDOW", later],
      ["QUIET_HOURS", latest],
    ]);
    expect(waits({ windowOpensAt: later, neverOpens: true })).toEqual([["SCHEDULE_WINDOW", null]]);
    expect(messages({ neverOpens: true })[0]).toContain("nothing is sent until one of them is changed");
  });

  test("is the frequency cap: until it was put off to, until the lead has room, or until an older enrolment's message is gone", () => {
    expect(waits({ deferredUntil: later })).toEqual([["FREQUENCY_CAP", later]]);
    expect(waits({ deferredUntil: later, capUntil: latest })).toEqual([["FREQUENCY_CAP", latest]]);
    expect(waits({ deferredUntil: before(1), capUntil: later })).toEqual([["FREQUENCY_CAP", later]]);
    expect(waits({ deferredUntil: before(1) })).toEqual([["QUEUED", null]]);
    expect(waits({ isBehindOlder: true })).toEqual([["FREQUENCY_CAP", null]]);
  });

  test("is a device: one that is online, or one below its limits", () => {
    expect(waits({ devices: offline })).toEqual([["NO_DEVICE_ONLINE", null]]);
    expect(waits({ devices: full })).toEqual([["DEVICE_LIMITS", later]]);
  });

  test("is its own device, while that has the lead to itself", () => {
    expect(waits({ boundDevice: full })).toEqual([["DEVICE_LIMITS", later]]);
    expect(waits({ boundDevice: room, devices: full })).toEqual([["QUEUED", null]]);
  });

  test("is the end of its device's restriction, where the lead has not written to it", () => {
    expect(waits({ restriction: { until: later }, boundDevice: room })).toEqual([["DEVICE_RESTRICTED", later]]);
    expect(waits({ restriction: { until: null }, boundDevice: offline, devices: offline })).toEqual([["DEVICE_RESTRICTED", null]]);
    expect(waits({ boundDevice: room, devices: offline })).toEqual([["QUEUED", null]]);
    expect(messages({ boundDevice: offline })[0]).toContain("no other goes on in its place");
  });

  test("is an operator's release, where first contacts are held", () => {
    expect(waits({ isHeld: true })).toEqual([["SYSTEM_HOLD", null]]);
  });

  test("is a device's random pause, until it is surely over", () => {
    const until = new Date(now.getTime() + 10_000);
    expect(waits({ boundDevice: { ...room, restedSince: before(20) } })).toEqual([["PACE", until]]);
    expect(waits({ devices: { ...room, restedSince: before(20) } })).toEqual([["PACE", until]]);
    expect(waits({ boundDevice: room, devices: { ...room, restedSince: before(20) } })).toEqual([["QUEUED", null]]);
    expect(waits({ boundDevice: { ...room, restedSince: before(30) } })).toEqual([["QUEUED", null]]);
  });

  test("is the workspace's hourly ceiling", () => {
    expect(waits({ ceilingUntil: later })).toEqual([["RATE_CEILING", later]]);
  });

  test("says when it fails, where there is no device that it could wait for", () => {
    const none = { hasDevices: false, canComeBack: false, devices: offline };
    expect(messages(none)).toEqual([
      "The workspace has no device. It fails with NO_DEVICE where there is still none when it is due, at 2026-11-22T01:00:00.000Z.",
    ]);
    expect(messages({ ...none, noDeviceGraceMinutes: 60 })).toEqual([
      "The workspace has no device. It fails with NO_DEVICE where there is still none when the sequence's grace of 60 minutes ends, at 2026-11-22T02:00:00.000Z.",
    ]);
    expect(messages({ ...none, sequenceStatus: "PAUSED" })[1]).toBe(
      "The workspace has no device. It fails with NO_DEVICE where there is still none when it is due.",
    );
    expect(messages({ ...none, deferredUntil: later })[1]).toContain("when it is due, at 2026-11-22T02:00:00.000Z.");
    expect(messages({ canComeBack: false, devices: offline })).toEqual([
      "Every device of the workspace is unpaired, logged out, replaced or banned. It fails with NO_DEVICE where that is still so when it is due, at 2026-11-22T01:00:00.000Z.",
    ]);
    expect(messages({ devices: offline })).toEqual(["No device of the workspace is online and not paused."]);
  });

  test("is every gate that is closed, not just the first", () => {
    const all = waits({
      dueAt: later,
      deferredUntil: latest,
      sequenceStatus: "ARCHIVED",
      enrollmentStatus: "PAUSED",
      windowOpensAt: later,
      quietUntil: later,
      ceilingUntil: later,
      devices: offline,
      isHeld: true,
    });
    expect(all.map(([reason]) => reason)).toEqual([
      "SEQUENCE_PAUSED",
      "ENROLLMENT_PAUSED",
      "NOT_DUE",
      "SCHEDULE_WINDOW",
      "QUIET_HOURS",
      "FREQUENCY_CAP",
      "NO_DEVICE_ONLINE",
      "RATE_CEILING",
      "SYSTEM_HOLD",
    ]);
  });

  const time = fc.option(fc.integer({ min: -3600, max: 3600 }).map((seconds) => before(seconds)));
  const future = fc.option(fc.integer({ min: 1, max: 3600 }).map((seconds) => before(-seconds)));
  const rooms = fc.record<DeviceRoom>({ online: fc.nat(2), hasRoom: fc.boolean(), roomAt: future, restedSince: time });
  const situation = fc.record<Situation>({
    now: fc.constant(now),
    isWaiting: fc.constant(true),
    dueAt: time.map((at) => at ?? now),
    deferredUntil: time,
    sequenceStatus: fc.constantFrom("ACTIVE", "PAUSED", null),
    campaignStatus: fc.constantFrom("RUNNING", "PAUSED", "CANCELLED", null),
    enrollmentStatus: fc.constantFrom("ACTIVE", "PAUSED", null),
    windowOpensAt: future,
    quietUntil: future,
    neverOpens: fc.boolean(),
    capUntil: future,
    isBehindOlder: fc.boolean(),
    ceilingUntil: future,
    minDelaySeconds: fc.constant(10),
    maxDelaySeconds: fc.nat(60),
    noDeviceGraceMinutes: fc.nat(10),
    hasDevices: fc.boolean(),
    canComeBack: fc.boolean(),
    devices: rooms,
    boundDevice: fc.option(rooms),
    restriction: fc.option(fc.record({ until: future })),
    isHeld: fc.boolean(),
  });

  test.prop([situation])("is never nothing, never QUEUED among others, no gate twice, and never until a time that is over", (any) => {
    const all = flowWaits(any);
    const reasons = all.map(({ reason }) => reason);
    expect(reasons.length).toBeGreaterThan(0);
    expect(new Set(reasons).size).toBe(reasons.length);
    expect(reasons.includes("QUEUED")).toBe(reasons.join() === "QUEUED");
    expect(all.filter(({ until }) => until !== null && until <= now)).toEqual([]);
  });
});
