// What people write back: kept before WhatsApp is told that it has come, led back to the person, obeyed.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { query } from "../support/factories.ts";
import { ACCOUNT, PERSON, type WhatsappRig, whatsappRig } from "../support/whatsapp.ts";

let rig: WhatsappRig;

beforeEach(async () => {
  rig = await whatsappRig();
  await rig.database.pool.query("INSERT INTO leads (phone, name) VALUES ($1, 'Siti')", [PERSON]);
});

afterEach(() => rig.stop());

type Row = { text: string; name: string | null; opted_out: boolean };

const rows = () => query<Row>(rig.database.pool, "SELECT r.text, l.name, r.opted_out FROM replies r LEFT JOIN leads l ON l.id = r.lead_id ORDER BY r.received_at, r.id");
const recorded = (count: number) => eventually(async () => ((found) => found.length >= count && found)(await rows()), `${count} replies are recorded`);
const waiting = async () => (await query<{ count: number }>(rig.database.pool, "SELECT count(*)::int FROM whatsapp_inbox"))[0]?.count;

describe("a reply", () => {
  test("under the phone number, under the hidden id with the number beside it, and under the hidden id alone is the same person's", async () => {
    const session = await rig.online();
    await session.text("Hello");
    await rig.fake.reply({ account: ACCOUNT, phone: PERSON, text: "By number", from: "pn" });
    await recorded(1);
    await rig.fake.reply({ account: ACCOUNT, phone: PERSON, text: "By both", from: "lid" });
    await recorded(2);
    await rig.fake.reply({ account: ACCOUNT, phone: PERSON, text: "By the hidden id", from: "lid", showsPhone: false });
    expect(await recorded(3)).toEqual(["By number", "By both", "By the hidden id"].map((text) => ({ text, name: "Siti", opted_out: false })));
    await eventually(async () => (await waiting()) === 0, "nothing waits to be worked in");
  });

  test("under a hidden id that nobody knows is kept, for nobody", async () => {
    await rig.online();
    await rig.fake.reply({ account: ACCOUNT, phone: PERSON, text: "Who is this?", from: "lid", showsPhone: false });
    expect(await recorded(1)).toEqual([{ text: "Who is this?", name: null, opted_out: false }]);
  });

  test("that came while the device was away is there when it is back", async () => {
    const session = await rig.online();
    await session.close();
    await rig.fake.reply({ account: ACCOUNT, phone: PERSON, text: "While you were away" });
    await rig.restarted();
    await (await rig.open(session.deviceId)).reaches("ONLINE");
    expect(await recorded(1)).toMatchObject([{ text: "While you were away" }]);
  });

  test("of a hundred people at once is a hundred replies", async () => {
    await rig.online();
    const phones = Array.from({ length: 100 }, (_, n) => String(60_195_000_000 + n));
    await Promise.all(phones.map((phone) => rig.fake.reply({ account: ACCOUNT, phone, text: `From ${phone}` })));
    expect((await recorded(100)).map(({ text }) => text).toSorted()).toEqual(phones.map((phone) => `From ${phone}`));
  });
});

describe("a STOP", () => {
  const confirm = () => rig.database.pool.query("UPDATE workspaces SET stop_confirmation = 'You will hear nothing more from us.'");

  test("is answered once with the workspace's confirmation, which counts for the device's limits", async () => {
    await confirm();
    const session = await rig.online();
    await rig.fake.reply({ account: ACCOUNT, phone: PERSON, text: "Stop, please!" });
    expect(await recorded(1)).toMatchObject([{ opted_out: true }]);
    const { text } = await rig.fake.waitFor("message");
    expect(text).toBe("You will hear nothing more from us.");
    expect(await query(rig.database.pool, "SELECT device_id FROM device_attempts")).toEqual([{ device_id: session.deviceId }]);
    await rig.fake.reply({ account: ACCOUNT, phone: PERSON, text: "STOP" });
    await recorded(2);
    await session.text("A mark", "60177777777");
    expect(rig.fake.witness.of("message")).toHaveLength(2);
  });

  test("is obeyed, and not answered, where the device's limits leave no room", async () => {
    await confirm();
    const session = await rig.open(await rig.addDevice(ACCOUNT), { hasRoom: false });
    await session.reaches("ONLINE");
    await rig.fake.reply({ account: ACCOUNT, phone: PERSON, text: "STOP" });
    expect(await recorded(1)).toMatchObject([{ opted_out: true }]);
    await session.text("A mark", "60177777777");
    expect(rig.fake.witness.of("message").map(({ text }) => text)).toEqual(["A mark"]);
  });

  test("is not answered where the workspace has set no confirmation", async () => {
    const session = await rig.online();
    await rig.fake.reply({ account: ACCOUNT, phone: PERSON, text: "berhenti" });
    expect(await recorded(1)).toMatchObject([{ opted_out: true }]);
    await session.text("A mark", "60177777777");
    expect(rig.fake.witness.of("message")).toHaveLength(1);
  });
});
