// The demo, stopped in the middle and started again, twice: it goes on with the leads that are on their way.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanEnv, freePort, ROOT, type ServerProcess, startServerProcess } from "../support/server-process.ts";

let dir: string;
let settings: Record<string, string>;
let server: ServerProcess;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "rentak-again-"));
  settings = { PORT: String(await freePort()), RENTAK_DATA_DIR: join(dir, "data"), RENTAK_MIN_STEP_DELAY_HOURS: "0", RENTAK_DISPATCH_INTERVAL_MS: "250" };
  server = await startServerProcess(settings);
});

afterAll(async () => {
  await server?.end("SIGTERM");
  await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
});

/** Runs the demo until `until` is in its output, and kills it then; or until it ends by itself. */
async function demo(until?: RegExp): Promise<{ output: string; exitCode: number | null }> {
  const child = spawn(process.execPath, [join(ROOT, "examples/demo/main.ts")], { cwd: dir, env: cleanEnv(settings), stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    if (until?.test(output)) child.kill("SIGKILL");
  });
  const [exitCode] = await once(child, "exit");
  return { output, exitCode };
}

test("goes on where it was, and its totals are those of the one run", async () => {
  await demo(/STARTED\] HOT/);
  await demo(/going on with them[^]*STARTED\] HOT/);
  const { output, exitCode } = await demo();
  expect(exitCode).toBe(0);
  expect(output).toContain("Leads of an earlier run are still on their way: going on with them.");
  expect(output).toMatch(/enrolments +2000\n +flows +7000\n/);
  expect(output).toMatch(/unsettled +0\n/);
}, 150_000);
