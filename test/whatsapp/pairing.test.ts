// Linking a device to a phone, as an operator asks for it in the database.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openCode, type PairingCode } from "../../src/devices/pairing-code.ts";
import { eventually } from "../support/eventually.ts";
import { query } from "../support/factories.ts";
import { ACCOUNT, type TestSession, type WhatsappRig, whatsappRig } from "../support/whatsapp.ts";

let rig: WhatsappRig;

beforeEach(async () => {
  rig = await whatsappRig();
});

afterEach(() => rig.stop());

async function request(session: TestSession, phone: string | null = null): Promise<void> {
  await rig.database.pool.query("UPDATE devices SET pairing_requested_at = clock_timestamp(), pairing_phone = $2 WHERE id = $1", [session.deviceId, phone]);
  await session.looksAgain();
}

async function unpaired(): Promise<TestSession> {
  const session = await rig.open(await rig.addDevice());
  await session.reaches("UNPAIRED");
  return session;
}

const shown = async (session: TestSession): Promise<PairingCode | undefined> => {
  const [row] = await query<{ sealed: Buffer }>(rig.database.pool, "SELECT sealed FROM device_pairings WHERE device_id = $1", [session.deviceId]);
  return row && openCode(rig.sealer, session.deviceId, row.sealed);
};

const qrOf = (session: TestSession) => eventually(async () => ((code) => code && "qr" in code && code.qr)(await shown(session)), "a QR code is shown");

describe("a device that nobody has paired", () => {
  test("does not connect by itself, and says what to do", async () => {
    const session = await unpaired();
    expect(session.heard.at(-1)?.reason).toMatch(/pairDevice/);
    expect(rig.fake.witness.of("connected")).toEqual([]);
  });

  test("is paired by a QR code, comes back by itself, and sends", async () => {
    const session = await unpaired();
    await request(session);
    await session.reaches("PAIRING");
    await rig.fake.scan(await qrOf(session), ACCOUNT);
    await session.reaches("ONLINE");
    expect(await session.text("First")).toMatchObject({ kind: "accepted" });
    expect(await query(rig.database.pool, "SELECT phone FROM devices WHERE id = $1", [session.deviceId])).toEqual([{ phone: ACCOUNT }]);
    expect(await shown(session)).toBeUndefined();
    expect(session.heard.map(({ status }) => status)).toEqual(["UNPAIRED", "PAIRING", "CONNECTING", "ONLINE"]);
  });

  test("is paired by a code that is typed on the phone", async () => {
    const session = await unpaired();
    await request(session, ACCOUNT);
    const code = await eventually(async () => ((code) => code && "code" in code && code.code)(await shown(session)), "a code is shown");
    expect(code).toMatch(/^[0-9A-Z]{8}$/);
    await rig.fake.enterCode(code, ACCOUNT);
    await session.reaches("ONLINE");
  });

  test("stays paired over a restart", async () => {
    const session = await unpaired();
    await request(session);
    await rig.fake.scan(await qrOf(session), ACCOUNT);
    await session.reaches("ONLINE");
    await rig.database.pool.query("UPDATE devices SET status = 'OFFLINE' WHERE id = $1", [session.deviceId]);
    await rig.restarted();
    const again = await rig.open(session.deviceId);
    await again.reaches("ONLINE");
    expect(rig.fake.witness.of("paired")).toHaveLength(1);
  });

  test("whose request is made twice is paired once, and an old request is not carried out again", async () => {
    const session = await unpaired();
    await request(session);
    const first = await qrOf(session);
    await session.looksAgain();
    await session.looksAgain();
    expect(rig.fake.witness.of("registration")).toHaveLength(1);
    await request(session);
    const second = await eventually(async () => ((qr) => qr !== first && qr)(await qrOf(session)), "another code is shown");
    expect(rig.fake.witness.of("registration")).toHaveLength(2);
    await rig.fake.scan(second, ACCOUNT);
    await session.reaches("ONLINE");
  });

  test("that nobody comes for is unpaired again, and its code is gone", async () => {
    const session = await unpaired();
    await request(session);
    await qrOf(session);
    rig.fake.witness.of("registration");
    await session.close();
    expect(session.status()).toBe("UNPAIRED");
    expect(await shown(session)).toBeUndefined();
  });
});

describe("a device that was logged out on the phone", () => {
  test("is paired anew with other keys, and sends", async () => {
    const session = await rig.online();
    await session.text("Before");
    rig.fake.unlink(ACCOUNT);
    await session.reaches("LOGGED_OUT");
    await request(session);
    await rig.fake.scan(await qrOf(session), ACCOUNT);
    await session.reaches("ONLINE");
    expect(await session.text("After")).toMatchObject({ kind: "accepted" });
    expect(rig.fake.witness.of("message").map(({ text }) => text)).toEqual(["Before", "After"]);
  });
});

test("a device whose session was taken over takes it back when an operator pairs it: with the credentials that it has", async () => {
  const session = await rig.online();
  rig.fake.throwStreamError(ACCOUNT, 440);
  await session.reaches("REPLACED");
  await request(session);
  await session.reaches("ONLINE");
  expect(rig.fake.witness.of("registration")).toEqual([]);
});

test("a device that an operator logs out is unlinked at WhatsApp, and its credentials and keys are gone", async () => {
  const session = await rig.online();
  await session.text("Hello");
  await rig.database.pool.query("UPDATE devices SET logout_requested_at = clock_timestamp() WHERE id = $1", [session.deviceId]);
  await session.looksAgain();
  await session.reaches("LOGGED_OUT");
  await rig.fake.waitFor("unlinked", ({ account }) => account === ACCOUNT);
  const [left] = await query(rig.database.pool, "SELECT (SELECT count(*)::int FROM whatsapp_credentials) AS credentials, (SELECT count(*)::int FROM whatsapp_keys) AS keys");
  expect(left).toEqual({ credentials: 0, keys: 0 });
});
