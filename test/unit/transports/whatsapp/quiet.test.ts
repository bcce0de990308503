import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test, vi } from "vitest";

// A process that loads libsignal takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

// In a process of its own: vitest has a console of its own.
async function outputOf(script: string): Promise<string> {
  const path = fileURLToPath(new URL(`../../../support/${script}`, import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--no-warnings", path]);
  return stdout + stderr;
}

test("libsignal prints sessions and their private keys, left to itself", async () => {
  expect(await outputOf("libsignal-talk.ts")).toMatch(/Closing session.*privKey.*Session error/s);
});

test("nothing of libsignal is printed, and all that others print is", async () => {
  expect(await outputOf("quiet-libsignal-talk.ts")).toBe("debug\nour own log: Closing session:\ninfo\nerror\nwarn\n");
});
