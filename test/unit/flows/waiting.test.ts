import { describe, expect, test } from "vitest";
import { flowWaits, type Situation } from "../../../src/flows/waiting.ts";

const now = new Date("2026-11-22T01:00:00Z");
const later = new Date("2026-11-22T02:00:00Z");

const ready: Situation = {
  now,
  dueAt: now,
  isWaiting: true,
  sequenceStatus: "ACTIVE",
  enrollmentStatus: "ACTIVE",
  devices: { online: 2, hasRoom: true, roomAt: null },
};

const waits = (changes: Partial<Situation>) => flowWaits({ ...ready, ...changes }).map(({ reason, until }) => [reason, until]);

describe("what a flow waits for", () => {
  test("is the next cycle, where nothing keeps it", () => expect(waits({})).toEqual([["QUEUED", null]]));

  test("is nothing once it is attempted or settled", () => {
    expect(waits({ isWaiting: false, dueAt: later, sequenceStatus: "PAUSED" })).toEqual([]);
  });

  test("is its time, and says which", () => expect(waits({ dueAt: later })).toEqual([["NOT_DUE", later]]));

  test("has no known time while something is paused, for the delay stands still", () => {
    expect(waits({ dueAt: later, sequenceStatus: "PAUSED" })).toEqual([
      ["SEQUENCE_PAUSED", null],
      ["NOT_DUE", null],
    ]);
    expect(waits({ dueAt: later, enrollmentStatus: "PAUSED" })).toEqual([
      ["ENROLLMENT_PAUSED", null],
      ["NOT_DUE", null],
    ]);
  });

  test("is a device: one that is online, or one below its limits", () => {
    expect(waits({ devices: { online: 0, hasRoom: false, roomAt: null } })).toEqual([["NO_DEVICE_ONLINE", null]]);
    expect(waits({ devices: { online: 1, hasRoom: false, roomAt: later } })).toEqual([["DEVICE_LIMITS", later]]);
  });

  test("is every gate that is closed, not just the first", () => {
    const all = waits({
      dueAt: later,
      sequenceStatus: null,
      enrollmentStatus: "PAUSED",
      devices: { online: 0, hasRoom: false, roomAt: null },
    });
    expect(all.map(([reason]) => reason)).toEqual(["SEQUENCE_PAUSED", "ENROLLMENT_PAUSED", "NOT_DUE", "NO_DEVICE_ONLINE"]);
  });
});
