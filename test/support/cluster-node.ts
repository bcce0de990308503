// One server process of a cluster, behind a proxy of its own to Postgres: it can be killed, suspended, cut off, and have its clock set.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type PostgresProxy } from "./postgres-proxy.ts";
import { cleanEnv, freePort, ROOT } from "./server-process.ts";

const READY = "Rentak is ready";
const START_TIMEOUT_MS = 60_000;
/** The launcher's: a quarter less to do at each start, of which there are many. */
const NODE_COMPILE_CACHE = join(ROOT, "node_modules/.cache/rentak");
const CLOCK = new URL("clock-step.ts", import.meta.url).href;

export interface ClusterNode {
  readonly name: string;
  readonly proxy: PostgresProxy;
  /** Resolves once the server answers; also where it was killed before that. */
  start(): Promise<void>;
  /** Does not wait. */
  signal(signal: NodeJS.Signals): void;
  /** Sends the signal and waits for the end. Returns the exit code; null where there is none. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  /** Sets its wall clock by so much. */
  stepClock(ms: number): Promise<void>;
  isRunning(): boolean;
  /** What its processes have said, all of them. */
  output(): string;
}

export async function createClusterNode(name: string, proxy: PostgresProxy, settings: Readonly<Record<string, string>>): Promise<ClusterNode> {
  const port = String(await freePort());
  let output = "";
  let child: ChildProcess | undefined;
  const isRunning = () => child !== undefined && child.exitCode === null && child.signalCode === null;

  const spawnServer = () => {
    const started = spawn(process.execPath, ["--import", CLOCK, join(ROOT, "src/main.ts")], {
      cwd: ROOT,
      env: cleanEnv({ ...settings, PORT: port, RENTAK_NODE_NAME: name, NODE_COMPILE_CACHE }),
      // It ends by itself when the channel does: no run that is killed leaves servers behind.
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [started.stdout, started.stderr]) stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    started.on("error", (error) => (output += String(error)));
    return started;
  };

  return {
    name,
    proxy,
    async start() {
      const from = output.length;
      const started = (child = spawnServer());
      const ended = once(started, "exit");
      await Promise.race([ended, said(started, () => output.slice(from).includes(READY))]);
      if (started.exitCode !== null) throw new Error(`${name} has ended by itself:\n${output.slice(from)}`);
    },
    signal(signal) {
      if (isRunning()) child?.kill(signal);
    },
    async end(signal) {
      if (!child || !isRunning()) return null;
      const exited = once(child, "exit");
      child.kill(signal);
      const [exitCode] = await exited;
      return exitCode;
    },
    async stepClock(ms) {
      if (!child) throw new Error(`${name} does not run`);
      const stepped = once(child, "message");
      child.send({ stepMs: ms });
      await stepped;
    },
    isRunning,
    output: () => output,
  };
}

function said(child: ChildProcess, isSaid: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${START_TIMEOUT_MS} ms`)), START_TIMEOUT_MS);
    const look = () => {
      if (!isSaid()) return;
      clearTimeout(timer);
      child.stdout?.off("data", look);
      resolve();
    };
    child.once("exit", () => clearTimeout(timer));
    child.stdout?.on("data", look);
  });
}
