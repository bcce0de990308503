import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";

const launcher = fileURLToPath(new URL("../../src/launcher.mjs", import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rentak-launcher-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs a script through the launcher, in a process group of its own. */
async function launch(source: string, ...args: string[]) {
  const script = join(folder, "script.ts");
  await writeFile(script, source);
  const child = spawn(process.execPath, [launcher, script, ...args], { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => (await lines.next()).value as string | undefined;
  return { child, ended, nextLine };
}

const REPORTER = `
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => console.log(signal));
  process.once("disconnect", () => { console.log("alone"); process.exit(); });
  console.log("ready");
`;

describe("the launcher", () => {
  test("runs TypeScript with its arguments, and passes the exit code on", async () => {
    const source = "const said: string = process.argv.slice(2).join('|'); console.log(said); process.exitCode = 7;";
    const { ended, nextLine } = await launch(source, "a b", "--c");
    expect(await nextLine()).toBe("a b|--c");
    expect(await ended).toEqual([7, null]);
  });

  test("dies of the signal that its script died of", async () => {
    const { ended } = await launch("process.kill(process.pid, 'SIGKILL');");
    expect(await ended).toEqual([null, "SIGKILL"]);
  });

  test("hands on signals that were sent to it alone", async () => {
    const { child, nextLine } = await launch(REPORTER);
    expect(await nextLine()).toBe("ready");
    for (const [sent, received] of [["SIGTERM", "SIGTERM"], ["SIGHUP", "SIGHUP"], ["SIGINT", "SIGTERM"]] as const) {
      child.kill(sent);
      expect(await nextLine()).toBe(received);
    }
  });

  test("lets one Ctrl-C count as one SIGINT", async () => {
    const { child, nextLine } = await launch(REPORTER);
    expect(await nextLine()).toBe("ready");
    process.kill(-(child.pid ?? Number.NaN), "SIGINT");
    expect([await nextLine(), await nextLine()].toSorted()).toEqual(["SIGINT", "SIGTERM"]);
    child.kill("SIGHUP");
    expect(await nextLine()).toBe("SIGHUP");
  });

  test("lets the script know when it was killed itself", async () => {
    const { child, nextLine } = await launch(REPORTER);
    expect(await nextLine()).toBe("ready");
    child.kill("SIGKILL");
    expect(await nextLine()).toBe("alone");
  });
});
