// All of it through GraphQL alone, as an integration would: two devices are paired, people are enrolled, what they read and answer is told, and who says STOP
// hears nothing more. The server is a process of its own, the client the real one, WhatsApp the fake server.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Client } from "graphql-ws";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createFakeWhatsapp, type FakeWhatsapp } from "../support/fake-whatsapp/fake.ts";
import type { Loose } from "../support/server.ts";
import { freePort, type ServerProcess, startServerProcess } from "../support/server-process.ts";

const TOKEN = "rtk_a-token-for-the-whole-of-it";
const SHOP = "60311111111";
const OFFICE = "60322222222";
const SITI = "60123456701";
const AMIR = "60123456702";

let fake: FakeWhatsapp;
let database: TestDatabase;
let folder: string;
let server: ServerProcess;
let client: Client;

beforeAll(async () => {
  fake = await createFakeWhatsapp();
  database = await testDatabase();
  folder = await mkdtemp(join(tmpdir(), "rentak-whole-"));
  server = await startServerProcess({
    PORT: String(await freePort()),
    DATABASE_URL: database.url,
    RENTAK_DATA_DIR: folder,
    RENTAK_ADMIN_TOKEN: TOKEN,
    RENTAK_DISPATCH_INTERVAL_MS: "100",
    RENTAK_MIN_STEP_DELAY_HOURS: "0",
    WHATSAPP_URL: fake.url,
    WHATSAPP_ROOT_KEY: fake.rootKey,
  });
  client = createClient({ url: `${server.url.replace("http", "ws")}/graphql`, webSocketImpl: WebSocket, connectionParams: { Authorization: `Bearer ${TOKEN}` }, retryAttempts: 0 });
});

afterAll(async () => {
  await client?.dispose();
  await server?.end("SIGTERM");
  await fake?.stop();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

async function ask(query: string, variables: Record<string, unknown> = {}): Promise<Loose> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${TOKEN}` };
  const response = await fetch(`${server.url}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = (await response.json()) as Loose;
  if (errors) throw new Error(JSON.stringify(errors));
  const [payload] = Object.values(data) as Loose[];
  if (payload?.userErrors?.length) throw new Error(JSON.stringify(payload.userErrors));
  return payload;
}

/** Everything that a subscription tells, from when it is known to listen. */
function follow(query: string, variables: Record<string, unknown> = {}): { heard: Loose[]; stop: () => void } {
  const heard: Loose[] = [];
  const stop = client.subscribe<Loose>({ query, variables }, { next: ({ data }) => void heard.push(...Object.values(data ?? {})), error: (error) => void heard.push({ error }), complete() {} });
  return { heard, stop };
}

async function makeDevice(name: string): Promise<string> {
  return (await ask("mutation($name: String!) { createDevice(input: { name: $name }) { device { id status } userErrors { message } } }", { name })).device.id;
}

const statusOf = async (id: string): Promise<string> => (await ask("query($id: ID!) { device(id: $id) { status phone } }", { id })).status;

async function pair(id: string, phone: string, byCode: boolean): Promise<void> {
  const pairing = follow("subscription($id: ID!) { devicePairing(deviceId: $id) { status qr code expiresAt } }", { id });
  await eventually(() => pairing.heard.length > 0, "it tells how it stands");
  await ask("mutation($id: ID!, $phone: PhoneNumber) { pairDevice(id: $id, phone: $phone) { userErrors { message } } }", { id, phone: byCode ? `+${phone}` : null });
  const { qr, code } = await eventually(() => pairing.heard.find((each) => each.qr ?? each.code), "a code is shown");
  await (byCode ? fake.enterCode(code, phone) : fake.scan(qr, phone));
  await eventually(() => pairing.heard.at(-1)?.status === "ONLINE", "it is online");
  pairing.stop();
  // What is shown goes one way: who watches must not think that it failed.
  expect([...new Set(pairing.heard.map(({ status }) => status))].join(" ")).toMatch(/^UNPAIRED PAIRING( CONNECTING)?( OFFLINE)?( CONNECTING)? ONLINE$/);
  expect(await ask("query($id: ID!) { device(id: $id) { status phone transport } }", { id })).toEqual({ status: "ONLINE", phone: `+${phone}`, transport: "WHATSAPP" });
}

test("from a new device to a reply that ends the sequence, and a STOP after which nothing more arrives", async () => {
  const shop = await makeDevice("Shop");
  expect(await eventually(async () => (await statusOf(shop)) === "UNPAIRED", "it is there to be paired")).toBe(true);
  await pair(shop, SHOP, false);
  await pair(await makeDevice("Office"), OFFICE, true);

  const events = follow("subscription { flowEvents { type flow { id status text lead { phone } } } }");
  const replies = follow("subscription { replies { text optedOut lead { phone } device { name } } }");
  const steps = [1, 2, 3].map((day) => ({ dayNumber: day, trigger: `w${day}`, nextTrigger: day < 3 ? `w${day + 1}` : null, isEntryPoint: day === 1, text: `Day ${day}, {{name}}` }));
  const sequence = await ask(
    "mutation($input: CreateSequenceInput!) { createSequence(input: $input) { sequence { id } userErrors { message } } }",
    { input: { name: "Welcome", triggerDelayHours: 0.0003, minDelaySeconds: 0, maxDelaySeconds: 0, steps } },
  );
  await ask("mutation($id: ID!) { activateSequence(id: $id) { userErrors { message } } }", { id: sequence.sequence.id });

  // Siti reads the first message, and answers.
  await ask("mutation($input: LeadInput!) { createLead(input: $input) { userErrors { message } } }", { input: { phone: `+${SITI}`, name: "Siti", triggers: ["w1"], preferredDeviceId: shop } });
  const first = await fake.waitFor("message", ({ phone }) => phone === SITI);
  expect(first).toMatchObject({ account: SHOP, text: "Day 1, Siti" });
  const typesOf = (phone: string) => events.heard.filter(({ flow }) => flow.lead.phone === `+${phone}` && flow.text === "Day 1, " + (phone === SITI ? "Siti" : "Amir")).map(({ type }) => type);
  await eventually(() => typesOf(SITI).includes("FLOW_DELIVERED"), "it is delivered");
  fake.read(SHOP, first.messageId);
  await eventually(() => typesOf(SITI).includes("FLOW_READ"), "it is read");
  expect(typesOf(SITI).filter((type) => type !== "FLOW_ACTIVATED")).toEqual(["FLOW_SENT", "FLOW_DELIVERED", "FLOW_READ"]);
  await fake.reply({ account: SHOP, phone: SITI, text: "Yes please, tell me more", from: "lid", showsPhone: false });
  const reply = await eventually(() => replies.heard[0], "the reply is told");
  expect(reply).toEqual({ text: "Yes please, tell me more", optedOut: false, lead: { phone: `+${SITI}` }, device: { name: "Shop" } });
  const enrollments = async (phone: string) =>
    (await ask("query($phone: PhoneNumber!) { lead(phone: $phone) { optedOutAt lastRepliedAt enrollments { nodes { status stopReason } } } }", { phone: `+${phone}` }));
  expect(await enrollments(SITI)).toMatchObject({ lastRepliedAt: expect.any(String), optedOutAt: null, enrollments: { nodes: [{ status: "STOPPED", stopReason: "REPLIED" }] } });

  // Amir says STOP, and hears nothing more, from neither device.
  await ask("mutation($input: LeadInput!) { createLead(input: $input) { userErrors { message } } }", { input: { phone: `+${AMIR}`, name: "Amir", triggers: ["w1"] } });
  const { account } = await fake.waitFor("message", ({ phone }) => phone === AMIR);
  await fake.reply({ account, phone: AMIR, text: "STOP" });
  await eventually(() => replies.heard.find(({ optedOut }) => optedOut), "it is told that he opted out");
  expect(await enrollments(AMIR)).toMatchObject({ optedOutAt: expect.any(String), enrollments: { nodes: [{ status: "STOPPED" }] } });
  const heardUntilNow = fake.witness.of("message").length;
  await ask("mutation($input: [LeadInput!]!) { upsertLeads(input: $input) { userErrors { message } } }", { input: [{ phone: `+${AMIR}`, triggers: ["w1"] }] }).catch(() => {});
  // Somebody who is written to after that: by then whatever waited for the two would have come.
  await ask("mutation($input: LeadInput!) { createLead(input: $input) { userErrors { message } } }", { input: { phone: "+60123456703", name: "Lee", triggers: ["w1"] } });
  await fake.waitFor("message", ({ text }) => text === "Day 3, Lee");
  expect(fake.witness.of("message").slice(heardUntilNow).filter(({ phone }) => phone !== "60123456703")).toEqual([]);
  events.stop();
  replies.stop();
}, 60_000);
