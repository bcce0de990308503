// A redis-server of the test's own, that can be killed, emptied and suspended.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { eventually } from "./eventually.ts";
import { freePort } from "./server-process.ts";

export interface RedisServer {
  readonly url: string;
  kill(): Promise<void>;
  /** On the same port, with nothing in it. */
  start(): Promise<void>;
  flush(): Promise<void>;
  /** It takes connections and answers nobody. */
  suspend(): void;
  resume(): void;
  /** Over a connection of its own. */
  ask<T>(question: (client: Redis) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

/** Why tests that need one are skipped; undefined where one is installed. */
export const noRedis: string | undefined = isInstalled() ? undefined : "no redis-server is installed";

function isInstalled(): boolean {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Whatever it says: one with a password refuses. */
async function isAnswering(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
  try {
    await once(socket, "data");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export async function startRedisServer(...settings: readonly string[]): Promise<RedisServer> {
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), "rentak-redis-"));
  const url = `redis://127.0.0.1:${port}`;
  let server: ChildProcess | undefined;

  const ask = async <T>(question: (client: Redis) => Promise<T>): Promise<T> => {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
    client.on("error", () => {});
    try {
      await client.connect();
      return await question(client);
    } finally {
      client.disconnect();
    }
  };
  const start = async () => {
    server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir, ...settings], { stdio: "ignore" });
    await eventually(() => isAnswering(port), "redis-server answers", 10_000);
  };
  const kill = async () => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill("SIGKILL");
    await exited;
  };
  await start();
  return {
    url,
    kill,
    start,
    ask,
    flush: () => ask(async (client) => void (await client.flushall())),
    suspend: () => void server?.kill("SIGSTOP"),
    resume: () => void server?.kill("SIGCONT"),
    async stop() {
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
