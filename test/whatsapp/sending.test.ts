// What becomes of a message: written or not, taken or not, and what is known of it when the connection ends.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DAY_MS, HOUR_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { eventually } from "../support/eventually.ts";
import { one } from "../support/factories.ts";
import { ACCOUNT, PERSON, type TestSession, type WhatsappRig, whatsappRig } from "../support/whatsapp.ts";

let rig: WhatsappRig;

beforeEach(async () => {
  rig = await whatsappRig();
});

afterEach(() => rig.stop());

const texts = () => rig.fake.witness.of("message").map(({ text }) => text);
const lookups = () => rig.fake.witness.of("lookup").filter(({ of }) => of === "contact").length;

describe("a message", () => {
  test("is read by the person as it was written, and accepted with WhatsApp's own word", async () => {
    const session = await rig.online();
    expect(await session.text("Selamat pagi, Cik Siti 🌞")).toMatchObject({ kind: "accepted" });
    expect(rig.fake.witness.of("message")).toMatchObject([{ account: ACCOUNT, phone: PERSON, text: "Selamat pagi, Cik Siti 🌞", undecrypted: null }]);
  });

  test("is told of as delivered, then as read", async () => {
    const session = await rig.online();
    await session.text("Hello");
    const delivered = await eventually(() => session.receipts.find(({ kind }) => kind === "delivered"), "it is delivered");
    rig.fake.read(ACCOUNT, delivered.messageId);
    const read = await eventually(() => session.receipts.find(({ kind }) => kind === "read"), "it is read");
    expect(read.messageId).toBe(delivered.messageId);
  });

  test("of many goes to the person that it is for, in the order of the device", async () => {
    const session = await rig.online();
    const phones = Array.from({ length: 20 }, (_, n) => String(60_190_000_000 + n));
    for (const phone of phones) expect(await session.text(`For ${phone}`, phone)).toMatchObject({ kind: "accepted" });
    expect(rig.fake.witness.of("message").map(({ phone, text }) => [phone, text])).toEqual(phones.map((phone) => [phone, `For ${phone}`]));
  });

  test("to all of a person's devices is one message", async () => {
    rig.fake.setDevices(PERSON, 3);
    const session = await rig.online();
    expect(await session.text("Hello")).toMatchObject({ kind: "accepted" });
    expect(rig.fake.witness.of("message")).toHaveLength(1);
    expect(texts()).toEqual(["Hello"]);
  });
});

describe("the keys of a conversation", () => {
  test("go on after a restart: the next message is read, too", async () => {
    const session = await rig.online();
    await session.text("One");
    await rig.restarted();
    const again = await rig.open(session.deviceId);
    await again.reaches("ONLINE");
    expect(await again.text("Two")).toMatchObject({ kind: "accepted" });
    expect(rig.fake.witness.of("message").map(({ text, retries }) => [text, retries])).toEqual([["One", 0], ["Two", 0]]);
  });

  test("that the person has lost are made anew, and the text comes from Postgres under the same id", async () => {
    const session = await rig.online();
    await session.text("One");
    // From the answer on a message is encrypted with what both sides know, and no longer begins the conversation.
    const { number } = rig.fake.witness.entries.at(-1) ?? { number: 0 };
    await rig.fake.reply({ account: ACCOUNT, phone: PERSON, text: "Yes?" });
    await rig.fake.waitFor("confirmed", undefined, { after: number });
    rig.fake.forgetConversations(PERSON);
    const { id } = await one<{ id: string }>(
      rig.database.pool,
      `WITH lead AS (INSERT INTO leads (phone) VALUES ($1) RETURNING id)
       INSERT INTO flows (workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, due_at, device_id, text)
       SELECT '01900000-0000-7000-8000-000000000001', 1, id, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now(), $2, 'Two' FROM lead RETURNING id`,
      [PERSON, session.deviceId],
    );
    expect(await session.text("Two", PERSON, id)).toMatchObject({ kind: "accepted" });
    const [, refused] = rig.fake.witness.of("message");
    expect(refused?.text).toBeNull();
    const served = await rig.fake.waitFor("message", ({ text }) => text === "Two");
    expect(served.messageId).toBe(refused?.messageId);
  });
});

describe("a number that is not on WhatsApp", () => {
  test("is found, is told of, and is not asked for again for a month", async () => {
    rig.fake.setAbsent(PERSON);
    const session = await rig.online();
    const absent = { kind: "refused", code: "NOT_ON_WHATSAPP" };
    expect(await session.text("Hello")).toMatchObject(absent);
    expect(await session.text("Hello again")).toMatchObject(absent);
    expect(lookups()).toBe(1);
    await rig.restarted();
    const again = await rig.open(session.deviceId);
    await again.reaches("ONLINE");
    expect(await again.text("And again")).toMatchObject(absent);
    expect(lookups()).toBe(1);
    expect(texts()).toEqual([]);

    rig.fake.setAbsent(PERSON, false);
    await rig.database.pool.query("UPDATE whatsapp_numbers SET checked_at = checked_at - interval '31 days'");
    await rig.restarted();
    const later = await rig.open(session.deviceId);
    await later.reaches("ONLINE");
    expect(await later.text("Welcome")).toMatchObject({ kind: "accepted" });
    expect(lookups()).toBe(2);
  });

  test("and one that is, is not asked for with each message", async () => {
    const session = await rig.online();
    for (const text of ["One", "Two", "Three"]) await session.text(text);
    expect(lookups()).toBe(1);
  });
});

describe("WhatsApp's refusal", () => {
  test.each([
    [479, "REJECTED"],
    [429, "RATE_LIMITED"],
    [500, "REJECTED"],
  ] as const)("%i fails the message with %s, and it is not sent again", async (error, code) => {
    rig.fake.behave({ ack: { refuse: error } });
    const session = await rig.online();
    expect(await session.text("Hello")).toMatchObject({ kind: "refused", code });
    rig.clock.jump(HOUR_MS);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(rig.fake.witness.of("message")).toHaveLength(1);
    expect(session.status()).toBe("ONLINE");
  });

  test("463 fails it, and the device is restricted until WhatsApp says that it is not, or the time is over", async () => {
    const session = await rig.online();
    const until = new Date(Math.ceil((rig.clock.now() + DAY_MS) / 1000) * 1000);
    rig.fake.behave({ isRestricted: true, restrictedUntil: until }, ACCOUNT);
    expect(await session.text("Hello")).toMatchObject({ kind: "refused", code: "DEVICE_RESTRICTED" });
    await session.reaches("RESTRICTED");
    await eventually(() => session.heard.at(-1)?.until?.getTime() === until.getTime(), "it is known until when");
    expect(rig.fake.witness.of("message")).toHaveLength(1);
    expect(rig.fake.witness.of("login")).toHaveLength(1);
    // It stays connected, and goes on with who writes to it.
    await rig.fake.reply({ account: ACCOUNT, phone: PERSON, text: "Hi, who is that?" });
    expect(await session.text("It is us")).toMatchObject({ kind: "accepted" });

    rig.fake.restrict(ACCOUNT, null);
    await session.reaches("ONLINE");
    rig.fake.restrict(ACCOUNT, new Date(rig.clock.now() + HOUR_MS));
    await session.reaches("RESTRICTED");
    rig.clock.jump(HOUR_MS + SECOND_MS);
    await session.reaches("ONLINE");
  });

  test("a restriction outlasts a reconnect", async () => {
    const session = await rig.online();
    rig.fake.restrict(ACCOUNT, new Date(rig.clock.now() + HOUR_MS));
    await session.reaches("RESTRICTED");
    rig.fake.close(ACCOUNT);
    await session.reaches("OFFLINE");
    rig.clock.jump(3 * SECOND_MS);
    await session.reaches("RESTRICTED");
    expect(session.heard.slice(-3).map(({ status }) => status)).toEqual(["OFFLINE", "CONNECTING", "RESTRICTED"]);
  });
});

describe("a message of which nothing is heard", () => {
  test("is unknown after half a minute; its connection is reset, so that nothing of it can come later", async () => {
    rig.fake.behave({ ack: "drop", deliverAfterMs: null });
    const session = await rig.online();
    const sending = session.text("Hello");
    await rig.fake.waitFor("message");
    await new Promise((resolve) => setTimeout(resolve, 20));
    rig.clock.jump(31 * SECOND_MS);
    expect(await sending).toMatchObject({ kind: "unknown" });
    await rig.fake.waitFor("disconnected");
    rig.clock.jump(10 * SECOND_MS);
    await session.reaches("ONLINE");
    expect(rig.fake.witness.of("message")).toHaveLength(1);
  });

  test("is accepted after all when the acknowledgement comes late", async () => {
    rig.fake.behave({ ackAfterMs: 400, deliverAfterMs: null });
    const session = await rig.online();
    const sending = session.text("Hello");
    const { messageId } = await rig.fake.waitFor("message");
    await session.close();
    expect(await sending).toMatchObject({ kind: "unknown" });
    rig.fake.behave({ deliverAfterMs: 1 });
    rig.fake.deliver(ACCOUNT, messageId);
    const again = await rig.open(session.deviceId);
    await again.reaches("ONLINE");
    await eventually(() => again.receipts.find((receipt) => receipt.messageId === messageId && receipt.kind === "delivered"), "its receipt comes to the next connection");
  });

  test("whose connection breaks is unknown at once", async () => {
    rig.fake.behave({ ack: "drop", deliverAfterMs: null });
    const session = await rig.online();
    const sending = session.text("Hello");
    await rig.fake.waitFor("message");
    rig.fake.destroy(ACCOUNT);
    expect(await sending).toMatchObject({ kind: "unknown" });
  });
});

describe("past the deadline", () => {
  test("nothing is written, also where what it waited for comes then", async () => {
    const session = await rig.online();
    rig.fake.silence(ACCOUNT);
    const sending = session.text("Too late");
    await new Promise((resolve) => setTimeout(resolve, 50));
    rig.clock.jump(10 * SECOND_MS + 1);
    expect(await sending).toMatchObject({ kind: "refused", code: "DEADLINE_MISSED" });
    rig.fake.resume(ACCOUNT);
    expect(await session.text("In time", "60177777777")).toMatchObject({ kind: "accepted" });
    expect(texts()).toEqual(["In time"]);
  });
});

test("a device that is not connected sends nothing", async () => {
  const session: TestSession = await rig.open(await rig.addDevice());
  await session.reaches("UNPAIRED");
  expect(await session.text("Hello")).toMatchObject({ kind: "refused", code: "DEVICE_DISCONNECTED" });
});
