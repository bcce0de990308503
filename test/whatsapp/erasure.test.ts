// Who asks to be left alone, and who asks to be forgotten: through GraphQL, with the real client.

import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dumpOf, isIn, placesOf } from "../support/canaries.ts";
import { eventually } from "../support/eventually.ts";
import { query } from "../support/factories.ts";
import { type GraphqlClient, graphqlClient } from "../support/graphql-client.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { type WhatsappServers, whatsappServers } from "../support/whatsapp-servers.ts";

const TOKEN = "rtk_a-token-of-these-tests";
const SHOP = "60311111111";
const number = () => `6012${randomInt(1_000_000, 9_999_999)}`;
const LEE = "60135550001";

let servers: WhatsappServers;
let server: ServerProcess;
let api: GraphqlClient;

beforeAll(async () => {
  servers = await whatsappServers({ LOG_LEVEL: "trace", RENTAK_DISPATCH_INTERVAL_MS: "3000" });
  await servers.addLinked(SHOP);
  server = await servers.start();
  api = graphqlClient(server.url, TOKEN);
});

afterAll(async () => {
  await api?.dispose();
  await servers?.stop();
});

async function startSequence(name: string, trigger: string, text: string, pace = 0): Promise<void> {
  const { sequence } = await api.ask("mutation($input: CreateSequenceInput!) { createSequence(input: $input) { sequence { id } userErrors { message } } }", {
    input: { name, minDelaySeconds: pace, maxDelaySeconds: pace, steps: [{ dayNumber: 1, trigger, isEntryPoint: true, text }] },
  });
  await api.ask("mutation($id: ID!) { activateSequence(id: $id) { userErrors { message } } }", { id: sequence.id });
}

const addLead = async (input: Record<string, unknown>): Promise<string> =>
  (await api.ask("mutation($input: LeadInput!) { createLead(input: $input) { lead { id } userErrors { message } } }", { input })).lead.id;

const erase = (id: string) => api.ask("mutation($id: ID!) { eraseLead(id: $id) { erased userErrors { message } } }", { id });

const importCsv = async (csv: string) => {
  const response = await fetch(`${server.url}/imports/leads`, { method: "POST", headers: { authorization: `Bearer ${TOKEN}`, "content-type": "text/csv" }, body: csv });
  return (await response.json()) as { rowsCreated: number; rowsRejected: number };
};

const lead = (phone: string) => api.ask("query($phone: PhoneNumber!) { lead(phone: $phone) { id optedOutAt consent { source } triggers enrollments { nodes { id } } } }", { phone: `+${phone}` });
const messagesTo = (phone: string) => servers.fake.witness.of("message").filter((message) => message.phone === phone);

test("STOP while the flow is claimed: it is skipped, and never sent", async () => {
  const { pool } = servers.database;
  const [first, second] = [number(), number()];
  // The device waits two seconds between the two, and takes what it can send in three: the second one is in its queue by then.
  await startSequence("Slow", "slow", "Hello", 2);
  await addLead({ phone: `+${first}`, triggers: ["slow"] });
  await servers.fake.waitFor("message", ({ phone }) => phone === first);
  await addLead({ phone: `+${second}`, triggers: ["slow"] });
  const queued = async () => (await api.ask("{ devices { nodes { worker { queueDepth } } } }")).nodes[0].worker.queueDepth === 1;
  await eventually(queued, "the flow is claimed");
  await servers.fake.reply({ account: SHOP, phone: second, text: "STOP" });
  const settled = () => query<{ status: string; reason: string }>(pool, "SELECT f.status, f.skip_reason AS reason FROM flows f JOIN leads l ON l.id = f.lead_id WHERE l.phone = $1 AND settled_at IS NOT NULL", [second]);
  expect(await eventually(async () => (await settled())[0], "the flow has ended")).toEqual({ status: "SKIPPED", reason: "OPTED_OUT" });
  // By the time that somebody else is written to, it would have come.
  await addLead({ phone: `+${LEE}`, triggers: ["slow"] });
  await servers.fake.waitFor("message", ({ phone }) => phone === LEE);
  expect(messagesTo(second)).toEqual([]);
}, 60_000);

test("erasure canaries: a person is in no table, cache or log after that, and stays opted out when the number comes back", async () => {
  const { pool } = servers.database;
  const person = { phone: number(), name: "Quirinius Zaphod", niche: "vexillology", city: "Xanadu-sur-Mer", reply: "my cat is called Mxyzptlk", source: "the Antipodes fair" };
  await startSequence("Hello", "hello", "Dear {{name}} of {{city}}");
  const id = await addLead({
    phone: `+${person.phone}`, name: person.name, niche: person.niche, triggers: ["hello"], attributes: { city: person.city }, consent: { source: person.source, at: "2026-10-01T00:00:00Z" },
  });
  const text = `Dear ${person.name} of ${person.city}`;
  await servers.fake.waitFor("message", (message) => message.text === text);
  await eventually(async () => (await query(pool, "SELECT FROM flows WHERE text = $1 AND status = 'SENT'", [text])).length === 1, "it is sent");
  await servers.fake.reply({ account: SHOP, phone: person.phone, text: person.reply });
  await eventually(async () => (await query(pool, "SELECT FROM replies WHERE text = $1", [person.reply])).length === 1, "the reply is recorded");
  await servers.fake.reply({ account: SHOP, phone: person.phone, text: "STOP" });
  await eventually(async () => (await lead(person.phone)).optedOutAt, "the person has opted out");
  // Refused rows that name the person, in a file's own writing of the number.
  const refused = await importCsv(`phone,name,time_zone\n0${person.phone.slice(2, 5)}-${person.phone.slice(5)},Somebody,Nowhere/City\n123,${person.name.toUpperCase()},\n`);
  expect(refused).toMatchObject({ rowsCreated: 0, rowsRejected: 2 });

  // A campaign that was made for this person alone.
  const campaign = async (audience: unknown) =>
    (await api.ask("mutation($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { id } userErrors { message } } }", { input: { name: "News", text: "News for {{name}}", audience } })).campaign.id;
  const draft = await campaign({ search: person.name, phones: [`+${person.phone}`, `+${LEE}`] });
  const canaries = Object.values(person);
  const before = await dumpOf(pool);
  expect(canaries.filter((canary) => placesOf([before], canary).length === 0)).toEqual([]);
  expect(placesOf([before], person.phone)).toEqual(["campaigns.audience", "leads.phone", "whatsapp_numbers.phone"]);

  expect(await erase(id)).toEqual({ erased: true, userErrors: [] });
  const after = await dumpOf(pool);
  expect(canaries.flatMap((canary) => placesOf([after], canary).map((place) => `${canary} in ${place}`))).toEqual([]);
  expect(placesOf([after], person.name.toUpperCase())).toEqual([]);
  expect(placesOf([after], person.phone.slice(5))).toEqual([]);
  expect(canaries.filter((canary) => isIn(server.output(), canary))).toEqual([]);

  // What was sent stays counted, and shows nobody.
  const { nodes } = await api.ask('query { flows(filter: { status: SENT }, first: 100) { nodes { text lead { id } enrollment { lead { id } status } } } }');
  expect(nodes.filter((flow: { lead: unknown }) => flow.lead === null)).toEqual([{ text: null, lead: null, enrollment: { lead: null, status: "COMPLETED" } }]);
  expect((await api.ask("query($id: ID!) { campaign(id: $id) { audience } }", { id: draft })).audience).toEqual({ search: "(erased)", phones: [`+${LEE}`] });
  // Once more changes nothing, and is no error: an answer may have been lost.
  expect(await erase(id)).toEqual({ erased: true, userErrors: [] });

  // By a file, by the API, and by SQL.
  await importCsv(`phone,trigger,consent_source,consent_at\n+${person.phone},hello,a list,2026-11-01\n`);
  const returned = await lead(person.phone);
  expect(returned).toMatchObject({ optedOutAt: expect.any(String), consent: null, triggers: [] });
  await erase(returned.id);
  expect((await lead(await addLead({ phone: `+${person.phone}`, triggers: ["hello"] }).then(() => person.phone))).optedOutAt).toEqual(expect.any(String));
  await erase((await lead(person.phone)).id);
  await pool.query("INSERT INTO leads (phone, trigger) VALUES ($1, 'hello')", [person.phone]);
  await eventually(async () => (await lead(person.phone)).optedOutAt, "the number is held against the opt-outs that are kept");
  expect((await lead(person.phone)).enrollments.nodes).toEqual([]);
  expect(messagesTo(person.phone).map((message) => message.text)).toEqual([text]);
}, 60_000);

test("of who had not opted out nothing is kept: the number can be enrolled anew", async () => {
  const phone = number();
  await startSequence("Anew", "anew", "Once more");
  await erase(await addLead({ phone: `+${phone}` }));
  await servers.database.pool.query("INSERT INTO leads (phone, trigger) VALUES ($1, 'anew')", [phone]);
  expect(await servers.fake.waitFor("message", (message) => message.phone === phone)).toMatchObject({ text: "Once more" });
});

test("what waits for a person is skipped as ERASED, also where SQL deleted the lead", async () => {
  const { pool } = servers.database;
  await startSequence("Later", "later", "Later");
  await pool.query("UPDATE sequences SET start_delay_minutes = 60 WHERE trigger = 'later'");
  const [erased, deleted] = [number(), number()];
  const ids = [await addLead({ phone: `+${erased}`, triggers: ["later"] }), await addLead({ phone: `+${deleted}`, triggers: ["later"] })].map((id) => id.replace("Lead:", ""));
  const flowsOf = () => query<{ status: string; reason: string | null }>(pool, "SELECT status, skip_reason AS reason FROM flows WHERE lead_id = ANY ($1) ORDER BY id", [ids]);
  await eventually(async () => (await flowsOf()).length === 2, "both are enrolled");
  await erase(`Lead:${ids[0]}`);
  await pool.query("DELETE FROM leads WHERE phone = $1", [deleted]);
  await pool.query("UPDATE flows SET due_at = clock_timestamp() WHERE lead_id = $1", [ids[1]]);
  await eventually(async () => (await flowsOf()).every(({ status }) => status === "SKIPPED"), "both are skipped");
  expect((await flowsOf()).map(({ reason }) => reason)).toEqual(["ERASED", "ERASED"]);
});
