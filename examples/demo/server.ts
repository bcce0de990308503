// The demo's server: the one that runs, where it allows short delays, or one of the demo's own in a folder of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const START_TIMEOUT_MS = 60_000;

export type DemoServer = {
  readonly url: string;
  readonly token: string;
  /** The simulator's log, where the demo knows of one. */
  readonly simulatorLog: string | undefined;
  stop(): Promise<void>;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** The server that the environment's settings lead to, or undefined where none answers there. */
export async function findServer(env: Environment): Promise<DemoServer | undefined> {
  const url = `http://${env["HOST"] ?? "127.0.0.1"}:${env["PORT"] ?? 4000}`;
  try {
    await fetch(`${url}/health`);
    const token = env["RENTAK_ADMIN_TOKEN"] ?? (await readToken(env["RENTAK_DATA_DIR"] ?? ".rentak"));
    return { url, token, simulatorLog: env["RENTAK_SIMULATOR_LOG"], stop: async () => {} };
  } catch {
    return undefined;
  }
}

/** Starts a server with short delays allowed, a quick cycle, and data of its own below `dataDir`. Its output goes to `log` line by line. */
export async function startServer(env: Environment, dataDir: string): Promise<DemoServer> {
  const simulatorLog = join(dataDir, "simulator.log");
  const port = await freePort();
  const child = spawn(process.execPath, [join(import.meta.dirname, "../../src/main.ts")], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: {
      ...env,
      HOST: "127.0.0.1",
      PORT: String(port),
      DATABASE_URL: "",
      RENTAK_DATA_DIR: dataDir,
      RENTAK_SIMULATOR_LOG: simulatorLog,
      RENTAK_MIN_STEP_DELAY_HOURS: "0",
      RENTAK_DISPATCH_INTERVAL_MS: "500",
    },
  });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => output.push(chunk.toString()));
  const url = `http://127.0.0.1:${port}`;
  await answering(url, child, output);
  return { url, token: await readToken(dataDir), simulatorLog, stop: () => stop(child) };
}

const readToken = async (dataDir: string) => (await readFile(join(dataDir, "admin-token"), "utf8")).trim();

async function answering(url: string, child: ChildProcess, output: readonly string[]): Promise<void> {
  for (const since = Date.now(); Date.now() - since < START_TIMEOUT_MS; await delay(100)) {
    if (child.exitCode !== null) throw new Error(`The demo's server has ended:\n${output.join("")}`);
    const answer = await fetch(`${url}/health`).catch(() => undefined);
    if (answer?.ok) return;
  }
  child.kill();
  throw new Error(`The demo's server does not answer:\n${output.join("")}`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
