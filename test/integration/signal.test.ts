// The Signal repository that Baileys is given, over Postgres, with plain libsignal on the other side.

import { randomBytes, randomUUID } from "node:crypto";
import { type AuthenticationCreds, generateSignalPubKey, initAuthCreds, type SignalRepositoryWithLIDStore, writeRandomPadMax16 } from "baileys";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import type { DeviceAuth } from "../../src/transports/whatsapp/auth-port.ts";
import { type AuthStore, createAuthStore } from "../../src/transports/whatsapp/auth-store.ts";
import { openSealing, type Sealing } from "../../src/transports/whatsapp/encryption-key.ts";
import type { Envelope } from "../../src/transports/whatsapp/inbox-entry.ts";
import { createSignalRepositories } from "../../src/transports/whatsapp/signal.ts";
import { silentLogger } from "../../src/transports/whatsapp/silent-logger.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addDevice, addWorkspace, query } from "../support/factories.ts";
import { hourlyClock } from "../support/hours.ts";
import { createSignalParty, type SignalParty } from "../support/signal-party.ts";

const PHONE = "60123456789@s.whatsapp.net";
const LID = "98765432101234@lid";

let db: TestDatabase;
let sealing: Sealing;
let workspaceId: string;
const nodeId = randomUUID();

beforeAll(async () => {
  db = await testDatabase();
  workspaceId = await addWorkspace(db.pool);
  sealing = await openSealing(db.pool, { keys: [randomBytes(32)], origin: "test" });
});
afterAll(() => db.drop());
afterEach(() => void vi.restoreAllMocks());

type Process = { readonly store: AuthStore; readonly auth: DeviceAuth; readonly signal: SignalRepositoryWithLIDStore };
type Device = { readonly deviceId: string; readonly creds: AuthenticationCreds; readonly envelopes: WeakMap<Uint8Array, Envelope> };

async function newDevice(): Promise<Device> {
  const deviceId = await addDevice(db.pool, workspaceId);
  await db.pool.query("UPDATE devices SET node_id = $2 WHERE id = $1", [deviceId, nodeId]);
  return { deviceId, creds: initAuthCreds(), envelopes: new WeakMap() };
}

/** The device in a process that has just started: it knows what Postgres has, and nothing else. */
function start({ deviceId, creds, envelopes }: Device, clock = systemClock): Process {
  const store = createAuthStore({ pool: db.pool, ...sealing, clock });
  const auth = store.open({ deviceId, workspaceId, nodeId });
  const signal = createSignalRepositories(auth.keys, (ciphertext) => envelopes.get(ciphertext))({ creds, keys: auth.keys as never }, silentLogger, async () => []);
  return { store, auth, signal };
}

const padded = (text: string) => writeRandomPadMax16(Buffer.from(text));
const unpadded = (bytes: string) => bytes.slice(0, bytes.length - bytes.charCodeAt(bytes.length - 1));
const inject = (signal: SignalRepositoryWithLIDStore, jid: string, person: SignalParty) => signal.injectE2ESession({ jid, session: person.bundle() as never });

/** What the person reads of it. */
async function send(signal: SignalRepositoryWithLIDStore, jid: string, person: SignalParty, text: string): Promise<string> {
  return unpadded(await person.decrypt("device", await signal.encryptMessage({ jid, data: padded(text) }) as never));
}

/** Written by the person, as a stanza brings it. */
async function written(device: Device, person: SignalParty, text: string, messageId: string | undefined) {
  const { type, ciphertext } = await person.encrypt("device", padded(text).toString("latin1"));
  if (messageId !== undefined) device.envelopes.set(ciphertext, { messageId, from: PHONE, alternate: LID, sentAt: 1_700_000_000 });
  return { jid: PHONE, type, ciphertext };
}

const inboxOf = ({ deviceId }: Device) => query<{ message_id: string }>(db.pool, "SELECT message_id FROM whatsapp_inbox WHERE device_id = $1 ORDER BY id", [deviceId]);

async function acquainted(): Promise<{ device: Device; person: SignalParty; process: Process }> {
  const [device, person] = [await newDevice(), createSignalParty()];
  const process = start(device);
  await inject(process.signal, PHONE, person);
  expect(await send(process.signal, PHONE, person, "Hello")).toBe("Hello");
  return { device, person, process };
}

describe("what is sent", () => {
  test("is read, one after another, by whichever process sends it", async () => {
    const { device, person } = await acquainted();
    for (const text of ["one", "two", "three"]) expect(await send(start(device).signal, PHONE, person, text)).toBe(text);
  });

  test("never has the key of another message, also where a process ends before it is written to the wire", async () => {
    const { device, person } = await acquainted();
    const [lost, next] = [await start(device).signal.encryptMessage({ jid: PHONE, data: padded("lost") }), await start(device).signal.encryptMessage({ jid: PHONE, data: padded("next") })];
    expect(unpadded(await person.decrypt("device", next as never))).toBe("next");
    expect(unpadded(await person.decrypt("device", lost as never))).toBe("lost");
  });

  test("to one person at the same time, by phone and by LID, has keys of its own each", async () => {
    const { person, process } = await acquainted();
    await process.signal.lidMapping.storeLIDPNMappings([{ pn: PHONE, lid: LID }]);
    await inject(process.signal, LID, person);
    const texts = Array.from({ length: 20 }, (_, n) => `${n}`);
    const sent = await Promise.all(texts.map((text, n) => process.signal.encryptMessage({ jid: n % 2 ? PHONE : LID, data: padded(text) })));
    for (const [n, message] of sent.entries()) expect(unpadded(await person.decrypt("device", message as never))).toBe(`${n}`);
  });

  test("by several devices to one person at the same time stays theirs", async () => {
    const all = await Promise.all(Array.from({ length: 5 }, acquainted));
    const sent = await Promise.all(all.flatMap(({ process }) => ["one", "two"].map((text) => process.signal.encryptMessage({ jid: PHONE, data: padded(text) }))));
    for (const [n, { person, device }] of all.entries()) {
      expect(unpadded(await person.decrypt("device", sent[2 * n] as never))).toBe("one");
      expect(unpadded(await person.decrypt("device", sent[2 * n + 1] as never))).toBe("two");
      expect(await send(start(device).signal, PHONE, person, "three")).toBe("three");
    }
  });

  test("is committed before anybody gets it: what cannot be, is not sent", async () => {
    const { device, person, process } = await acquainted();
    await db.pool.query("UPDATE devices SET node_id = NULL WHERE id = $1", [device.deviceId]);
    await expect(process.signal.encryptMessage({ jid: PHONE, data: padded("late") })).rejects.toThrow("another node holds the device");
    await db.pool.query("UPDATE devices SET node_id = $2 WHERE id = $1", [device.deviceId, nodeId]);
    expect(await send(start(device).signal, PHONE, person, "again")).toBe("again");
  });
});

describe("what is received", () => {
  test("waits in the inbox from the statement on that keeps its key", async () => {
    const { device, person, process } = await acquainted();
    const message = await written(device, person, "Yes", "MESSAGE");
    const statements = vi.spyOn(db.pool, "query");
    expect(unpadded(Buffer.from(await process.signal.decryptMessage(message)).toString())).toBe("Yes");
    expect(statements.mock.calls.filter(([config]) => (config as unknown as { name?: string }).name === "whatsapp_write")).toHaveLength(1);
    const [waiting] = (await process.store.takeInbox(nodeId, 100)).filter(({ deviceId }) => deviceId === device.deviceId);
    expect(waiting?.entry).toEqual({ messageId: "MESSAGE", from: PHONE, alternate: LID, sentAt: 1_700_000_000, plaintext: Buffer.from("Yes") });
  });

  test("a second time is refused, and waits once", async () => {
    const { device, person, process } = await acquainted();
    const message = await written(device, person, "Yes", "MESSAGE");
    await process.signal.decryptMessage(message);
    // The process ended before its receipt had gone out.
    await expect(start(device).signal.decryptMessage(message)).rejects.toThrow("No matching sessions found");
    expect(await inboxOf(device)).toEqual([{ message_id: "MESSAGE" }]);
    expect(await send(start(device).signal, PHONE, person, "still")).toBe("still");
  });

  test("and could not be committed can be read once it comes again", async () => {
    const { device, person, process } = await acquainted();
    const message = await written(device, person, "Yes", "MESSAGE");
    await db.pool.query("UPDATE devices SET node_id = NULL WHERE id = $1", [device.deviceId]);
    await expect(process.signal.decryptMessage(message)).rejects.toThrow("another node holds the device");
    expect(await inboxOf(device)).toEqual([]);
    await db.pool.query("UPDATE devices SET node_id = $2 WHERE id = $1", [device.deviceId, nodeId]);
    await start(device).signal.decryptMessage(message);
    expect(await inboxOf(device)).toEqual([{ message_id: "MESSAGE" }]);
  });

  test("of the account's own phone does not wait", async () => {
    const { device, person, process } = await acquainted();
    await process.signal.decryptMessage(await written(device, person, "copy", undefined));
    expect(await inboxOf(device)).toEqual([]);
  });

  test("as the first that anybody writes takes its one-time key", async () => {
    const [device, person] = [await newDevice(), createSignalParty()];
    const { auth, signal } = start(device);
    const preKey = { public: device.creds.pairingEphemeralKeyPair.public, private: device.creds.pairingEphemeralKeyPair.private };
    await auth.keys.set({ "pre-key": { "5": preKey } });
    const { signedPreKey, signedIdentityKey, registrationId } = device.creds;
    await person.begin("device", {
      registrationId,
      identityKey: Buffer.from(generateSignalPubKey(signedIdentityKey.public)),
      signedPreKey: { keyId: signedPreKey.keyId, publicKey: Buffer.from(generateSignalPubKey(signedPreKey.keyPair.public)), signature: Buffer.from(signedPreKey.signature) },
      preKey: { keyId: 5, publicKey: Buffer.from(generateSignalPubKey(preKey.public)) },
    });
    await signal.decryptMessage(await written(device, person, "Hello", "FIRST"));
    expect(await start(device).auth.keys.get("pre-key", ["5"])).toEqual({});
    expect(await inboxOf(device)).toEqual([{ message_id: "FIRST" }]);
    expect(await send(start(device).signal, PHONE, person, "Welcome")).toBe("Welcome");
  });
});

test("keys of a person that the person has not signed are refused", async () => {
  const [device, person, stranger] = [await newDevice(), createSignalParty(), createSignalParty()];
  const { signal } = start(device);
  const forged = { ...person.bundle(), signedPreKey: stranger.bundle().signedPreKey };
  await expect(signal.injectE2ESession({ jid: PHONE, session: forged as never })).rejects.toThrow("the signature is not the key's");
  expect(await signal.validateSession(PHONE)).toEqual({ exists: false, reason: "no session" });
});

test("a session that cannot be read is not replaced by another", async () => {
  const { device, person } = await acquainted();
  const process = start(device, hourlyClock());
  const reachPostgres = db.pool.query.bind(db.pool) as (...given: unknown[]) => unknown;
  vi.spyOn(db.pool, "query").mockImplementation(((...given: unknown[]) =>
    (given[0] as { name?: string }).name === "whatsapp_read" ? Promise.reject(new Error("connection lost")) : reachPostgres(...given)) as never);
  await expect(inject(process.signal, PHONE, person)).rejects.toThrow("connection lost");
  vi.restoreAllMocks();
  expect(await send(process.signal, PHONE, person, "still")).toBe("still");
});
