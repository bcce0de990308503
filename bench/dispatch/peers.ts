// The others' side: each in a process of its own, from a folder with packages of its own.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once as event } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Figures, measure, type MeterOptions } from "./meter.ts";

const FOLDER = join(import.meta.dirname, "../peers");

/** Installs the peers' packages, unless all of them are there. */
export function installPeers(say: (line: string) => void): void {
  const { dependencies } = JSON.parse(readFileSync(join(FOLDER, "package.json"), "utf8")) as { dependencies: Record<string, string> };
  if (Object.keys(dependencies).every((name) => existsSync(join(FOLDER, "node_modules", name)))) return;
  say("The peers' packages are missing: npm ci --prefix bench/peers");
  execFileSync("npm", ["ci", "--prefix", FOLDER], { stdio: "inherit" });
}

export const preparePeer = async (file: string, url: string, flows: number): Promise<void> => ended(spawnPeer(file, "prepare", url, String(flows)));

/** `url` is where the peer keeps its jobs; `meter.url` is the Postgres whose log is measured. */
export async function runPeer(file: string, url: string, meter: MeterOptions, redis?: number): Promise<Figures> {
  const child = spawnPeer(file, "run", url);
  let done = 0;
  child.on("message", (count) => (done = Number(count)));
  try {
    const figures = measure({ pid: child.pid ?? 0, done: async () => done, ...(redis !== undefined && { redis }) }, meter);
    return await Promise.race([figures, ended(child).then(() => Promise.reject(new Error(`${file} has ended`)))]);
  } finally {
    await endPeer(child);
  }
}

export async function endPeer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await event(child, "exit");
}

/** Run as for production: some check more, and tell more, where they are not told so. */
export const spawnPeer = (file: string, ...options: string[]): ChildProcess =>
  spawn(process.execPath, [join(FOLDER, file), ...options], { stdio: ["ignore", "inherit", "inherit", "ipc"], env: { ...process.env, NODE_ENV: "production" } });

async function ended(child: ChildProcess): Promise<void> {
  const [code] = await event(child, "exit");
  if (code !== 0 && code !== null) throw new Error(`a peer has failed with exit code ${code}`);
}
