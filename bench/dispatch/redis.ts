// A Redis of BullMQ's own: on a free port, with nothing kept on disk.

import { execFileSync, spawn } from "node:child_process";
import { once as event } from "node:events";
import { freePort } from "./rentak.ts";

export type BenchRedis = { readonly url: string; readonly pid: number; readonly stop: () => Promise<void> };

export function hasRedis(): boolean {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export async function startRedis(): Promise<BenchRedis> {
  const port = await freePort();
  const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], { stdio: "ignore" });
  process.once("exit", () => server.kill());
  return {
    url: `redis://127.0.0.1:${port}`,
    pid: server.pid ?? 0,
    async stop() {
      if (server.exitCode !== null) return;
      server.kill("SIGTERM");
      await event(server, "exit");
    },
  };
}
