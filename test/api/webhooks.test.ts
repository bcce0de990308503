// What happens is posted to endpoints: to a real receiver on the loopback interface, which checks signatures as the specification's own library does.

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createBell } from "../../src/events/bell.ts";
import type { Tailer } from "../../src/events/tailer.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { createLogger } from "../../src/lib/logger.ts";
import { createWebhookSender, type WebhookSender } from "../../src/webhooks/sender.ts";
import { startEventLog } from "../support/event-log.ts";
import { addWorkspace, one, query } from "../support/factories.ts";
import { eventually } from "../support/eventually.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";
import { createSealer } from "../../src/lib/sealing.ts";

type Received = { readonly headers: IncomingHttpHeaders; readonly body: Loose; readonly raw: string };

const bell = createBell();
const log: string[] = [];
let server: TestServer;
let tailer: Tailer;
let generation: string;
let receiver: Server;
let host: string;
let received: Received[];
let answer: (response: ServerResponse) => void;
const senders: WebhookSender[] = [];

beforeAll(async () => {
  receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks).toString();
    received.push({ headers: request.headers, body: JSON.parse(raw), raw });
    answer(response);
  });
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  host = `127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  server = await testServer(async ({ pool }) => {
    const log = await startEventLog(pool, bell);
    ({ tailer, generation } = log);
    return { ...log, webhooks: { privateHosts: [host], generation } };
  });
});
afterAll(async () => {
  await tailer.stop();
  await server.stop();
  receiver.closeAllConnections();
  receiver.close();
});

beforeEach(async () => {
  received = [];
  log.length = 0;
  answer = (response) => response.writeHead(204).end();
  await server.database.pool.query("DELETE FROM webhook_endpoints");
});
afterEach(async () => {
  await Promise.all(senders.splice(0).map((sender) => sender.stop()));
});

/** A process that sends webhooks. */
function send(): WebhookSender {
  const logger = createLogger("warn", { write: (line: string) => void log.push(line) });
  const sender = createWebhookSender({ pool: server.database.pool, tailer, generation, bell, sealer: createSealer([Buffer.alloc(32, 7)]), privateHosts: [host], clock: systemClock, random: () => 0, logger, version: "0.0.0-test" });
  senders.push(sender);
  sender.start();
  return sender;
}

const ENDPOINT = "id url description eventTypes owed failingSince disabledAt disabledReason previousSecretUntil";

async function mutate(text: string, variables: Record<string, unknown> = {}): Promise<Loose> {
  const { data, errors } = await server.query(`mutation ${text}`, variables);
  if (errors) throw new Error(JSON.stringify(errors));
  return Object.values(data)[0];
}

const create = (input: Record<string, unknown> = {}): Promise<Loose> =>
  mutate(`($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { secret webhookEndpoint { ${ENDPOINT} } userErrors { code field message } } }`, {
    input: { url: `http://${host}/hooks`, eventTypes: ["LEAD", "ALERT"], ...input },
  });

const bare = (id: string) => id.slice(id.indexOf(":") + 1);

async function endpointNow(id: string): Promise<Loose> {
  return (await server.query(`query ($id: ID!) { node(id: $id) { ... on WebhookEndpoint { ${ENDPOINT} } } }`, { id })).data.node;
}

async function deliveries(webhookEndpointId: string, status?: string): Promise<Loose[]> {
  const QUERY = "query ($webhookEndpointId: ID!, $status: WebhookDeliveryStatus) { webhookDeliveries(webhookEndpointId: $webhookEndpointId, status: $status) { nodes { id type status settledAt nextAttemptAt endpoint { id } attempts { at status error durationMs } } } }";
  return (await server.query(QUERY, { webhookEndpointId, status })).data.webhookDeliveries.nodes;
}

/** Somebody opts out or in again: an event. */
async function happen(times = 1): Promise<string[]> {
  const { pool } = server.database;
  const rows = await query<{ id: string }>(pool, "INSERT INTO leads (phone) SELECT (60130000000 + (random() * 999999999)::bigint)::text FROM generate_series(1, $1) RETURNING id", [times]);
  const ids = rows.map(({ id }) => id);
  await pool.query("UPDATE leads SET opted_out_at = now() WHERE id = ANY ($1)", [ids]);
  bell.ring("events");
  return ids;
}

/** Time goes on for what waits to be posted again. */
const pass = async () => {
  await server.database.pool.query("UPDATE webhook_deliveries SET next_attempt_at = clock_timestamp() WHERE settled_at IS NULL");
  bell.ring("webhooks");
};

describe("an endpoint", () => {
  test("is made with a secret that is shown once, and sealed", async () => {
    const { webhookEndpoint, secret, userErrors } = await create({ description: "Our CRM" });
    expect(userErrors).toEqual([]);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(webhookEndpoint).toMatchObject({ url: `http://${host}/hooks`, description: "Our CRM", eventTypes: ["LEAD", "ALERT"], owed: 0, disabledAt: null });
    const { dump } = await one<{ dump: string }>(server.database.pool, "SELECT string_agg(e::text, '') AS dump FROM webhook_endpoints e");
    expect(dump).not.toContain(Buffer.from(secret).toString("hex"));
    expect((await server.query(`{ webhookEndpoints { ${ENDPOINT} } }`)).data.webhookEndpoints).toEqual([webhookEndpoint]);
  });

  test.each([
    ["no address", { url: "hooks" }, ["input", "url"], /whole address/],
    ["an address without TLS", { url: "http://example.com/" }, ["input", "url"], /https/],
    ["another protocol", { url: "ftp://example.com/" }, ["input", "url"], /https/],
    ["a private address", { url: "https://10.0.0.1/" }, ["input", "url"], /private network/],
    ["a private address, written otherwise", { url: "https://0x7f.1/" }, ["input", "url"], /private network/],
    ["a private address of IPv6", { url: "https://[fd00::1]/" }, ["input", "url"], /private network/],
    ["credentials in the address", { url: "https://me:secret@example.com/" }, ["input", "url"], /password/],
    ["a very long address", { url: `https://example.com/${"a".repeat(2000)}` }, ["input", "url"], /2000 characters/],
    ["a very long description", { description: "a".repeat(501) }, ["input", "description"], /500 characters/],
    ["no types of events", { eventTypes: [] }, ["input", "eventTypes"], /at least one/],
  ])("is refused with %s", async (_what, input, field, message) => {
    expect(await create(input)).toEqual({ secret: null, webhookEndpoint: null, userErrors: [{ code: "INVALID", field, message: expect.stringMatching(message) }] });
  });

  test("is changed by the same rules, and deleted", async () => {
    const { webhookEndpoint: { id } } = await create();
    const update = (input: Record<string, unknown>) => mutate(`($input: UpdateWebhookEndpointInput!) { updateWebhookEndpoint(input: $input) { webhookEndpoint { ${ENDPOINT} } userErrors { code field } } }`, { input: { id, ...input } });
    expect((await update({ url: "https://192.168.1.1/" })).userErrors).toEqual([{ code: "INVALID", field: ["input", "url"] }]);
    expect((await update({ eventTypes: [] })).userErrors).toEqual([{ code: "INVALID", field: ["input", "eventTypes"] }]);
    expect((await update({ url: "https://example.com/", eventTypes: ["FLOW_SENT", "FLOW_SENT"], description: null })).webhookEndpoint).toMatchObject({ url: "https://example.com/", eventTypes: ["FLOW_SENT"], description: "" });
    expect((await update({})).webhookEndpoint).toMatchObject({ url: "https://example.com/" });
    const remove = () => mutate("($id: ID!) { deleteWebhookEndpoint(id: $id) { deletedWebhookEndpointId userErrors { code field } } }", { id });
    expect(await remove()).toEqual({ deletedWebhookEndpointId: id, userErrors: [] });
    expect(await remove()).toEqual({ deletedWebhookEndpointId: null, userErrors: [{ code: "NOT_FOUND", field: ["id"] }] });
    expect((await update({})).userErrors).toEqual([{ code: "NOT_FOUND", field: ["input", "id"] }]);
  });

  test("is an administrator's business", async () => {
    const { webhookEndpoint: { id } } = await create();
    const token = await server.tokenFor(["MANAGE"]);
    expect((await server.query("{ webhookEndpoints { id } }", {}, token)).errors?.[0]?.extensions["code"]).toBe("FORBIDDEN");
    expect((await server.query("query ($id: ID!) { node(id: $id) { id } }", { id }, token)).data.node).toBeNull();
    expect((await server.query("mutation ($id: ID!) { rotateWebhookEndpointSecret(id: $id) { secret } }", { id }, token)).errors?.[0]?.extensions["code"]).toBe("FORBIDDEN");
  });

  test("is one of twenty at most", async () => {
    for (let made = 0; made < 20; made++) await create();
    expect((await create()).userErrors).toEqual([{ code: "LIMIT_EXCEEDED", field: ["input"], message: expect.stringContaining("20") }]);
  });
});

describe("an event", () => {
  test("is posted once, signed as the specification says, with ids that the API knows", async () => {
    const { webhookEndpoint: { id }, secret } = await create();
    send();
    const [lead] = await happen();
    await eventually(async () => (await deliveries(id, "DELIVERED")).length === 1, "it is taken");
    expect(received).toHaveLength(1);
    const [{ headers, body, raw }] = received as [Received];
    expect(new Webhook(secret).verify(raw, headers as Record<string, string>)).toEqual(body);
    expect(body).toEqual({ type: "lead.opted", timestamp: expect.stringMatching(/^\d{4}-.*Z$/), data: { cursor: expect.any(String), leadId: `Lead:${lead}`, optedOut: true } });
    const [delivery] = await deliveries(id);
    expect(bare(delivery.id)).toBe(headers["webhook-id"]);
    expect(delivery).toMatchObject({ type: "lead.opted", status: "DELIVERED", nextAttemptAt: null, endpoint: { id }, attempts: [{ status: 204, error: null }] });
    expect(headers["content-type"]).toBe("application/json");
  });

  test("has a cursor, from which a subscription goes on", async () => {
    await create();
    send();
    await happen();
    await eventually(() => received.length === 1, "it is posted");
    const [next] = await happen();
    const heard: Loose[] = [];
    const stop = server.webSocket().subscribe<Loose>({ query: "subscription ($after: Cursor) { leadEvents(after: $after) { lead { id } } }", variables: { after: received[0]?.body.data.cursor } }, { next: ({ data }) => void heard.push(data.leadEvents.lead.id), error() {}, complete() {} });
    await eventually(() => heard.length > 0, "the next event is told");
    stop();
    expect(heard).toEqual([`Lead:${next}`]);
  });

  test("that is not asked for, or is another workspace's, is not posted", async () => {
    await create({ eventTypes: ["FLOW_SENT"] });
    const { webhookEndpoint: { id } } = await create();
    const elsewhere = await addWorkspace(server.database.pool);
    send();
    await server.database.pool.query("INSERT INTO event_batches (workspace_id, type, lead_ids, statuses) VALUES ($1, 'LEAD', ARRAY[gen_random_uuid()], ARRAY['OPTED_OUT'])", [elsewhere]);
    await happen();
    await eventually(async () => (await deliveries(id, "DELIVERED")).length === 1, "the own one is taken");
    expect(await query(server.database.pool, "SELECT FROM webhook_deliveries")).toHaveLength(1);
  });

  test("of a reply has its text, unless that is erased by then", async () => {
    const { pool } = server.database;
    const { webhookEndpoint: { id } } = await create({ eventTypes: ["REPLY"] });
    const [lead] = await happen();
    const reply = async (messageId: string, text: string) =>
      (await one<{ id: string }>(pool, "INSERT INTO replies (device_id, message_id, lead_id, text, opted_out, at) VALUES (gen_random_uuid(), $1, $2, $3, false, now()) RETURNING id", [messageId, lead, text])).id;
    const replyIds = [await reply("A", "Ya, mahu"), await reply("B", "CANARY")];
    await pool.query("INSERT INTO event_batches (workspace_id, type, reply_ids) SELECT workspace_id, 'REPLY', $1::uuid[] FROM replies WHERE id = $2", [replyIds, replyIds[0]]);
    await pool.query("DELETE FROM replies WHERE id = $1", [replyIds[1]]);
    send();
    await eventually(async () => (await deliveries(id, "DELIVERED")).length === 2, "both are taken");
    expect(received.map(({ body }) => body).toSorted((a, b) => b.data.text.length - a.data.text.length)).toEqual([
      { type: "reply.received", timestamp: expect.any(String), data: { cursor: expect.any(String), leadId: `Lead:${lead}`, text: "Ya, mahu", optedOut: false } },
      { type: "reply.received", timestamp: expect.any(String), data: { cursor: expect.any(String), text: "", optedOut: false } },
    ]);
  });

  test("waits in the log for an endpoint that takes nothing, and none is lost or twice when it does again", async () => {
    const { webhookEndpoint: { id } } = await create();
    answer = (response) => response.writeHead(503).end();
    send();
    send();
    await happen(1600);
    await eventually(async () => (await endpointNow(id)).owed >= 1000, "what is owed is full");
    const { owed } = await endpointNow(id);
    expect(owed).toBeLessThanOrEqual(1500);
    answer = (response) => response.writeHead(200).end();
    await eventually(async () => {
      bell.ring("webhooks");
      await server.database.pool.query("UPDATE webhook_deliveries SET next_attempt_at = clock_timestamp() WHERE settled_at IS NULL AND next_attempt_at > clock_timestamp() + interval '2 minutes'");
      const { rows: [row] } = await server.database.pool.query("SELECT count(*)::int AS taken FROM webhook_deliveries WHERE outcome = 'DELIVERED'");
      return row.taken === 1600;
    }, "all are taken", 50_000);
    const { rows: [row] } = await server.database.pool.query("SELECT count(DISTINCT content ->> 'leadId')::int AS leads FROM webhook_deliveries");
    expect(row.leads).toBe(1600);
    const taken = received.filter(({ headers }) => headers["webhook-id"] !== undefined).map(({ body }) => body.data.leadId);
    expect(new Set(taken).size).toBe(1600);
    expect((await endpointNow(id)).failingSince).toBeNull();
  }, 60_000);

  test("that a process has claimed and died with is posted by another, with the same id", async () => {
    const { webhookEndpoint: { id } } = await create();
    answer = () => {}; // never
    send();
    await happen();
    await eventually(() => received.length === 1, "it was begun");
    await server.database.pool.query("UPDATE webhook_deliveries SET next_attempt_at = clock_timestamp()"); // as if the claim had passed
    answer = (response) => response.writeHead(200).end();
    send();
    await eventually(async () => (await deliveries(id, "DELIVERED")).length === 1, "it is taken");
    expect(new Set(received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    receiver.closeAllConnections();
  });
});

test("a sender that is stopped waits for no receiver that does not answer; the message is owed still", async () => {
  const { webhookEndpoint: { id } } = await create();
  answer = () => {}; // never
  const sender = send();
  await happen();
  await eventually(() => received.length === 1, "it was begun");
  const stoppedAt = performance.now();
  await sender.stop();
  expect(performance.now() - stoppedAt).toBeLessThan(15_000); // an attempt is waited for longer
  expect(await deliveries(id)).toMatchObject([{ status: "PENDING", attempts: [{ status: null, error: "This server was stopped before the answer came." }] }]);
  receiver.closeAllConnections();
});

describe("a message that is not taken", () => {
  test("is posted ten times, and then given up; each attempt is in the list", async () => {
    const { webhookEndpoint: { id } } = await create();
    answer = (response) => response.writeHead(500).end("SECRET OF ANOTHER SERVER");
    send();
    await happen();
    for (let attempt = 1; attempt < 10; attempt++) {
      await eventually(async () => (await deliveries(id))[0]?.attempts.length === attempt, `attempt ${attempt}`);
      expect((await deliveries(id))[0]).toMatchObject({ status: "PENDING", settledAt: null, nextAttemptAt: expect.any(String) });
      await pass();
    }
    await eventually(async () => (await deliveries(id, "FAILED")).length === 1, "it is given up");
    const [delivery] = await deliveries(id);
    expect(delivery.attempts).toHaveLength(10);
    expect(delivery.attempts[0]).toMatchObject({ status: 500, error: "It answered with 500 instead of 200." });
    expect(JSON.stringify(delivery)).not.toContain("SECRET");
    expect(new Set(received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(await endpointNow(id)).toMatchObject({ disabledAt: null, failingSince: expect.any(String) }); // for some seconds, not for days
  });

  test("waits for as long as the receiver asks, an hour at most", async () => {
    const { webhookEndpoint: { id } } = await create();
    answer = (response) => response.writeHead(429, { "retry-after": "600" }).end();
    send();
    await happen();
    await eventually(async () => (await deliveries(id))[0]?.attempts.length === 1, "it was refused");
    const [{ nextAttemptAt }] = (await deliveries(id)) as [Loose];
    const waits = new Date(nextAttemptAt).getTime() - Date.now();
    expect(waits).toBeGreaterThan(590_000);
    expect(waits).toBeLessThan(601_000);
  });

  test("by a redirect is not followed", async () => {
    const { webhookEndpoint: { id } } = await create();
    answer = (response) => response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/" }).end();
    send();
    await happen();
    await eventually(async () => (await deliveries(id))[0]?.attempts.length === 1, "it was refused");
    expect((await deliveries(id))[0]?.attempts).toMatchObject([{ status: 302, error: expect.stringContaining("redirect") }]);
  });

  test("for a name that leads into a private network is not posted", async () => {
    const { webhookEndpoint: { id } } = await create({ url: `https://localhost:${host.split(":")[1]}/` });
    send();
    await happen();
    await eventually(async () => (await deliveries(id))[0]?.attempts.length === 1, "it was tried");
    expect((await deliveries(id))[0]?.attempts).toMatchObject([{ status: null, error: "The address leads into a private network, where nothing is posted to." }]);
    expect(received).toEqual([]);
  });

  test("is posted again by hand, and so are all that were given up", async () => {
    const { webhookEndpoint: { id } } = await create();
    send();
    await happen(3);
    await eventually(async () => (await deliveries(id, "DELIVERED")).length === 3, "all are taken");
    const [first, second, third] = (await deliveries(id)) as [Loose, Loose, Loose];
    const again = await mutate("($id: ID!) { redeliverWebhookDelivery(id: $id) { webhookDelivery { id status } userErrors { code } } }", { id: first.id });
    expect(again).toEqual({ webhookDelivery: { id: first.id, status: "PENDING" }, userErrors: [] });
    await eventually(() => received.filter(({ headers }) => headers["webhook-id"] === bare(first.id)).length === 2, "it is posted again");
    await server.database.pool.query("UPDATE webhook_deliveries SET outcome = 'FAILED' WHERE id = ANY ($1)", [[bare(second.id), bare(third.id)]]);
    const MUTATION = "($webhookEndpointId: ID!, $since: DateTime!) { redeliverFailedWebhooks(webhookEndpointId: $webhookEndpointId, since: $since) { count webhookEndpoint { id } userErrors { code field } } }";
    expect(await mutate(MUTATION, { webhookEndpointId: id, since: new Date(Date.now() + 60_000).toISOString() })).toMatchObject({ count: 0 });
    expect(await mutate(MUTATION, { webhookEndpointId: id, since: new Date(Date.now() - 60_000).toISOString() })).toMatchObject({ count: 2, webhookEndpoint: { id } });
    await eventually(() => received.length === 6, "they are posted again");
  });
});

describe("an endpoint that is dead", () => {
  const followAlerts = () => {
    const alerts: Loose[] = [];
    const stop = server.webSocket().subscribe<Loose>({ query: "subscription { alerts { kind message webhookEndpoint { id } } }" }, { next: ({ data }) => void alerts.push(data.alerts), error() {}, complete() {} });
    return { alerts, stop };
  };

  test("is disabled after three days, with an alert to others; enabled, it gets all that it has missed", async () => {
    const { webhookEndpoint: { id } } = await create({ eventTypes: ["LEAD"] });
    const { alerts, stop } = followAlerts();
    answer = (response) => response.writeHead(500).end();
    send();
    await happen();
    await eventually(async () => (await endpointNow(id)).failingSince !== null, "it fails");
    await server.database.pool.query("UPDATE webhook_endpoints SET failing_since = clock_timestamp() - interval '72 hours'");
    await server.database.pool.query("UPDATE webhook_deliveries SET failures = 9");
    await pass();
    await eventually(async () => (await endpointNow(id)).disabledReason === "FAILING", "it is disabled");
    await eventually(() => alerts.length === 1, "the alert is raised");
    stop();
    expect(alerts).toEqual([{ kind: "WEBHOOK_DISABLED", message: expect.stringContaining("three days"), webhookEndpoint: { id } }]);
    expect(log.join("")).toContain("was disabled");
    expect(log.join("")).not.toContain(host);
    await happen();
    const before = received.length;
    answer = (response) => response.writeHead(200).end();
    const enabled = await mutate(`($id: ID!) { enableWebhookEndpoint(id: $id) { webhookEndpoint { ${ENDPOINT} } userErrors { code } } }`, { id });
    expect(enabled.webhookEndpoint).toMatchObject({ disabledAt: null, disabledReason: null, failingSince: null });
    await eventually(async () => (await deliveries(id, "DELIVERED")).length === 2, "both are taken");
    expect(received.length - before).toBe(2);
  });

  test("says so itself with 410", async () => {
    const { webhookEndpoint: { id } } = await create();
    answer = (response) => response.writeHead(410).end();
    send();
    await happen();
    await eventually(async () => (await endpointNow(id)).disabledReason === "GONE", "it is disabled");
  });

  test("begins with what happens from now on where that is asked for", async () => {
    const { webhookEndpoint: { id } } = await create();
    const disabled = await mutate(`($id: ID!) { disableWebhookEndpoint(id: $id) { webhookEndpoint { ${ENDPOINT} } userErrors { code } } }`, { id });
    expect(disabled.webhookEndpoint).toMatchObject({ disabledReason: "OPERATOR", disabledAt: expect.any(String) });
    send();
    await happen();
    await mutate("($id: ID!) { enableWebhookEndpoint(id: $id, skipMissed: true) { userErrors { code } } }", { id });
    const [lead] = await happen();
    await eventually(async () => (await deliveries(id, "DELIVERED")).length === 1, "the new one is taken");
    expect(received.map(({ body }) => body.data.leadId)).toEqual([`Lead:${lead}`]);
  });
});

test("a secret is exchanged while messages go on: both sign until the overlap has passed", async () => {
  const { webhookEndpoint: { id }, secret } = await create();
  send();
  const rotate = (overlapHours: number) =>
    mutate(`($id: ID!, $overlapHours: Int!) { rotateWebhookEndpointSecret(id: $id, overlapHours: $overlapHours) { secret webhookEndpoint { previousSecretUntil } userErrors { code field } } }`, { id, overlapHours });
  expect((await rotate(-1)).userErrors).toEqual([{ code: "INVALID", field: ["overlapHours"] }]);
  const { secret: second, webhookEndpoint } = await rotate(24);
  expect(new Date(webhookEndpoint.previousSecretUntil).getTime()).toBeGreaterThan(Date.now() + 86_000_000);
  const test = () => mutate("($id: ID!) { testWebhookEndpoint(id: $id) { webhookDelivery { type } userErrors { code } } }", { id });
  expect(await test()).toEqual({ webhookDelivery: { type: "webhook.test" }, userErrors: [] });
  await eventually(() => received.length === 1, "the test is posted");
  const verify = (known: string, { raw, headers }: Received) => () => new Webhook(known).verify(raw, headers as Record<string, string>);
  const [first] = received as [Received];
  expect(verify(secret, first)).not.toThrow();
  expect(verify(second, first)).not.toThrow();
  await rotate(0);
  await test();
  await eventually(() => received.length === 2, "the next is posted");
  const [, last] = received as [Received, Received];
  expect(verify(second, last)).toThrow("No matching signature");
});
