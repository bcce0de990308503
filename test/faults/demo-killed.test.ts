// The demo, killed twice and started again, and then its server killed while it goes on. Afterwards the simulator's own log and the database must
// agree on everything.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMessageIds } from "../../src/flows/message-id.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { cleanEnv, freePort, ROOT, type ServerProcess, startServerProcess } from "../support/server-process.ts";

/** Clusters are killed in kills.test.ts; this is about the demo that goes on. RENTAK_TEST_KILLS=20 tries it at length. */
const KILLS = Number(process.env["RENTAK_TEST_KILLS"] ?? 4);
const SEED = process.env["RENTAK_TEST_SEED"] ?? "demo";
const STEPS = { fitness: 3, business: 11 };

type LogLine = { phone: string; messageId: string; text: string };
type FlowRow = { id: string; phone: string; niche: keyof typeof STEPS; step_id: string; status: string; text: string | null };

let dir: string;
let server: ServerProcess;
let log: LogLine[];
let flows: FlowRow[];
let demoOutput: string;
let flowIdOf: (messageId: string) => string | null;

/** Runs the demo to its end. When `words` are in its output, it is killed, or `seen` is called. */
async function runDemo(settings: Readonly<Record<string, string>>, words: RegExp, seen?: () => void): Promise<{ output: string; exitCode: number | null }> {
  const child = spawn(process.execPath, [join(ROOT, "examples/demo/main.ts")], { cwd: dir, env: cleanEnv(settings), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (words.test(output)) (seen ?? (() => child.kill("SIGKILL")))();
    });
  }
  const [exitCode] = await once(child, "exit");
  return { output, exitCode };
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "rentak-demo-"));
  const settings = {
    PORT: String(await freePort()),
    RENTAK_DATA_DIR: join(dir, "data"),
    RENTAK_SIMULATOR_LOG: join(dir, "simulator.log"),
    RENTAK_MIN_STEP_DELAY_HOURS: "0",
    RENTAK_DISPATCH_INTERVAL_MS: "250",
    RENTAK_STUCK_MINUTES: "0.1",
  };
  server = await startServerProcess(settings);
  await runDemo(settings, /STARTED\] HOT/);
  await runDemo(settings, /going on with them[^]*STARTED\] HOT/);
  let isUnderWay = () => {};
  const underWay = new Promise<void>((resolve) => (isUnderWay = resolve));
  const ended = runDemo(settings, /going on with them/, isUnderWay);
  await underWay;

  const random = seededRandom(SEED);
  for (let kill = 0; kill < KILLS; kill++) {
    await delay(100 + random() * 1200);
    await server.end("SIGKILL");
    server = await startServerProcess(settings);
  }
  const { exitCode, output } = await ended;
  demoOutput = output;
  if (exitCode !== 0) throw new Error(`the demo has ended with ${exitCode}:\n${demoOutput}\n${server.output()}`);

  const client = new pg.Client({ connectionString: (await readFile(join(dir, "data/database-url"), "utf8")).trim() });
  await client.connect();
  const key = await client.query<{ message_id_key: Buffer }>("SELECT message_id_key FROM installation");
  flowIdOf = createMessageIds(key.rows[0]?.message_id_key ?? Buffer.alloc(0)).flowIdOf;
  flows = (await client.query<FlowRow>("SELECT f.id, l.phone, l.niche, f.step_id, f.status, f.text FROM flows f JOIN leads l ON l.id = f.lead_id")).rows;
  await client.end();
  log = (await readFile(join(dir, "simulator.log"), "utf8")).split("\n").filter(Boolean).map((line) => JSON.parse(line));
}, 480_000);

afterAll(async () => {
  await server?.end("SIGTERM");
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
});

describe(`the demo, killed twice, its server killed ${KILLS} times (seed ${SEED})`, () => {
  test("goes on where it was until every lead is through, and its totals are those of the one run", () => {
    expect(demoOutput).toContain("Leads of an earlier run are still on their way: going on with them.");
    expect(demoOutput).toMatch(/enrolments +2000\n +flows +7000\n/);
    expect(demoOutput).toMatch(/unsettled +0\n/);
  });

  test("leaves no flow unsettled", () => {
    expect(flows.filter(({ status }) => status !== "SENT" && status !== "FAILED")).toEqual([]);
  });

  test("sends no message twice, by the simulator's log", () => {
    const ids = log.map(({ messageId }) => messageId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("sends no lead a step twice, by the simulator's log", () => {
    const stepOf = new Map(flows.map((flow) => [flow.id, flow.step_id]));
    const steps = log.map(({ phone, messageId }) => `${phone} ${stepOf.get(flowIdOf(messageId) ?? "")}`);
    expect(new Set(steps).size).toBe(steps.length);
    expect(steps.filter((step) => step.endsWith("undefined"))).toEqual([]);
  });

  test("gives every lead every step, sent or marked failed", () => {
    const byLead = Map.groupBy(flows, ({ phone }) => phone);
    expect(byLead.size).toBe(1000);
    for (const [phone, own] of byLead) {
      expect({ phone, steps: new Set(own.map(({ step_id }) => step_id)).size, flows: own.length }).toEqual({
        phone,
        steps: STEPS[own[0]?.niche ?? "fitness"],
        flows: STEPS[own[0]?.niche ?? "fitness"],
      });
    }
  });

  test("says sent only of what the simulator was given, word for word", () => {
    const given = new Map(log.map((line) => [flowIdOf(line.messageId), line]));
    const sent = flows.filter(({ status }) => status === "SENT");
    const unknownToTheLog = sent.filter((flow) => given.get(flow.id)?.phone !== flow.phone || given.get(flow.id)?.text !== flow.text);
    expect(unknownToTheLog).toEqual([]);
    expect(sent.length).toBeGreaterThan(6000);
  });
});
