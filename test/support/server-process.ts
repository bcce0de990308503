// The real server in a process of its own, as a user would start it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export const ROOT = join(import.meta.dirname, "../..");

const START_TIMEOUT_MS = 60_000;

export type ServerProcess = {
  readonly url: string;
  readonly pid: number;
  readonly output: () => string;
  /** Sends the signal and waits for the end. */
  readonly end: (signal: NodeJS.Signals) => Promise<void>;
};

/** Settings of the machine that the tests run on must not leak into the server under test. */
export function cleanEnv(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(RENTAK_|DATABASE_|REDIS_|WHATSAPP_|PG|HOST$|PORT$|NODE_OPTIONS$|VITEST)/.test(name));
  return { ...Object.fromEntries(inherited), ...settings };
}

/** Resolves once the server answers. `settings` need PORT. */
export async function startServerProcess(settings: Readonly<Record<string, string>>, cwd = ROOT): Promise<ServerProcess> {
  const child = spawn(process.execPath, [join(ROOT, "src/main.ts")], { cwd, env: cleanEnv(settings), stdio: ["ignore", "pipe", "pipe"] });
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => chunks.push(chunk.toString()));
  const output = () => chunks.join("");
  const url = `http://127.0.0.1:${settings["PORT"]}`;
  await answering(url, child, output);
  return {
    url,
    pid: child.pid as number,
    output,
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill(signal);
      await exited;
    },
  };
}

async function answering(url: string, child: ChildProcess, output: () => string): Promise<void> {
  for (const since = Date.now(); Date.now() - since < START_TIMEOUT_MS; await delay(25)) {
    if (child.exitCode !== null) throw new Error(`the server has ended:\n${output()}`);
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
    if (answer?.ok) return;
  }
  child.kill("SIGKILL");
  throw new Error(`the server does not answer:\n${output()}`);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
