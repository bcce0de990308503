// How the fake WhatsApp server fails the unmodified client, at a test's word; and that it can be stopped and started.

import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BufferJSON, type BaileysEventMap, proto, WA_CERT_DETAILS } from "baileys";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type ClientAuth, connectClient, linkedAuth, type TestClient } from "../support/fake-whatsapp/client.ts";
import { serverIdentity } from "../support/fake-whatsapp/certificates.ts";
import { createFakeWhatsapp, type FakeOptions, type FakeWhatsapp, type LinkedCredentials } from "../support/fake-whatsapp/fake.ts";
import { isSignedBy } from "../support/fake-whatsapp/keys.ts";

const ACCOUNT = "60123456789";
const PERSON = "60198765432";
const JID = `${PERSON}@s.whatsapp.net`;

let fakes: FakeWhatsapp[];
let clients: TestClient[];
let fake: FakeWhatsapp;

beforeEach(async () => {
  fakes = [];
  clients = [];
  fake = await start();
});

afterEach(async () => {
  expect(fake.witness.of("unknown query")).toEqual([]);
  for (const client of clients) client.end();
  for (const started of fakes) await started.stop();
});

async function start(options: FakeOptions = {}): Promise<FakeWhatsapp> {
  const started = await createFakeWhatsapp(options);
  fakes.push(started);
  return started;
}

function connect(auth: ClientAuth, to = fake): TestClient {
  const client = connectClient(to, auth);
  clients.push(client);
  return client;
}

const linked = () => linkedAuth(fake.link(ACCOUNT, { preKeys: 20 }));

async function online(auth = linked(), to = fake): Promise<TestClient> {
  const client = connect(auth, to);
  await client.open();
  return client;
}

const receives = (client: TestClient, messageId: string) =>
  client.next("messages.upsert", (upsert: BaileysEventMap["messages.upsert"]) => upsert.messages.some(({ key }) => key.id === messageId));

describe("logins", () => {
  test.for([401, 403, 405, 408, 429, 463, 500, 503])("can be refused with %i", async (code) => {
    const auth = linked();
    fake.behave({ login: { refuse: code } }, ACCOUNT);
    expect(await connect(auth).closed()).toBe(code);
    expect(fake.witness.of("failure")).toMatchObject([{ account: ACCOUNT, code }]);
    fake.behaveWell();
    await online(auth);
  });

  test("of a device that was unlinked while it was away end with 401", async () => {
    const auth = linked();
    fake.unlink(ACCOUNT);
    expect(await connect(auth).closed()).toBe(401);
  });

  test("of somebody with other keys end with 401, and leave the device alone", async () => {
    const client = await online();
    const stranger = linked();
    const { me } = client.auth.creds;
    const thief = connect({ ...stranger, creds: { ...stranger.creds, ...(me && { me }) } });
    expect(await thief.closed()).toBe(401);
    expect(await client.acknowledged(await client.text(JID, "Hello"))).toBeNull();
  });

  test("of a device that is logged in already throw out the older socket as replaced, and are on record as such", async () => {
    const auth = linked();
    const older = await online(auth);
    await online(auth);
    expect(await older.closed()).toBe(440);
    const [first, second] = fake.witness.of("login");
    expect(second).toMatchObject({ alive: [first?.connection] });
  });
});

describe("connections that are up", () => {
  test.for([500, 503, 515, 516, 440, 401, 411])("can end with the stream error %i", async (code) => {
    const client = await online();
    fake.throwStreamError(ACCOUNT, code);
    expect(await client.closed()).toBe(code);
    expect(await fake.waitFor("disconnected")).toMatchObject({ account: ACCOUNT, reason: `stream error ${code}` });
  });

  test("are closed with 401 when somebody unlinks the device on the phone", async () => {
    const client = await online();
    fake.unlink(ACCOUNT);
    expect(await client.closed()).toBe(401);
    expect(fake.witness.of("unlinked")).toMatchObject([{ account: ACCOUNT, by: "phone" }]);
  });

  test("and the other way round: a client that logs out is unlinked", async () => {
    const client = await online();
    await client.sock.logout();
    expect(await fake.waitFor("unlinked")).toMatchObject({ account: ACCOUNT, by: "device" });
    expect(fake.accounts.get(ACCOUNT)?.companions.size).toBe(0);
  });

  test("can be closed or reset without a word, which are both 428 to the client", async () => {
    const auth = linked();
    const closed = await online(auth);
    fake.close(ACCOUNT);
    expect(await closed.closed()).toBe(428);
    const reset = await online(auth);
    fake.destroy(ACCOUNT);
    expect(await reset.closed()).toBe(428);
  });

  test("can fall silent: what is sent meanwhile is heard when the silence ends", async () => {
    const client = await online();
    await client.acknowledged(await client.text(JID, "Hello"));
    fake.silence(ACCOUNT);
    const messageId = await client.text(JID, "Can you hear me?");
    await fetch(`${fake.controlUrl}/witness`);
    expect(fake.witness.of("message")).toHaveLength(1);
    fake.resume(ACCOUNT);
    await fake.waitFor("message", ({ text }) => text === "Can you hear me?");
    expect(await client.acknowledged(messageId)).toBeNull();
  });

  test("that are silent stay so when the device logs in anew, and are on record as alive", async () => {
    const auth = linked();
    const older = await online(auth);
    fake.silence(ACCOUNT);
    await online(auth);
    const [first, second] = fake.witness.of("login");
    expect(second).toMatchObject({ alive: [first?.connection] });
    expect(older.sock.ws.isOpen).toBe(true);
    fake.destroy(ACCOUNT);
  });
});

describe("the network", () => {
  test("can be cut for all, and lets nobody in until it is back", async () => {
    const auth = linked();
    const client = await online(auth);
    fake.cutAll();
    expect(await client.closed()).toBe(428);
    expect(await connect(auth).closed()).toBe(408);
    fake.setGate("open");
    await online(auth);
    expect(fake.witness.of("login")).toHaveLength(2);
  });

  test("can answer with a status of HTTP instead", async () => {
    // Not with the client: it takes such an answer for none, and waits.
    fake.setGate(503);
    const [error] = (await once(new WebSocket(fake.url), "error").catch((thrown: unknown) => [thrown])) as [Error];
    expect(error.message).toBe("Unexpected server response: 503");
  });
});

describe("certificates", () => {
  const chainOf = (identity: ReturnType<typeof serverIdentity>) => {
    const { intermediate, leaf } = proto.CertChain.decode(identity.chain);
    const { key, issuerSerial } = proto.CertChain.NoiseCertificate.Details.decode(intermediate?.details ?? new Uint8Array());
    const isSigned = (by: Uint8Array | null | undefined, certificate: proto.CertChain.INoiseCertificate | null | undefined) =>
      isSignedBy(by ?? new Uint8Array(), certificate?.details ?? new Uint8Array(), certificate?.signature ?? new Uint8Array());
    return { isRoots: isSigned(Buffer.from(identity.rootKey, "hex"), intermediate), isLeafs: isSigned(key, leaf), serial: issuerSerial };
  };

  test("lead from the key of the handshake to the root", () => {
    expect(chainOf(serverIdentity("seed"))).toEqual({ isRoots: true, isLeafs: true, serial: WA_CERT_DETAILS.SERIAL });
  });

  test("are signed by another root where they are to be forged", async () => {
    expect(chainOf(serverIdentity("seed", { isForged: true }))).toEqual({ isRoots: false, isLeafs: true, serial: WA_CERT_DETAILS.SERIAL });
    const forged = await start({ seed: "seed", isForged: true });
    expect(forged.rootKey).toBe(serverIdentity("seed").rootKey);
  });
});

describe("a server that is stopped and started", () => {
  test("knows its devices, delivers what they have not had, and reads what they send, though people have forgotten their conversations", async () => {
    const auth = linked();
    const client = await online(auth);
    await client.acknowledged(await client.text(JID, "one"));
    await receives(client, await fake.reply({ account: ACCOUNT, phone: PERSON, text: "Yes?" }));
    client.end();
    await fake.waitFor("disconnected");
    const waiting = await fake.reply({ account: ACCOUNT, phone: PERSON, text: "Still there?" });
    const state = JSON.parse(JSON.stringify(fake.state()));
    await fake.stop();

    const next = await start({ state });
    expect(next.rootKey).toBe(fake.rootKey);
    const back = await online(auth, next);
    await receives(back, waiting);
    const messageId = await back.text(JID, "two");
    expect(await next.waitFor("message", (entry) => entry.text !== null)).toMatchObject({ messageId, text: "two" });
    expect(next.witness.of("message")[0]).toMatchObject({ messageId, type: "msg", undecrypted: "no session" });
  });
});

describe("other processes", () => {
  const control = async (command: string, ...given: readonly unknown[]) => {
    const response = await fetch(`${fake.controlUrl}/control`, { method: "POST", body: JSON.stringify({ command, arguments: given }) });
    return { status: response.status, ...(JSON.parse(await response.text(), BufferJSON.reviver) as { result?: unknown; error?: string }) };
  };

  test("link devices, set behaviour and read the log over HTTP", async () => {
    const { result } = await control("link", ACCOUNT, { preKeys: 20 });
    await control("behave", { ack: { refuse: 479 } }, ACCOUNT);
    const client = await online(linkedAuth(result as LinkedCredentials));
    expect(await client.acknowledged(await client.text(JID, "Hello"))).toBe("479");
    const lines = (await (await fetch(`${fake.controlUrl}/witness?after=1`)).text()).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(fake.witness.entries.slice(1));
  });

  test("are told what went wrong", async () => {
    expect(await control("scan", "no code", ACCOUNT)).toEqual({ status: 400, error: "no client shows this QR code" });
    expect(await control("stop")).toEqual({ status: 400, error: "no such command: stop" });
  });
});

test("the log is also kept in a file, a line for each entry", async () => {
  const logFile = join(tmpdir(), `fake-whatsapp-${process.pid}-${Math.random().toString(36).slice(2)}.ndjson`);
  try {
    const logging = await start({ logFile });
    const client = await online(linkedAuth(logging.link(ACCOUNT, { preKeys: 20 })), logging);
    await client.acknowledged(await client.text(JID, "Hello"));
    client.end();
    await logging.waitFor("disconnected");
    await logging.stop();
    const lines = (await readFile(logFile, "utf8")).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(logging.witness.entries);
  } finally {
    await rm(logFile, { force: true });
  }
});
