// How fast a CSV of a million rows is imported through POST /imports/leads, and what it takes: a real server in a process of its own, with a
// Postgres of its own, enrolling while it imports.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { text } from "node:stream/consumers";
import { cpuOf, cpuOfFamily, cpuOfMachine } from "./dispatch/processes.ts";

const SAMPLE_MS = 200;
const ROWS = 1_000_000;
const ROWS_PER_PIECE = 1000;
const NEWLINE = 10;

const GOAL_ROWS_PER_SECOND = 15_000;
const GOAL_MB = 300;

/** Prints rows per second and the server's peak of resident memory: for a file of new leads, for the same once more, for one of which every row is
 *  refused, and for the download of those. The process ends with exit code 1 where a goal is missed. */
export async function benchImport(rows = ROWS): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "rentak-bench-"));
  const port = 20_000 + (process.pid % 20_000);
  // With Node's flags as the launcher gives them.
  const server = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, "../src/main.ts")], {
    env: { ...process.env, RENTAK_DATA_DIR: dataDir, PORT: String(port), LOG_LEVEL: "warn" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await ready(server);
    const secret = (await readFile(join(dataDir, "admin-token"), "utf8")).trim();
    const memory = watchMemory(server.pid ?? 0);
    print(`at rest: ${memory.peak()} MB`);
    const postmaster = Number((await readFile(join(dataDir, "postgres/postmaster.pid"), "utf8")).split("\n", 1)[0]);
    const used = async () => ({ server: await cpuOf(server.pid ?? 0), postgres: await cpuOfFamily(postmaster), machine: await cpuOfMachine() });
    const timed = async (what: string, goal: number | undefined, run: () => Promise<string>) => {
      const [before, startedAt] = [await used(), performance.now()];
      const answer = await run();
      const seconds = (performance.now() - startedAt) / 1000;
      const after = await used();
      const [serverUs, postgresUs] = [after.server - before.server, after.postgres - before.postgres];
      const othersUs = after.machine.usedUs - before.machine.usedUs - serverUs - postgresUs;
      print(`${what}: ${Math.round(rows / seconds).toLocaleString("en")} rows/s (${seconds.toFixed(1)} s), peak ${memory.peak()} MB; ${answer}`);
      print(
        `  CPU per row: ${(serverUs / rows).toFixed(1)} µs of the server, ${(postgresUs / rows).toFixed(1)} µs of Postgres; others, the sender among them, had ` +
          `${((othersUs / (after.machine.totalUs - before.machine.totalUs)) * 100).toFixed(0)} % of the machine`,
      );
      if (goal !== undefined) judge(`${what}, at least ${goal.toLocaleString("en")} rows/s`, rows / seconds >= goal);
      return answer;
    };
    await timed("new leads", GOAL_ROWS_PER_SECOND, () => send(port, secret, csv(rows, "+6011")));
    await timed("the same file again", undefined, () => send(port, secret, csv(rows, "+6011")));
    const refused = await timed("every row refused", GOAL_ROWS_PER_SECOND, () => send(port, secret, csv(rows, "+6000")));
    const { rejects } = JSON.parse(refused) as { rejects: string };
    await timed("download of the refused rows", undefined, () => download(port, secret, rejects, rows));
    judge(`never more than ${GOAL_MB} MB`, memory.peak() <= GOAL_MB);
    memory.stop();
  } finally {
    if (server.exitCode === null) {
      server.kill("SIGTERM");
      await once(server, "exit");
    }
    await rm(dataDir, { recursive: true, force: true });
  }
}

function judge(what: string, holds: boolean): void {
  print(`${what}: ${holds ? "held" : "not held"}`);
  if (!holds) process.exitCode = 1;
}

function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = "";
    server.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes("The admin token is in") || output.includes("Admin token")) resolve();
    });
    server.on("exit", () => reject(new Error("the server has ended")));
  });
}

async function download(port: number, secret: string, path: string, rows: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${secret}` } });
  let [lines, bytes] = [0, 0];
  for await (const piece of response.body ?? []) {
    bytes += piece.length;
    for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, at + 1)) lines++;
  }
  if (lines !== rows + 1) throw new Error(`${lines} lines instead of ${rows + 1}`);
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

async function send(port: number, secret: string, file: Generator<Buffer>): Promise<string> {
  const headers = { authorization: `Bearer ${secret}`, "content-type": "text/csv" };
  const outgoing = request({ port, host: "127.0.0.1", path: "/imports/leads?fileName=bench.csv", method: "POST", headers });
  const answered = once(outgoing, "response");
  await pipeline(Readable.from(file, { objectMode: false }), outgoing);
  const [response] = await answered;
  return (await text(response)).trim();
}

function* csv(rows: number, prefix: string): Generator<Buffer> {
  yield Buffer.from("phone,name,niche,trigger,city\n");
  for (let from = 0; from < rows; from += ROWS_PER_PIECE) {
    const count = Math.min(ROWS_PER_PIECE, rows - from);
    const piece = Array.from({ length: count }, (_, index) => `${prefix}${10_000_000 + from + index},Name Number ${from + index},fitness,fitness_start,Kuala Lumpur\n`);
    yield Buffer.from(piece.join(""));
  }
}

function watchMemory(pid: number) {
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) / 1000);
  };
  look();
  const timer = setInterval(look, SAMPLE_MS);
  return { peak: () => Math.round(peak), stop: () => clearInterval(timer) };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
