// What must be read nowhere: neither in what the server says at its most talkative, nor in the database, by whoever gets hold of it without the key.

import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formsOf, isIn, keysIn, placesOf } from "../support/canaries.ts";
import { eventually } from "../support/eventually.ts";
import { addSequence, one, query } from "../support/factories.ts";
import { type Life, liveThrough, TOKEN } from "../support/whatsapp-life.ts";
import { type WhatsappServers, whatsappServers, WORKSPACE } from "../support/whatsapp-servers.ts";

const ENCRYPTION_KEY = randomBytes(32);

describe("a life of two devices", () => {
  let servers: WhatsappServers;
  let life: Life;

  beforeAll(async () => {
    servers = await whatsappServers({ LOG_LEVEL: "trace", RENTAK_ADMIN_TOKEN: TOKEN }, ENCRYPTION_KEY);
    life = await liveThrough(servers);
  }, 180_000);
  afterAll(() => servers.stop());

  /** With names by which a failure can be told from another without telling the secret. */
  const secrets = (): [string, string | Uint8Array][] => [
    ...life.qr.map((part, index): [string, string] => [`QR code, part ${index}`, part]),
    ["pairing code", life.code],
    ["admin token", TOKEN],
    ["encryption key", ENCRYPTION_KEY],
    ...life.keys.map((key, index): [string, Uint8Array] => [`key ${index}`, key]),
  ];

  test("has all the secrets that are looked for", () => {
    expect(life.qr.length).toBeGreaterThanOrEqual(3);
    expect(life.code).toMatch(/^[0-9A-Z]{8}$/);
    // Of credentials, conversations and keys that are used once.
    expect(life.keys.length).toBeGreaterThan(100);
  });

  test("leaves no secret, no text, no reply and no number in what the servers say", () => {
    // There was something to tell, of what all of these are in.
    for (const told of ["attempts got no answer", "settling failed", "what was received could not be worked in"]) expect(life.output).toContain(told);
    const personal: [string, string][] = [
      ["text", life.text],
      ["reply", life.reply],
      ...[...life.people, life.stranger].map((phone, index): [string, string] => [`number ${index}`, phone]),
      ...life.lids.map((lid, index): [string, string] => [`hidden id ${index}`, lid]),
    ];
    expect([...secrets(), ...personal].filter(([, secret]) => isIn(life.output, secret)).map(([name]) => name)).toEqual([]);
  });

  test("leaves no secret in the database", () => {
    expect(secrets().flatMap(([name, secret]) => placesOf(life.dumps, secret).map((place) => `${name} in ${place}`))).toEqual([]);
  });

  test("leaves texts and numbers in the columns alone whose business they are", () => {
    expect(placesOf(life.dumps, life.text)).toEqual(["flows.text", "sequence_steps.message_text"]);
    expect(placesOf(life.dumps, life.reply)).toEqual(["replies.text"]);
    for (const phone of life.people) expect(placesOf(life.dumps, phone)).toEqual(["leads.phone", "whatsapp_numbers.phone"]);
    // Of somebody who is nobody's lead, the words alone are kept.
    expect(placesOf(life.dumps, life.stranger)).toEqual([]);
    for (const lid of life.lids) expect(placesOf(life.dumps, lid)).toEqual([]);
  });
});

describe("sealed bytes of another device", () => {
  let servers: WhatsappServers;
  let shop: string;
  let office: string;

  beforeAll(async () => {
    servers = await whatsappServers({ LOG_LEVEL: "warn" });
    [shop, office] = [await servers.addLinked("60311111111"), await servers.addLinked("60322222222")];
  });
  afterAll(() => servers.stop());

  const deviceOf = (id: string) => one<{ status: string; reason: string | null }>(servers.database.pool, `SELECT status, status_reason AS reason FROM devices WHERE id = $1`, [id]);
  const reaches = (id: string, status: string) => eventually(async () => (await deviceOf(id)).status === status, `it becomes ${status}`);
  const loginsOf = (account: string) => servers.fake.witness.of("login").filter((login) => login.account === account).length;

  test("do not open as its credentials: it says so, stays paired, and comes back once they are its own again", async () => {
    const { pool } = servers.database;
    const { sealed } = await one<{ sealed: Buffer }>(pool, "SELECT sealed FROM whatsapp_credentials WHERE device_id = $1", [office]);
    await pool.query("UPDATE whatsapp_credentials SET sealed = (SELECT sealed FROM whatsapp_credentials WHERE device_id = $2) WHERE device_id = $1", [office, shop]);
    const server = await servers.start();
    await reaches(shop, "ONLINE");
    await eventually(async () => (await deviceOf(office)).reason, "it says what is wrong");
    expect(await deviceOf(office)).toEqual({ status: "OFFLINE", reason: expect.stringMatching(/credentials cannot be read/) });
    // Under neither name: the other's would have pushed that one out.
    expect([loginsOf("60311111111"), loginsOf("60322222222")]).toEqual([1, 0]);

    await pool.query("UPDATE whatsapp_credentials SET sealed = $2 WHERE device_id = $1", [office, sealed]);
    await reaches(office, "ONLINE");
    await server.end("SIGTERM");
  });

  test("do not open as its keys: what would be encrypted with them is not sent", async () => {
    const { fake, database } = servers;
    const { pool } = database;
    await pool.query("UPDATE devices SET paused_at = clock_timestamp() WHERE id = $1", [shop]);
    const server = await servers.start();
    await enrol("first");
    expect(await fake.waitFor("message", ({ account }) => account === "60322222222")).toMatchObject({ text: "first", undecrypted: null });
    await server.end("SIGTERM");

    await pool.query("UPDATE whatsapp_keys SET sealed = (SELECT sealed FROM whatsapp_keys WHERE device_id = $2 LIMIT 1) WHERE device_id = $1", [office, shop]);
    const again = await servers.start();
    await enrol("second");
    const failed = await eventually(async () => (await query(pool, `SELECT failure_code AS code FROM flows WHERE status = 'FAILED'`))[0], "it fails");
    expect(failed).toEqual({ code: "REJECTED" });
    expect(fake.witness.of("message").map(({ text }) => text)).toEqual(["first"]);
    expect(again.output()).toMatch(/"UnsealError".*"a message could not be prepared"/);
  });

  async function enrol(word: string): Promise<void> {
    const { pool } = servers.database;
    await addSequence(pool, WORKSPACE, { steps: [{ trigger: word, text: word }] });
    await pool.query("INSERT INTO leads (phone, trigger) VALUES ('60123456701', $1) ON CONFLICT (workspace_id, phone) DO UPDATE SET trigger = excluded.trigger", [word]);
  }
});

describe("looking for a secret", () => {
  const key = randomBytes(32);
  const around = (place: number) => Buffer.concat([randomBytes(place), key, randomBytes(3)]);

  test.each([
    ["hexadecimal", () => around(5).toString("hex")],
    ["base64", () => `${around(3).toString("base64")} ${around(4).toString("base64")}`],
    ["base64 at an odd place", () => around(5).toString("base64")],
    ["base64 for addresses", () => around(4).toString("base64url")],
    ["JSON of bytes", () => JSON.stringify({ key })],
    ["what the console prints of bytes", () => `<Buffer ${key.toString("hex").match(/../g)?.join(" ")}>`],
    ["base64 within bytes that are printed in hexadecimal", () => Buffer.from(JSON.stringify({ key: around(4).toString("base64") })).toString("hex")],
  ])("finds it as %s", (_name, write) => {
    expect(isIn(write(), key)).toBe(true);
    expect(isIn(write(), randomBytes(32))).toBe(false);
  });

  test("finds words as they are, and what a session is made of", () => {
    expect(formsOf("marmalade")).toContain("marmalade");
    const session = JSON.stringify({ _sessions: { [key.toString("base64")]: { chainKey: { key: key.toString("base64") }, counter: 4, used: 1_795_651_205_415 } } });
    expect(keysIn(session)).toEqual([key, key]);
  });
});
