import { expect, test } from "vitest";
import { isRestricted } from "../../../src/devices/restriction.ts";
import type { SessionStatus } from "../../../src/transports/transport.ts";

const at = (hours: number) => new Date(hours * 3_600_000);
const restricted = (status: SessionStatus, restrictedUntil: Date | null, now: number) => isRestricted({ status, restrictedUntil }, at(now).getTime());

test("a restriction lasts as long as the device says so, and while it is away until its time is over", () => {
  expect(restricted("RESTRICTED", null, 5)).toBe(true);
  expect(restricted("RESTRICTED", at(4), 5)).toBe(true);
  for (const status of ["CONNECTING", "OFFLINE"] as const) {
    expect(restricted(status, at(6), 5)).toBe(true);
    expect(restricted(status, at(5), 5)).toBe(false);
    expect(restricted(status, null, 5)).toBe(false);
  }
  for (const status of ["ONLINE", "UNPAIRED", "PAIRING", "LOGGED_OUT", "REPLACED", "BANNED"] as const) expect(restricted(status, at(6), 5)).toBe(false);
});
