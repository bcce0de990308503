// The examples, as an integration's author runs them: each in a process of its own, against a server in a process of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { graphqlClient, type GraphqlClient } from "../support/graphql-client.ts";
import type { Loose } from "../support/server.ts";
import { cleanEnv, freePort, ROOT, startServerProcess, type ServerProcess } from "../support/server-process.ts";

let dir: string;
let server: ServerProcess;
let token: string;
let api: GraphqlClient;
let receiverPort: string;
const running: ChildProcess[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "rentak-examples-"));
  const port = String(await freePort());
  receiverPort = String(await freePort());
  const settings = { PORT: port, RENTAK_DATA_DIR: join(dir, "data"), RENTAK_DISPATCH_INTERVAL_MS: "50", RENTAK_MIN_STEP_DELAY_HOURS: "0", RENTAK_WEBHOOK_PRIVATE_HOSTS: `127.0.0.1:${receiverPort}` };
  server = await startServerProcess(settings);
  token = (await readFile(join(dir, "data/admin-token"), "utf8")).trim();
  api = graphqlClient(server.url, token);
  await api.ask(`mutation { createDevice(input: { name: "Example phone", transport: SIMULATOR, simulatedLatencyMs: 1, simulatedFailureRate: 0 }) { userErrors { message } } }`);
  const steps = [{ dayNumber: 1, trigger: "hello", text: "Hello", isEntryPoint: true }];
  const { sequence } = await api.ask("mutation ($input: CreateSequenceInput!) { createSequence(input: $input) { sequence { id } userErrors { message } } }", {
    input: { name: "Examples", steps, minDelaySeconds: 0, maxDelaySeconds: 0 },
  });
  await api.ask("mutation ($id: ID!) { activateSequence(id: $id) { userErrors { message } } }", { id: sequence.id });
});
afterAll(async () => {
  await api.dispose();
  await server.end("SIGTERM");
  await rm(dir, { recursive: true, force: true });
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    process.kill(-(child.pid as number), "SIGTERM");
    await exited;
  }
});

type Running = { readonly said: () => string; readonly lines: () => string[] };

function begin(command: string, args: readonly string[], settings: Record<string, string>): Running {
  const child = spawn(command, args, { cwd: dir, env: cleanEnv(settings), stdio: ["ignore", "pipe", "pipe"], detached: true });
  running.push(child);
  const out: string[] = [];
  const all: string[] = [];
  child.stdout.on("data", (chunk: Buffer) => (out.push(chunk.toString()), all.push(chunk.toString())));
  child.stderr.on("data", (chunk: Buffer) => void all.push(chunk.toString()));
  return { said: () => all.join(""), lines: () => out.join("").split("\n").filter(Boolean) };
}

const example = (name: string, args: readonly string[] = [], settings: Record<string, string> = {}) =>
  begin(process.execPath, [join(ROOT, "examples", name), ...args], { HOST: "127.0.0.1", PORT: new URL(server.url).port, RENTAK_ADMIN_TOKEN: token, ...settings });

let phones = 60_147_000_000;
/** A message is sent. Returns the lead. */
async function send(): Promise<string> {
  const { leads } = await api.ask("mutation ($leads: [LeadInput!]!) { upsertLeads(input: $leads) { leads { id } userErrors { message } } }", { leads: [{ phone: `+${phones++}`, triggers: ["hello"] }] });
  return leads[0].id;
}

const sentTo = (lead: string): Promise<string> =>
  eventually(async () => {
    const { flows } = await api.ask("query ($id: ID!) { lead(id: $id) { flows { nodes { id status } } } }", { id: lead });
    return flows.nodes.find(({ status }: Loose) => status === "SENT")?.id;
  }, "it is sent");

test("follow.ts tells what is sent, and what was sent while it was stopped", async () => {
  const first = example("follow.ts", ["a.cursor"]);
  await eventually(() => first.said().includes("Listening."), "it listens");
  const flows = [await sentTo(await send())];
  await eventually(() => first.lines().length === 1, "it tells of the first");
  const exited = once(running[0] as ChildProcess, "exit");
  process.kill(-(running[0]?.pid as number), "SIGKILL");
  await exited;
  flows.push(await sentTo(await send()), await sentTo(await send()));
  const second = example("follow.ts", ["a.cursor"]);
  const told = () => [...first.lines(), ...second.lines()].map((line) => line.split(" ")[1]);
  await eventually(() => told().includes(flows[2]), "it tells of the others");
  // The first one comes twice where it was told of, and not remembered yet.
  expect([...new Set(told())]).toEqual(flows);
});

test("follow.sh tells what is sent, with curl alone", async () => {
  const following = begin(join(ROOT, "examples/follow.sh"), [server.url], { TOKEN: token });
  const flows: string[] = [];
  // curl does not tell from when on it listens.
  await eventually(async () => (flows.push(await sentTo(await send())), following.lines().length > 0), "it tells of one");
  const told = JSON.parse(following.lines()[0] ?? "") as Loose;
  expect(flows).toContain(told.data.flowSent.flow.id);
  expect(told.data.flowSent.flow.device).toEqual({ name: "Example phone" });
});

test("webhook-receiver.ts takes what the server has signed, and nothing else", async () => {
  const { secret, webhookEndpoint } = await api.ask("mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { secret webhookEndpoint { id } userErrors { message } } }", {
    input: { url: `http://127.0.0.1:${receiverPort}/`, eventTypes: ["FLOW_SENT"] },
  });
  const receiving = example("webhook-receiver.ts", [], { WEBHOOK_SECRET: secret, WEBHOOK_PORT: receiverPort });
  await eventually(() => receiving.said().includes("Receiving at"), "it receives");
  const lead = await send();
  const flow = await sentTo(lead);
  await eventually(() => receiving.lines().length === 1, "it is told of it");
  expect(JSON.parse(receiving.lines()[0] ?? "")).toMatchObject({ type: "flow.sent", data: { flowId: flow, leadId: lead } });
  const forged = await fetch(`http://127.0.0.1:${receiverPort}/`, {
    method: "POST",
    headers: { "webhook-id": "x", "webhook-timestamp": String(Math.floor(Date.now() / 1000)), "webhook-signature": `v1,${Buffer.alloc(32).toString("base64")}` },
    body: '{"type":"flow.sent"}',
  });
  expect(forged.status).toBe(401);
  const delivered = async () => (await api.ask("query ($id: ID!) { webhookDeliveries(webhookEndpointId: $id) { nodes { status attempts { status } } } }", { id: webhookEndpoint.id })).nodes;
  await eventually(async () => (await delivered())[0]?.status === "DELIVERED", "it is noted as taken");
  expect(await delivered()).toEqual([{ status: "DELIVERED", attempts: [{ status: 204 }] }]);
  expect(receiving.lines()).toHaveLength(1);
});
