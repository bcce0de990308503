// Rentak's side: the real server, in a process of its own, with every promise on.

import { type ChildProcess, spawn } from "node:child_process";
import { once as event } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Figures, measure, type MeterOptions } from "./meter.ts";
import { type BenchPostgres, connect } from "./postgres.ts";
import { checkPromises } from "./rentak-checks.ts";
import { addRows, addSequences, type Load, SENT } from "./rentak-rows.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const START_TIMEOUT_MS = 60_000;

/** The best of those that were tried. What the environment sets of RENTAK_… and DATABASE_… goes before. */
const SETTINGS = {
  RENTAK_DISPATCH_INTERVAL_MS: "1000",
  RENTAK_CLAIM_BATCH: "50000",
  RENTAK_SEND_CONCURRENCY: "10000",
  RENTAK_MAX_DEVICES: "10000",
  RENTAK_ENROLL_PER_SECOND: "1000000",
  RENTAK_ENCRYPTION_KEY: Buffer.alloc(32).toString("base64"), // the same for all servers on copies of one database
  LOG_LEVEL: "warn",
};

export type Server = { readonly pid: number; readonly url: string; readonly stop: () => Promise<void> };

/** The database of a load, to be copied for each run; made where there is none. Returns its name. */
export async function rentakTemplate(postgres: BenchPostgres, load: Load): Promise<string> {
  const name = `rentak_${load.flows}_${load.toEnrol}`;
  await postgres.template(name, async (url) => {
    const server = await startServer(url); // it makes the tables
    try {
      await addSequences(url, load);
    } finally {
      await server.stop();
    }
    await addRows(url, load);
  });
  return name;
}

/** One run, whose promises are checked on the rows. Throws BrokenPromise. */
export async function runRentak(url: string, meter: Omit<MeterOptions, "url">, nodeArguments: readonly string[] = []): Promise<Figures & { readonly checked: number }> {
  const client = await connect(url);
  const done = async () => (await client.query<{ sent: number }>({ name: "sent", text: SENT })).rows[0]?.sent ?? 0;
  try {
    const server = await startServer(url, nodeArguments);
    let figures: Figures;
    try {
      figures = await measure({ pid: server.pid, done }, { ...meter, url });
    } finally {
      await server.stop();
    }
    return { ...figures, checked: await checkPromises(url) };
  } finally {
    await client.end();
  }
}

/** Resolves when the server answers. Run with the flags that this process has: those that `npm start` gives it. `settings` go before all others. */
export async function startServer(url: string, nodeArguments: readonly string[] = [], settings: Readonly<Record<string, string>> = {}): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), "rentak-bench-"));
  const port = await freePort();
  const inherited = Object.entries(process.env).filter(([name]) => !/^(PG|HOST$|NODE_OPTIONS$)/.test(name));
  const env = { ...SETTINGS, ...Object.fromEntries(inherited), ...settings, DATABASE_URL: url, RENTAK_DATA_DIR: dataDir, PORT: String(port) };
  // The channel is there so that it stops when this process is gone.
  const child = spawn(process.execPath, [...process.execArgv, ...nodeArguments, MAIN], { env, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await event(child, "exit");
    }
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    await answering(port, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid ?? 0, url: `http://127.0.0.1:${port}`, stop };
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  for (const since = performance.now(); performance.now() - since < START_TIMEOUT_MS; await delay(25)) {
    if (child.exitCode !== null) throw new Error("the server has ended");
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
    if (answer?.ok) return;
  }
  throw new Error("the server does not answer");
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await event(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await event(server, "close");
  return port;
}
