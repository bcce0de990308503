// kill -9 at each point on the way of a reply, from WhatsApp to what follows from it: a key opens a message once, and its receipt goes out once.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { one, query } from "../support/factories.ts";
import { type Killable, SHOP, startKillable } from "../support/whatsapp-kills.ts";

let it: Killable;
let phones = 60_124_000_000;

beforeAll(async () => {
  it = await startKillable();
});
beforeEach(() => it.run());
afterAll(() => it.stop());

/** Somebody who has had a message, and is to have another in a day. */
async function enrolled(): Promise<string> {
  const phone = String((phones += 1));
  const flowId = await it.enrol(phone, "Hello", "How are you?");
  await eventually(async () => (await it.flow(flowId)).isDelivered, "the first message is delivered");
  return phone;
}

const repliesOf = (phone: string) => query(it.pool, `SELECT r.text, r.opted_out AS "optedOut" FROM replies r JOIN leads l ON l.id = r.lead_id WHERE l.phone = $1`, [phone]);
const waiting = async () => (await one<{ count: number }>(it.pool, "SELECT count(*)::int AS count FROM whatsapp_inbox")).count;

const enrollmentOf = (phone: string) =>
  one<{ status: string; reason: string; hasOptedOut: boolean }>(
    it.pool,
    `SELECT e.status, e.stop_reason AS reason, l.opted_out_at IS NOT NULL AS "hasOptedOut" FROM enrollments e JOIN leads l ON l.id = e.lead_id
      WHERE l.phone = $1 ORDER BY e.id LIMIT 1`,
    [phone],
  );

/** Each person's reply and what follows from it, once; and both can still be heard, and the one who has not said STOP written to. */
async function expectOnce(answering: string, stopping: string): Promise<void> {
  await eventually(async () => (await enrollmentOf(answering)).status === "STOPPED" && (await enrollmentOf(stopping)).status === "STOPPED", "both enrolments are stopped");
  expect(await enrollmentOf(answering)).toEqual({ status: "STOPPED", reason: "REPLIED", hasOptedOut: false });
  expect(await enrollmentOf(stopping)).toEqual({ status: "STOPPED", reason: "OPTED_OUT", hasOptedOut: true });

  const next = await it.enrol(answering, "Gladly");
  await eventually(async () => (await it.flow(next)).isDelivered, "the next message is delivered");
  expect(it.sentTo(answering)).toMatchObject([{ text: "Hello" }, { text: "Gladly", undecrypted: null, retries: 0 }]);
  await it.fake.reply({ account: SHOP, phone: answering, text: "Thank you" });
  await it.fake.reply({ account: SHOP, phone: stopping, text: "Good" });
  await eventually(async () => (await repliesOf(answering)).length > 1 && (await repliesOf(stopping)).length > 1, "what they write next is heard");
  expect(await repliesOf(answering)).toEqual([{ text: "Tell me more", optedOut: false }, { text: "Thank you", optedOut: false }]);
  expect(await repliesOf(stopping)).toEqual([{ text: "STOP", optedOut: true }, { text: "Good", optedOut: false }]);
  await eventually(async () => (await waiting()) === 0, "the inbox is empty");
  const told = await query<{ count: number }>(it.pool, "SELECT count(*)::int AS count FROM events WHERE type = 'REPLY' GROUP BY reply_id");
  expect(told.every(({ count }) => count === 1)).toBe(true);
  expect(it.sentTo(stopping)).toHaveLength(1);
}

async function bothReply(answering: string, stopping: string): Promise<string[]> {
  return [await it.fake.reply({ account: SHOP, phone: answering, text: "Tell me more" }), await it.fake.reply({ account: SHOP, phone: stopping, text: "STOP", from: "lid" })];
}

const areConfirmed = (messageIds: readonly string[]) => Promise.all(messageIds.map((id) => it.fake.waitFor("confirmed", ({ messageId }) => messageId === id)));

describe("kill -9", { timeout: 60_000 }, () => {
  test.each(["before", "after"] as const)("%s what was received is committed with its key: it comes again, and counts once", async (moment) => {
    const [answering, stopping] = [await enrolled(), await enrolled()];
    const held = it.hold("whatsapp_write", moment);
    await bothReply(answering, stopping);
    await held;
    await it.kill();
    expect((await waiting()) > 0).toBe(moment === "after");
    expect([await repliesOf(answering), await repliesOf(stopping)].flat()).toEqual([]);
    await it.run();
    await expectOnce(answering, stopping);
  });

  test("after its receipt has gone out, before it is worked in: WhatsApp does not bring it again, and it is there", async () => {
    const [answering, stopping] = [await enrolled(), await enrolled()];
    const held = it.hold("whatsapp_inbox", "before");
    await areConfirmed(await bothReply(answering, stopping));
    await held;
    await it.kill();
    expect(await waiting()).toBe(2);
    expect([await repliesOf(answering), await repliesOf(stopping)].flat()).toEqual([]);
    await it.run();
    await expectOnce(answering, stopping);
  });

  test("after it has been worked in, before it has left the inbox: it counts once", async () => {
    const [answering, stopping] = [await enrolled(), await enrolled()];
    const held = it.hold("DELETE", "before");
    await bothReply(answering, stopping);
    await held;
    await it.kill();
    expect(await waiting()).toBeGreaterThan(0);
    expect((await repliesOf(answering)).length + (await repliesOf(stopping)).length).toBeGreaterThan(0);
    await it.run();
    await expectOnce(answering, stopping);
  });

  test("after a STOP has been committed, before its sequences are stopped: they are stopped", async () => {
    const [answering, stopping] = [await enrolled(), await enrolled()];
    const holder = await it.pool.connect();
    await holder.query("BEGIN");
    await holder.query("SELECT FROM enrollments e JOIN leads l ON l.id = e.lead_id WHERE l.phone = $1 FOR UPDATE OF e", [stopping]);
    await bothReply(answering, stopping);
    await eventually(async () => (await enrollmentOf(stopping)).hasOptedOut, "the STOP is committed");
    await it.kill();
    await holder.query("ROLLBACK");
    holder.release();
    expect(await enrollmentOf(stopping)).toMatchObject({ status: "ACTIVE", hasOptedOut: true });
    await it.run();
    await expectOnce(answering, stopping);
  });

  test("whatever it struck, the device never had two sockets", () => {
    const logins = it.fake.witness.of("login");
    expect(logins.length).toBeGreaterThan(5);
    expect(logins.filter(({ alive }) => alive.length > 0)).toEqual([]);
  });
});
