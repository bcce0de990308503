// What the README shows, copied and pasted: its shell blocks run in order, in a copy of the project of their own.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { cleanEnv, freePort, ROOT } from "../support/server-process.ts";

const README_PORT = "4000";
const blocks = [...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = ""]) => block);

type Running = { readonly child: ChildProcess; readonly output: () => string };

let dir: string;
let port: string;
const running: Running[] = [];

/** The one block that has this in it. */
function blockWith(text: string): string {
  const found = blocks.filter((block) => block.includes(text));
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} blocks of the README have ${text}`);
  return found[0].replaceAll(README_PORT, port);
}

function begin(script: string, settings: Record<string, string> = {}): Running {
  const child = spawn("bash", ["-euo", "pipefail", "-c", script], { cwd: dir, env: cleanEnv({ PORT: port, ...settings }), stdio: ["pipe", "pipe", "pipe"], detached: true });
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => chunks.push(chunk.toString()));
  const started = { child, output: () => chunks.join("") };
  running.push(started);
  return started;
}

async function run(script: string): Promise<string> {
  const { child, output } = begin(script);
  const [exitCode] = await once(child, "exit");
  if (exitCode !== 0) throw new Error(`ended with ${exitCode}: ${script}\n${output()}`);
  return output();
}

async function says({ child, output }: Running, wanted: RegExp): Promise<RegExpMatchArray> {
  for (;;) {
    const match = output().match(wanted);
    if (match) return match;
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode} before it said ${wanted}:\n${output()}`);
    await delay(50);
  }
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "rentak-readme-"));
  port = String(await freePort());
  const files = execFileSync("git", ["-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"], { cwd: ROOT }).toString().split("\0").filter(Boolean);
  for (const file of files) cpSync(join(ROOT, file), join(dir, file), { recursive: true });
  // In place of `npm ci`, which needs the network and half a minute; the lock file that it reads is the one that this run was installed from.
  await symlink(join(ROOT, "node_modules"), join(dir, "node_modules"));
});

afterAll(async () => {
  for (const { child } of running.toReversed()) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue;
    const exited = once(child, "exit");
    process.kill(-child.pid, "SIGTERM");
    await exited;
  }
  // The shells end at once; the server that one of them began drains first, and stops its Postgres, before the folder may go.
  await eventually(() => !existsSync(join(dir, ".rentak/postgres/postmaster.pid")), "the end of the server's Postgres", 40_000);
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
});

describe.sequential("the README, by copy and paste", () => {
  let listener: Running;

  test("npm start answers and keeps the admin token for its owner alone", async () => {
    const start = blockWith("npm ci && npm start");
    expect(start).toBe("npm ci && npm start\n");
    await says(begin(start.replace("npm ci && ", "")), /Rentak is ready: http:\/\/127\.0\.0\.1:\d+\/graphql\nAdmin token, shown this once/);
    expect((await stat(join(dir, ".rentak/admin-token"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, ".rentak/database-url"))).mode & 0o777).toBe(0o600);
  }, 60_000);

  test("a second terminal listens", async () => {
    listener = begin(blockWith("subscription {"));
    await says(listener, /Listening\./);
  });

  test("a device, a sequence and a lead later the message is sent, and shown live", async () => {
    const made = JSON.parse(await run(blockWith("createDevice(")));
    expect(made).toMatchObject({ data: { createDevice: { userErrors: [] }, createSequence: { userErrors: [] } } });
    await run(blockWith("SET is_active = true"));
    const [line] = await says(listener, /^\{.*\}$/m);
    expect(JSON.parse(line)).toMatchObject({
      flowSent: { flow: { text: expect.stringMatching(/^(Hi|Hello) Aina, good to have you!$/), lead: { name: "Aina", phone: "+12025550123" }, device: { name: "Desk" } } },
    });
  }, 60_000);

  test("the lead's triggers say what became of them", async () => {
    const answer = JSON.parse(await run(blockWith("triggerStates {")));
    expect(answer).toMatchObject({
      data: { lead: { triggers: ["welcome_start"], triggerStates: [{ state: "ENROLLED" }], enrollments: { nodes: [{ status: "ACTIVE", currentTrigger: "welcome_day2" }] } } },
    });
  });

  test("any client can ask", async () => {
    expect(JSON.parse(await run(blockWith("Content-Type: application/json")))).toMatchObject({ data: { viewer: { workspace: { name: "Default" } } } });
  });

  test("a file of leads is streamed in", async () => {
    const answer = JSON.parse(await run(blockWith("/imports/leads")));
    expect(answer).toMatchObject({ status: "COMPLETED", rowsRead: 1000, rowsRejected: 0 });
  });

  test("SQL shows the progress", async () => {
    expect(await run(blockWith("sequence_progress_monitor"))).toMatch(/Welcome/);
  });

  test("a device is linked to the fake WhatsApp server by a code, and what it sends is shown there", async () => {
    const fake = begin(blockWith("npm run fake-whatsapp").replace("npm run fake-whatsapp", "npm run fake-whatsapp -- --port 0"));
    const [, url = "", rootKey = ""] = await says(fake, /WHATSAPP_URL=(\S+) WHATSAPP_ROOT_KEY=(\S+)/);
    const settings = { PORT: String(await freePort()), RENTAK_DATA_DIR: ".rentak/whatsapp", RENTAK_MIN_STEP_DELAY_HOURS: "0", WHATSAPP_URL: url, WHATSAPP_ROOT_KEY: rootKey };
    await says(begin("npm start", settings), /Rentak is ready/);
    const pairing = begin("npm run pair -- --phone +60123456789", settings);
    const [, code = ""] = await says(pairing, /^ {2}(\w{4}-\w{4})$/m);
    fake.child.stdin?.write(`code ${code}\n`);
    await says(pairing, /My WhatsApp is linked/);
    const here = `PORT=${settings.PORT} RENTAK_DATA_DIR=${settings.RENTAK_DATA_DIR}`;
    await run(blockWith("createDevice(").replaceAll(/createDevice\(.*?\}\s*\}\s*createSequence/gs, "createSequence").replace("npm run", `${here} npm run`));
    await run(blockWith("SET is_active = true").replaceAll("npm run", `${here} npm run`));
    await says(fake, /60123456789 to 12025550123: (Hi|Hello) Aina, good to have you!/);
    fake.child.stdin?.write("reply 12025550123 STOP\n");
    await eventually(async () => JSON.parse(await run(`${here} npm run --silent graphql -- '{ leads { nodes { optedOutAt } } }'`)).data.leads.nodes[0].optedOutAt, "she is opted out", 20_000);
  }, 120_000);

  test("the demo brings every lead through, with nothing twice and nothing lost", async () => {
    const output = await run(blockWith("npm run demo"));
    expect(output).toMatch(/enrolments +2000\n +flows +7000\n/);
    expect(output).toMatch(/unsettled +0\n/);
    const [, sent] = output.match(/sent +(\d+)\n/) ?? [];
    expect(output).toMatch(new RegExp(`has ${sent} messages, 0 of them twice`));
    const count = `SELECT count(*) FILTER (WHERE status = 'SENT') AS sent, count(*) AS flows FROM flows WHERE settled_at IS NOT NULL`;
    expect(await run(`RENTAK_DATA_DIR=.rentak/demo npm run --silent sql -- "${count}"`)).toMatch(new RegExp(`\\D${sent}\\D+7000\\D`));
  }, 180_000);

  test("every block of it was tried here, but for the test command itself", () => {
    expect(blocks).toHaveLength(11);
    expect(blocks.filter((block) => block.includes("npm test"))).toEqual(["npm ci && npm test\n"]);
  });
});
