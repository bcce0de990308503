// The fake WhatsApp server against the unmodified client: linking, sending, and what comes back.

import { type BaileysEventMap, proto } from "baileys";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lidJid } from "../support/fake-whatsapp/addresses.ts";
import { connectClient, linkedAuth, newAuth, type ClientAuth, type TestClient } from "../support/fake-whatsapp/client.ts";
import { createFakeWhatsapp, type FakeWhatsapp } from "../support/fake-whatsapp/fake.ts";

const ACCOUNT = "60123456789";
const PERSON = "60198765432";
const JID = `${PERSON}@s.whatsapp.net`;

const { DELIVERY_ACK, READ, ERROR } = proto.WebMessageInfo.Status;

let fake: FakeWhatsapp;
let clients: TestClient[];

beforeEach(async () => {
  fake = await createFakeWhatsapp();
  clients = [];
});

afterEach(async () => {
  // Whatever the client asks has an answer of its own.
  expect(fake.witness.of("unknown query")).toEqual([]);
  for (const client of clients) client.end();
  await fake.stop();
});

function connect(auth: ClientAuth): TestClient {
  const client = connectClient(fake, auth);
  clients.push(client);
  return client;
}

async function online(auth = linkedAuth(fake.link(ACCOUNT, { preKeys: 20 }))): Promise<TestClient> {
  const client = connect(auth);
  await client.open();
  return client;
}

const hears = (client: TestClient, messageId: string, status: number) =>
  client.next("messages.update", (updates: BaileysEventMap["messages.update"]) =>
    updates.some(({ key, update }) => key.id === messageId && update.status === status),
  );

const receives = async (client: TestClient, messageId: string) => {
  const { messages } = await client.next("messages.upsert", (upsert) => upsert.messages.some(({ key }) => key.id === messageId));
  return messages.find(({ key }) => key.id === messageId);
};

describe("linking", () => {
  test("a client whose QR code is scanned is linked, and logs in when it comes back", async () => {
    const auth = newAuth();
    const first = connect(auth);
    const device = await fake.scan(await first.qr(), ACCOUNT);
    expect(await first.closed()).toBe(515);
    expect(auth.creds.me).toMatchObject({ id: device, lid: lidJid(ACCOUNT, 1) });

    await online(auth);
    expect(await fake.waitFor("login")).toMatchObject({ account: ACCOUNT, device, alive: [] });
    expect(fake.accounts.get(ACCOUNT)?.companions.get(1)?.preKeys).toHaveLength(812);
  });

  test("so is one whose code of eight characters is typed in", async () => {
    const auth = newAuth();
    const first = connect(auth);
    await first.qr();
    const code = await first.sock.requestPairingCode(ACCOUNT);
    const device = await fake.enterCode(`${code.slice(0, 4)}-${code.slice(4)}`, ACCOUNT);
    expect(await first.closed()).toBe(515);
    expect(auth.creds.me).toMatchObject({ id: device });
    await online(auth);
  });

  test("a code that the client does not show links nothing", async () => {
    const client = connect(newAuth());
    await client.qr();
    await client.sock.requestPairingCode(ACCOUNT, "ABCD1234");
    await expect(fake.enterCode("ABCD1235", ACCOUNT)).rejects.toThrow("not the one that the device shows");
    expect(fake.accounts.size).toBe(0);
  });

  test("a QR code that nobody shows links nothing", async () => {
    await expect(fake.scan("https://wa.me/settings/linked_devices#a,b,c,d,1", ACCOUNT)).rejects.toThrow("no client shows this QR code");
  });
});

describe("sending", () => {
  test("the person reads what was sent, the server says that it has it, and the person's phone that it has come and was read", async () => {
    const client = await online();
    const messageId = await client.text(JID, "Selamat pagi");
    expect(await client.acknowledged(messageId)).toBeNull();
    expect(await fake.waitFor("message")).toMatchObject({ account: ACCOUNT, phone: PERSON, messageId, type: "pkmsg", text: "Selamat pagi", undecrypted: null });
    await hears(client, messageId, DELIVERY_ACK);
    fake.read(ACCOUNT, messageId);
    await hears(client, messageId, READ);
  });

  test("each message of a conversation is read, before and after the person has answered", async () => {
    const client = await online();
    await client.text(JID, "one");
    await client.text(JID, "two");
    await fake.waitFor("message", ({ text }) => text === "two");
    await receives(client, await fake.reply({ account: ACCOUNT, phone: PERSON, text: "Yes?" }));
    await client.text(JID, "three");
    expect(await fake.waitFor("message", ({ text }) => text === "three")).toMatchObject({ type: "msg" });
    expect(fake.witness.of("message").map(({ text }) => text)).toEqual(["one", "two", "three"]);
    expect(fake.witness.of("receipt").every(({ type }) => type === "delivered")).toBe(true);
  });

  test("by its hidden id a person is reached as by its number", async () => {
    const client = await online();
    await client.text(lidJid(PERSON), "Hello");
    expect(await fake.waitFor("message")).toMatchObject({ phone: PERSON, text: "Hello" });
  });

  test("each device of a person gets a copy of its own", async () => {
    fake.setDevices(PERSON, 3);
    const client = await online();
    const messageId = await client.text(JID, "Hello");
    await hears(client, messageId, DELIVERY_ACK);
    expect(await fake.waitFor("message")).toMatchObject({ text: "Hello", undecrypted: null });
    expect(fake.witness.of("receipt").filter(({ type }) => type === "retry")).toEqual([]);
  });

  test("an account that is linked here is written to as anybody is, and its device hears it too", async () => {
    const client = await online();
    const other = await online(linkedAuth(fake.link(PERSON, { preKeys: 20 })));
    const messageId = await client.text(JID, "Hello");
    expect((await receives(other, messageId))?.message?.extendedTextMessage?.text).toBe("Hello");
    await hears(client, messageId, DELIVERY_ACK);
    expect(await fake.waitFor("message")).toMatchObject({ account: ACCOUNT, phone: PERSON, text: "Hello", undecrypted: null });
  });

  test("a number that is not on WhatsApp is not found, and the lookup is on record", async () => {
    fake.setAbsent(PERSON);
    const client = await online();
    expect(await client.sock.onWhatsApp(`+${PERSON}`, "60111111111")).toEqual([{ jid: "60111111111@s.whatsapp.net", exists: true }]);
    expect(await fake.waitFor("lookup")).toMatchObject({ of: "contact", phones: [PERSON, "60111111111"] });
  });

  test.for([463, 479, 429])("a message can be refused with %i, and the person never reads it", async (code) => {
    const client = await online();
    fake.behave({ ack: { refuse: code } }, ACCOUNT);
    const messageId = await client.text(JID, "Hello");
    expect(await client.acknowledged(messageId)).toBe(String(code));
    await hears(client, messageId, ERROR);
    expect(await fake.waitFor("ack")).toMatchObject({ messageId, error: code });
    expect(fake.witness.of("receipt")).toEqual([]);
  });

  test("a restricted account writes to those who have written to it, to nobody else, and is told so", async () => {
    const client = await online();
    await receives(client, await fake.reply({ account: ACCOUNT, phone: PERSON, text: "Hi" }));
    fake.restrict(ACCOUNT, new Date(Date.now() + 3_600_000));
    await client.next("connection.update", ({ reachoutTimeLock }) => reachoutTimeLock?.isActive === true);
    expect(await client.acknowledged(await client.text("60111111111@s.whatsapp.net", "Hello"))).toBe("463");
    expect(await client.acknowledged(await client.text(JID, "Hello"))).toBeNull();
    expect(await client.sock.fetchAccountReachoutTimelock()).toMatchObject({ isActive: true });
  });

  test("without its acknowledgement the client hears nothing of a message that has arrived", async () => {
    const client = await online();
    fake.behave({ ack: "drop", deliverAfterMs: null });
    await client.text(JID, "Hello");
    await fake.waitFor("message");
    fake.behave({ ack: "accept" });
    await client.acknowledged(await client.text(JID, "again"));
    expect(fake.witness.of("ack")).toHaveLength(1);
  });
});

describe("what people write", () => {
  test("arrives decrypted, under the number with the hidden id beside it", async () => {
    const client = await online();
    const message = await receives(client, await fake.reply({ account: ACCOUNT, phone: PERSON, text: "Tell me more" }));
    expect(message?.message?.conversation).toBe("Tell me more");
    expect(message?.key).toMatchObject({ remoteJid: JID, remoteJidAlt: lidJid(PERSON), fromMe: false });
  });

  test("arrives under the hidden id with the number beside it, in the same conversation", async () => {
    const client = await online();
    await client.text(JID, "Hello");
    const message = await receives(client, await fake.reply({ account: ACCOUNT, phone: PERSON, text: "STOP", from: "lid" }));
    expect(message?.message?.conversation).toBe("STOP");
    expect(message?.key).toMatchObject({ remoteJid: lidJid(PERSON), remoteJidAlt: JID });
  });

  test("takes one-time keys, of which the device uploads more before there are none", async () => {
    const client = await online(linkedAuth(fake.link(ACCOUNT, { preKeys: 6 })));
    for (const phone of ["60111111111", "60122222222"]) await receives(client, await fake.reply({ account: ACCOUNT, phone, text: "Hi" }));
    expect(await fake.waitFor("uploaded")).toMatchObject({ account: ACCOUNT, count: 5 });
  });

  test("can come by itself to each message", async () => {
    fake.behave({ reply: { text: "Who is this?", afterMs: 1, from: "pn" } });
    const client = await online();
    await client.text(JID, "Hello");
    const { messageId } = await fake.waitFor("reply");
    expect((await receives(client, messageId))?.message?.conversation).toBe("Who is this?");
  });

  test("waits for the device's next login, and comes again until it is confirmed", async () => {
    const auth = linkedAuth(fake.link(ACCOUNT, { preKeys: 20 }));
    const messageId = await fake.reply({ account: ACCOUNT, phone: PERSON, text: "Anybody there?" });
    const first = await online(auth);
    expect((await receives(first, messageId))?.message?.conversation).toBe("Anybody there?");
    await fake.waitFor("confirmed", (entry) => entry.messageId === messageId);
    first.end();
    await fake.waitFor("disconnected");

    const second = await online(auth);
    await receives(second, await fake.reply({ account: ACCOUNT, phone: PERSON, text: "And now?" }));
    expect(second.messages.map(({ message }) => message?.conversation)).toEqual(["And now?"]);
  });
});

describe("what a person cannot read", () => {
  test("is asked for again, and read when it comes, under the same id", async () => {
    const client = await online();
    fake.behave({ asksAgain: 1 });
    const messageId = await client.text(JID, "Hello");
    expect(await fake.waitFor("receipt", ({ type }) => type === "retry")).toMatchObject({ messageId });
    expect(await fake.waitFor("message", ({ retries }) => retries > 0)).toMatchObject({ messageId, text: "Hello", retries: 1 });
    await hears(client, messageId, DELIVERY_ACK);
  });

  test("because its phone has forgotten the conversation, is read once a new one has begun", async () => {
    const client = await online();
    await client.acknowledged(await client.text(JID, "one"));
    await receives(client, await fake.reply({ account: ACCOUNT, phone: PERSON, text: "Yes?" }));
    fake.forgetConversations();
    const messageId = await client.text(JID, "two");
    expect(await fake.waitFor("message", (entry) => entry.messageId === messageId)).toMatchObject({ type: "msg", text: null, undecrypted: "no session" });
    expect(await fake.waitFor("message", (entry) => entry.messageId === messageId && entry.text !== null)).toMatchObject({ text: "two" });
    await hears(client, messageId, DELIVERY_ACK);
  });
});
