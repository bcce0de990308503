// Each of WhatsApp's codes: what becomes of the device, in which words, and how often it connects again, by the server's own count.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HOUR_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { ACCOUNT, type WhatsappRig, whatsappRig } from "../support/whatsapp.ts";

let rig: WhatsappRig;

beforeEach(async () => {
  rig = await whatsappRig();
});

afterEach(() => rig.stop());

const logins = () => rig.fake.witness.of("login").length;
const attempts = () => rig.fake.witness.of("connected").length;

/** Whatever would connect by itself within some hours has done so. */
async function hoursPass(): Promise<void> {
  for (let n = 0; n < 20; n++) {
    rig.clock.jump(HOUR_MS);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("a device that is online is thrown out, and stays out", () => {
  test.each([
    [401, "LOGGED_OUT", /Pair it again/],
    [403, "BANNED", /banned/],
    [440, "REPLACED", /took its session over/],
  ] as const)("with %i: it is %s, and does not connect again", async (code, status, reason) => {
    const session = await rig.online();
    rig.fake.throwStreamError(ACCOUNT, code);
    expect((await session.reaches(status)).reason).toMatch(reason);
    await hoursPass();
    expect(attempts()).toBe(1);
    expect(session.status()).toBe(status);
    // Nor after a restart, since its row says so.
    await rig.database.pool.query("UPDATE devices SET status = $1, status_reason = 'as told' WHERE id = $2", [status, session.deviceId]);
    await rig.restarted();
    const again = await rig.open(session.deviceId);
    await again.reaches(status);
    await hoursPass();
    expect(attempts()).toBe(1);
  });
});

describe("a device whose login is refused", () => {
  test.each([
    [401, "LOGGED_OUT"],
    [403, "BANNED"],
  ] as const)("with %i is %s after one try", async (code, status) => {
    rig.fake.behave({ login: { refuse: code } });
    const session = await rig.open(await rig.addDevice(ACCOUNT));
    await session.reaches(status);
    await hoursPass();
    expect(attempts()).toBe(1);
  });

  test("with 405 keeps all others of the process from trying: the client is too old", async () => {
    const online = await rig.online("60111111111");
    rig.fake.behave({ login: { refuse: 405 } }, ACCOUNT);
    const session = await rig.open(await rig.addDevice(ACCOUNT));
    expect((await session.reaches("OFFLINE")).reason).toMatch(/Update Rentak/);
    const tried = attempts();
    const other = await rig.open(await rig.addDevice("60122222222"));
    expect((await other.reaches("OFFLINE")).reason).toMatch(/Update Rentak/);
    await hoursPass();
    expect(attempts()).toBe(tried);
    expect(online.status()).toBe("ONLINE");
  });

  test.each([
    [429, /connect less often/],
    [500, /fault of its own/],
    [503, /not available/],
  ] as const)("with %i waits longer each time, and loses no credentials", async (code, reason) => {
    rig.fake.behave({ login: { refuse: code } });
    const session = await rig.open(await rig.addDevice(ACCOUNT));
    expect((await session.reaches("OFFLINE")).reason).toMatch(reason);
    // At once it does not try again.
    rig.clock.jump(SECOND_MS);
    expect(attempts()).toBe(1);
    for (const n of [2, 3]) {
      rig.clock.jump(HOUR_MS);
      await rig.fake.waitFor("failure", () => attempts() === n);
      await session.reaches("OFFLINE");
    }
    rig.fake.behaveWell();
    rig.clock.jump(HOUR_MS);
    await session.reaches("ONLINE");
    expect(attempts()).toBe(4);
  });
});

describe("a device whose connection ends", () => {
  test("without a word (428) is back after a moment, in one try", async () => {
    const session = await rig.online();
    rig.fake.close(ACCOUNT);
    expect((await session.reaches("OFFLINE")).reason).toMatch(/broke/);
    expect(attempts()).toBe(1);
    rig.clock.jump(3 * SECOND_MS);
    await session.reaches("ONLINE");
    expect([attempts(), logins()]).toEqual([2, 2]);
  });

  test("for want of an answer (408) is back just so", async () => {
    const session = await rig.online();
    rig.fake.throwStreamError(ACCOUNT, 408);
    expect((await session.reaches("OFFLINE")).reason).toMatch(/did not answer in time/);
    rig.clock.jump(3 * SECOND_MS);
    await session.reaches("ONLINE");
    expect([attempts(), logins()]).toEqual([2, 2]);
  });

  test("by a reset is back just so", async () => {
    const session = await rig.online();
    rig.fake.destroy(ACCOUNT);
    await session.reaches("OFFLINE");
    rig.clock.jump(3 * SECOND_MS);
    await session.reaches("ONLINE");
    expect(logins()).toBe(2);
  });

  test.each([500, 503] as const)("with %i is back after a longer while, with its credentials", async (code) => {
    const session = await rig.online();
    rig.fake.throwStreamError(ACCOUNT, code);
    await session.reaches("OFFLINE");
    rig.clock.jump(3 * SECOND_MS);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(attempts()).toBe(1);
    rig.clock.jump(20 * SECOND_MS);
    await session.reaches("ONLINE");
    expect(attempts()).toBe(2);
  });

  test("with 515 is back at once; one that is asked so forever waits from the fourth time on", async () => {
    const session = await rig.online();
    for (const n of [2, 3, 4]) {
      rig.fake.throwStreamError(ACCOUNT, 515);
      await rig.fake.waitFor("login", () => logins() === n);
      await session.reaches("ONLINE");
    }
    expect(session.heard.filter(({ reason }) => reason?.includes("asked to connect anew"))).toHaveLength(3);
    rig.fake.throwStreamError(ACCOUNT, 515);
    await session.reaches("OFFLINE");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(logins()).toBe(4);
    rig.clock.jump(20 * SECOND_MS);
    await session.reaches("ONLINE");
  });

  test("is never connected twice at a time", async () => {
    const session = await rig.online();
    for (let n = 0; n < 5; n++) {
      rig.fake.destroy(ACCOUNT);
      await session.reaches("OFFLINE");
      rig.clock.jump(60 * SECOND_MS);
      await session.reaches("ONLINE");
    }
    expect(rig.fake.witness.of("login").filter(({ alive }) => alive.length > 0)).toEqual([]);
  });
});

test("a server that cannot be reached is tried again and again, ever more seldom, and found when it is back", async () => {
  rig.fake.setGate("reset");
  const session = await rig.open(await rig.addDevice(ACCOUNT));
  await session.reaches("OFFLINE");
  for (let n = 0; n < 3; n++) {
    const heard = session.heard.length;
    rig.clock.jump(31 * SECOND_MS);
    await expect.poll(() => session.heard.length).toBeGreaterThan(heard + 1);
  }
  rig.fake.setGate("open");
  rig.clock.jump(31 * SECOND_MS);
  await session.reaches("ONLINE");
});

test("where something in between answers in place of WhatsApp the device waits, and is back with it", async () => {
  rig.fake.setGate(502);
  const session = await rig.open(await rig.addDevice(ACCOUNT));
  expect((await session.reaches("OFFLINE")).reason).toMatch(/not available/);
  rig.fake.setGate("open");
  rig.clock.jump(20 * SECOND_MS);
  await session.reaches("ONLINE");
});

test("a forged certificate is refused: nothing is said to whoever stands in between", async () => {
  await rig.stop();
  rig = await whatsappRig({ isForged: true });
  const session = await rig.open(await rig.addDevice(ACCOUNT));
  expect((await session.reaches("OFFLINE")).reason).toMatch(/certificate was refused/);
  expect(logins()).toBe(0);
});

test("a device that this process gives up says goodbye, and connects no more", async () => {
  const session = await rig.online();
  await session.close();
  expect(session.status()).toBe("OFFLINE");
  await rig.fake.waitFor("disconnected");
  await hoursPass();
  expect(attempts()).toBe(1);
});
