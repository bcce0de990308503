// kill -9 at each point of a send through a WhatsApp device: the real server, the real client, and the fake WhatsApp as the witness of what was on the wire.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { type Killable, SHOP, startKillable } from "../support/whatsapp-kills.ts";

let it: Killable;
let phones = 60_123_000_000;

beforeAll(async () => {
  it = await startKillable();
});
beforeEach(() => it.run());
afterEach(() => it.fake.behaveWell());
afterAll(() => it.stop());

/** Somebody whom nobody has written to. */
const stranger = () => String((phones += 1));

/** Somebody who has had a message before, and whose device has read it: there is a conversation. */
async function acquaintance(): Promise<string> {
  const phone = stranger();
  const flowId = await it.enrol(phone, "Before");
  await eventually(async () => (await it.flow(flowId)).isDelivered, "the first message is delivered");
  expect(await it.sessions()).not.toEqual([]);
  return phone;
}

type Point = {
  readonly to: () => string | Promise<string>;
  /** Sets the trap. Resolves, once the message is due, when its flow stands at the point. */
  readonly reach: () => (flowId: string) => Promise<unknown>;
  /** Whether the conversation's next key is committed there. */
  readonly isCommitted: boolean;
};

const holding = (statement: string, moment: "before" | "after") => () => {
  const held = it.hold(statement, moment);
  return () => held;
};

/** The first that is written for somebody new is the hidden id. */
const secondKeys = () => {
  const first = it.hold("whatsapp_write", "after");
  return async () => {
    await first;
    const second = it.hold("whatsapp_write", "after");
    it.pass();
    await second;
  };
};

const unacknowledged = () => {
  it.fake.behave({ ack: "drop", deliverAfterMs: null });
  return (flowId: string) => it.fake.waitFor("message", ({ messageId }) => messageId === it.messageIds.messageIdOf(flowId));
};

const unanswered = () => {
  it.fake.behave({ answersQueries: false });
  return (flowId: string) => eventually(async () => (await it.flow(flowId)).isAttempted, "it is attempted");
};

const undelivered = () => {
  it.fake.behave({ deliverAfterMs: null });
  return holding("settle", "before")();
};

const BEFORE_THE_WRITE: Readonly<Record<string, Point>> = {
  "after the attempt has been committed, before it is heard of": { to: acquaintance, reach: holding("attempt", "after"), isCommitted: false },
  "after the attempt, while WhatsApp does not answer": { to: stranger, reach: unanswered, isCommitted: false },
  "before the hidden id of somebody new is committed": { to: stranger, reach: holding("whatsapp_write", "before"), isCommitted: false },
  "before the keys of a new conversation are committed": { to: stranger, reach: holding("whatsapp_write", "after"), isCommitted: false },
  "after the first keys of a new conversation have been committed": { to: stranger, reach: secondKeys, isCommitted: true },
  "before the key commit": { to: acquaintance, reach: holding("whatsapp_write", "before"), isCommitted: false },
  "after the key commit": { to: acquaintance, reach: holding("whatsapp_write", "after"), isCommitted: true },
};

const AFTER_THE_WRITE: Readonly<Record<string, Point>> = {
  "before the acknowledgement": { to: acquaintance, reach: unacknowledged, isCommitted: true },
  "before the acknowledgement of the first message to somebody": { to: stranger, reach: unacknowledged, isCommitted: true },
  "after the acknowledgement, before the settle": { to: acquaintance, reach: undelivered, isCommitted: true },
};

type Struck = { readonly flowId: string; /** What this person was sent from then on. */ readonly sent: () => unknown[] };

/** Kills it at this point of a send, starts it again, and waits until the doubt is told, and somebody's next message has been read. */
async function strike({ to, reach, isCommitted }: Point): Promise<Struck> {
  const phone = await to();
  const before = it.sentTo(phone).length;
  const sessions = await it.sessions();
  const reached = reach();
  const flowId = await it.enrol(phone, "In doubt");
  await reached(flowId);
  await it.kill();
  it.fake.behaveWell();
  expect(await it.flow(flowId)).toMatchObject({ status: "PROCESSING", isAttempted: true });
  expect((await it.sessions()).some((session) => !sessions.includes(session))).toBe(isCommitted);

  await it.run();
  await it.becomes(flowId, "FAILED", "OUTCOME_UNKNOWN");
  const next = await it.enrol(phone, "Afterwards");
  await eventually(async () => (await it.flow(next)).isDelivered, "the next message is delivered");
  return { flowId, sent: () => it.sentTo(phone).slice(before) };
}

const read = (text: string) => ({ text, undecrypted: null, retries: 0 });

describe("kill -9", { timeout: 60_000 }, () => {
  test.each(Object.entries(BEFORE_THE_WRITE))("%s: it is not sent, its outcome stays unknown, and the next one is read", async (_name, point) => {
    const { flowId, sent } = await strike(point);
    expect(sent()).toMatchObject([read("Afterwards")]);
    expect(await it.flow(flowId)).toMatchObject({ status: "FAILED", failureCode: "OUTCOME_UNKNOWN" });
  });

  test.each(Object.entries(AFTER_THE_WRITE))("after the write, %s: it is not sent again, the truth is told later, and the next one is read", async (_name, point) => {
    const { flowId, sent } = await strike(point);
    it.fake.deliver(SHOP, it.messageIds.messageIdOf(flowId));
    await eventually(async () => (await it.flow(flowId)).isDelivered, "it is delivered after all");
    expect(await it.flow(flowId)).toMatchObject({ status: "SENT", failureCode: null });
    expect(sent()).toMatchObject([read("In doubt"), read("Afterwards")]);
  });

  test("after the write: what was delivered while nobody was there is heard at the next login", async () => {
    const phone = await acquaintance();
    it.fake.behave({ ack: "drop", deliverAfterMs: null });
    const flowId = await it.enrol(phone, "In doubt");
    const { messageId } = await it.fake.waitFor("message", ({ text, phone: to }) => text === "In doubt" && to === phone);
    await it.kill();
    it.fake.deliver(SHOP, messageId);
    it.fake.read(SHOP, messageId);
    await it.run();
    await it.becomes(flowId, "SENT");
    await eventually(async () => (await it.flow(flowId)).isDelivered, "it was delivered");
    expect(it.sentTo(phone).filter(({ text }) => text === "In doubt")).toHaveLength(1);
  });

  test("after the settle has been committed, before it is heard of: it stays sent", async () => {
    const phone = await acquaintance();
    const held = it.hold("settle", "after");
    const flowId = await it.enrol(phone, "Settled");
    await held;
    await it.kill();
    expect((await it.flow(flowId)).status).toBe("SENT");
    await it.run();
    const next = await it.enrol(phone, "Afterwards");
    await it.becomes(next, "SENT");
    expect((await it.flow(flowId)).status).toBe("SENT");
    expect(it.sentTo(phone).slice(1)).toMatchObject([read("Settled"), read("Afterwards")]);
  });

  test("whatever it struck, the device never had two sockets", () => {
    const logins = it.fake.witness.of("login");
    expect(logins.length).toBeGreaterThan(10);
    expect(logins.filter(({ alive }) => alive.length > 0)).toEqual([]);
  });
});
