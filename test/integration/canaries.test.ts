// What callers send and what fails, at the most talkative level: nothing of it is in what the server says, nor in its metrics. A life with WhatsApp devices is in whatsapp/secrets.test.ts.

import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { formsOf, isIn } from "../support/canaries.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, one } from "../support/factories.ts";
import { freePort, type ServerProcess, startServerProcess } from "../support/server-process.ts";

const TOKEN = "canary-admin-token-4711";
const ENCRYPTION_KEY = "c0ffee".repeat(10) + "c0ff";
const CANARIES = {
  phone: "60198765432",
  "phone of a row that is refused": "0060000canary",
  name: "Canaria Kenari",
  niche: "canary-niche",
  attribute: "canary-attribute-value",
  text: "Canary text of a message",
  "text that cannot be rendered": "canary-unrenderable",
  search: "canary-search-words",
  "webhook's path": "canary-webhook-path",
  "media's path": "canary-media-path",
  "wrong token": `rentak_${"canary".repeat(8)}`,
  "unknown field": "canaryUnknownField",
  "variable that is wrong": "canary-variable",
  "consent's source": "canary-consent-source",
  "opt-out's reason": "canary opt-out reason",
  token: TOKEN,
  "encryption key": ENCRYPTION_KEY,
};

let dir: string;
let database: TestDatabase;
let server: ServerProcess;
let receiver: Server;

const ask = async (query: string, variables: Record<string, unknown> = {}, token = TOKEN) => {
  const response = await fetch(`${server.url}/graphql`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${token}` }, body: JSON.stringify({ query, variables }) });
  return response.text();
};

/** The same, of what is not refused. */
const mustTake = async (query: string, variables: Record<string, unknown> = {}) => {
  const answer = await ask(query, variables);
  if (/"errors":|"userErrors":\[\{/.test(answer)) throw new Error(answer);
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "rentak-canaries-"));
  database = await testDatabase();
  receiver = createServer((_request, response) => response.writeHead(500).end(CANARIES["webhook's path"])).listen(0, "127.0.0.1");
  await new Promise((resolve) => receiver.once("listening", resolve));
  const host = `127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  server = await startServerProcess({
    PORT: String(await freePort()),
    DATABASE_URL: database.url,
    RENTAK_DATA_DIR: dir,
    RENTAK_ADMIN_TOKEN: TOKEN,
    RENTAK_ENCRYPTION_KEY: ENCRYPTION_KEY,
    RENTAK_DISPATCH_INTERVAL_MS: "100",
    RENTAK_WEBHOOK_PRIVATE_HOSTS: host,
    RENTAK_MEDIA_PRIVATE_HOSTS: host,
    LOG_LEVEL: "trace",
  });
  await addDevice(database.pool, DEFAULT_WORKSPACE_ID, { failureRate: 1, latencyMs: 1 });
  await mustTake(`mutation ($url: String!) { createWebhookEndpoint(input: { url: $url, eventTypes: [FLOW_FAILED] }) { userErrors { message } } }`, { url: `http://${host}/${CANARIES["webhook's path"]}` });
  await mustTake(
    `mutation ($text: String!, $wrong: String!) { createSequence(input: { name: "C", steps: [{ dayNumber: 1, trigger: "canary_1", nextTrigger: "canary_2", isEntryPoint: true, text: $text }, { dayNumber: 2, trigger: "canary_2", text: $wrong }] }) { userErrors { message } } }`,
    { text: `${CANARIES.text} {{name}}`, wrong: CANARIES["text that cannot be rendered"] },
  );
  await database.pool.query("UPDATE sequences SET is_active = true");
  const csv = ["phone,name,niche,trigger,consent_source,consent_at,note", `+${CANARIES.phone},${CANARIES.name},${CANARIES.niche},canary_1,${CANARIES["consent's source"]},2026-01-01T00:00:00Z,${CANARIES.attribute}`, `${CANARIES["phone of a row that is refused"]},x,x,x,x,,x`].join("\n");
  await fetch(`${server.url}/imports/leads?fileName=a.csv`, { method: "POST", headers: { "content-type": "text/csv", authorization: `Bearer ${TOKEN}` }, body: csv });
  await eventually(async () => (await one<{ count: number }>(database.pool, "SELECT count(*)::int AS count FROM flows WHERE status = 'FAILED'")).count > 0, "a message has failed", 30_000);
  await eventually(async () => (await one<{ count: number }>(database.pool, "SELECT count(*)::int AS count FROM webhook_deliveries WHERE failures > 0")).count > 0, "a webhook has failed", 30_000);
  await ask(`{ leads(filter: { search: "${CANARIES.search}" }) { nodes { id } } }`);
  await ask(`{ ${CANARIES["unknown field"]} }`);
  await ask(`query ($n: Int) { leads(first: $n) { nodes { id } } }`, { n: CANARIES["variable that is wrong"] });
  await ask("{ viewer { token { id } } }", {}, CANARIES["wrong token"]);
  await ask(`mutation ($url: String!) { createMedia(input: { url: $url }) { userErrors { message } } }`, { url: `http://${host}/${CANARIES["media's path"]}` });
  // What Postgres says of it quotes the row.
  await database.pool.query("ALTER TABLE leads ADD CONSTRAINT canary CHECK (niche <> 'refused by a constraint')");
  await ask(`mutation ($phone: PhoneNumber!, $name: String!) { createLead(input: { phone: $phone, name: $name, niche: "refused by a constraint" }) { lead { id } userErrors { message } } }`, { phone: "+60198765433", name: CANARIES.name });
  const { id } = await one<{ id: string }>(database.pool, "SELECT id FROM leads LIMIT 1");
  await mustTake(`mutation ($id: ID!, $reason: String!) { optOutLead(id: $id, reason: $reason) { lead { id } userErrors { message } } }`, { id: `Lead:${id}`, reason: CANARIES["opt-out's reason"] });
  await mustTake(`mutation ($id: ID!) { eraseLead(id: $id) { userErrors { message } } }`, { id: `Lead:${id}` });
});
afterAll(async () => {
  await server?.end("SIGTERM");
  receiver?.close();
  await database?.drop();
  await rm(dir, { recursive: true, force: true });
});

test("nothing of what is sent, kept or refused is in what the server says, or measures", async () => {
  const said = server.output();
  // There was something to tell: a request failed inside, by what Postgres quotes a row of.
  expect(said).toContain("a request failed unexpectedly");
  expect(said).toContain("23514");
  const measured = await (await fetch(`${server.url}/metrics`)).text();
  expect(measured).toContain("rentak_flows_settled_total");
  const found = [said, measured].flatMap((text) => Object.entries(CANARIES).filter(([, canary]) => isIn(text, canary)));
  expect(found.map(([name]) => name)).toEqual([]);
});

test("would be found in any form that a log may give it", () => {
  const { name, phone } = CANARIES;
  for (const line of [JSON.stringify({ msg: `to ${name}` }), Buffer.from(name).toString("base64"), Buffer.from(name).toString("hex"), `{"phone":"+${phone}"}`, Buffer.from(`xy${phone}z`).toString("base64")]) {
    expect([name, phone].some((canary) => isIn(line, canary))).toBe(true);
  }
  expect(formsOf(name).length).toBeGreaterThan(5);
  expect(isIn("nothing of the kind", name)).toBe(false);
});
