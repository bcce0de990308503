// The fake WhatsApp server as somebody starts it by hand: it says how to reach it, does what is typed, and remembers.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectClient, newAuth, type ClientAuth, type TestClient } from "../support/fake-whatsapp/client.ts";
import { ROOT } from "../support/server-process.ts";

const ACCOUNT = "60123456789";
const PERSON = "60198765432";

/** Each process that is started loads the client's package first. */
const PROCESSES_MS = 60_000;

type Started = { readonly url: string; readonly rootKey: string; readonly child: ChildProcess; type(line: string): void; says(what: RegExp): Promise<string> };

let folder: string;
let started: Started[];
let clients: TestClient[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fake-whatsapp-"));
  started = [];
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.end();
  for (const { child } of started) await end(child);
  await rm(folder, { recursive: true });
});

async function start(...options: readonly string[]): Promise<Started> {
  const script = join(ROOT, "test/support/fake-whatsapp/main.ts");
  const child = spawn(process.execPath, [script, "--port", "0", "--state", join(folder, "state.json"), ...options], { stdio: ["pipe", "pipe", "inherit"] });
  const says = listenTo(createInterface({ input: child.stdout }));
  const settings = /WHATSAPP_URL=(\S+) WHATSAPP_ROOT_KEY=(\S+)/.exec(await says(/WHATSAPP_URL/));
  const process_: Started = { url: settings?.[1] ?? "", rootKey: settings?.[2] ?? "", child, says, type: (line) => void child.stdin.write(`${line}\n`) };
  started.push(process_);
  return process_;
}

function listenTo(lines: Interface): Started["says"] {
  const said: string[] = [];
  const listeners = new Set<() => void>();
  lines.on("line", (line) => {
    said.push(line);
    for (const listener of listeners) listener();
  });
  return (what) =>
    new Promise((resolve) => {
      const listener = () => {
        const line = said.find((text) => what.test(text));
        if (line === undefined) return;
        listeners.delete(listener);
        resolve(line);
      };
      listeners.add(listener);
      listener();
    });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

function connect(to: Started, auth: ClientAuth): TestClient {
  const client = connectClient(to, auth);
  clients.push(client);
  return client;
}

test("a device is linked by what is typed, its messages are shown, people answer, and a restart leaves it linked", async () => {
  const first = await start();
  const auth = newAuth();
  const unlinked = connect(first, auth);
  first.type(`scan ${await unlinked.qr()} +${ACCOUNT}`);
  await first.says(/^linked 60123456789:1@/);
  await unlinked.closed();
  const client = connect(first, auth);
  await client.open();
  await client.text(`${PERSON}@s.whatsapp.net`, "Selamat pagi");
  await first.says(/^60123456789 to 60198765432: Selamat pagi$/);
  first.type(`reply ${PERSON} Tell me more`);
  await client.next("messages.upsert", ({ messages }) => messages.some(({ message }) => message?.conversation === "Tell me more"));
  first.type("accounts");
  await first.says(/^60123456789: 1 devices$/);
  client.end();
  await end(first.child);
  expect(first.child.exitCode).toBe(0);

  const second = await start("--reply-after", "1", "--reply", "Who is this?");
  expect(second.rootKey).toBe(first.rootKey);
  const back = connect(second, auth);
  await back.open();
  await back.text(`${PERSON}@s.whatsapp.net`, "Me again");
  await second.says(/: Me again$/);
  await back.next("messages.upsert", ({ messages }) => messages.some(({ message }) => message?.conversation === "Who is this?"));
}, PROCESSES_MS);

test("what it does not understand it answers with what it does", async () => {
  const { type, says } = await start("--forgetful");
  type("hello");
  await says(/^scan QR/);
  type("reply 60198765432 Hi");
  await says(/^no account is linked yet$/);
  type("code ABCD1234");
  await says(/^no device shows a code$/);
}, PROCESSES_MS);
