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

const SAMPLE_MS = 200;
const ROWS = 1_000_000;
const ROWS_PER_PIECE = 1000;

/** Prints rows per second and the server's peak of resident memory, for a file of new leads and for the same file once more. */
export async function benchImport(rows = ROWS): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "rentak-bench-"));
  const port = 20_000 + (process.pid % 20_000);
  const server = spawn(process.execPath, [join(import.meta.dirname, "../src/main.ts")], {
    env: { ...process.env, RENTAK_DATA_DIR: dataDir, PORT: String(port), LOG_LEVEL: "warn" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await ready(server);
    const secret = (await readFile(join(dataDir, "admin-token"), "utf8")).trim();
    const memory = watchMemory(server.pid ?? 0);
    print(`at rest: ${memory.peak()} MB`);
    for (const what of ["new leads", "the same file again"]) {
      const startedAt = performance.now();
      const answer = await send(port, secret, rows);
      const seconds = (performance.now() - startedAt) / 1000;
      print(`${what}: ${Math.round(rows / seconds).toLocaleString("en")} rows/s (${seconds.toFixed(1)} s), peak ${memory.peak()} MB; ${answer}`);
    }
    memory.stop();
  } finally {
    if (server.exitCode === null) {
      server.kill("SIGTERM");
      await once(server, "exit");
    }
    await rm(dataDir, { recursive: true, force: true });
  }
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

async function send(port: number, secret: string, rows: number): Promise<string> {
  const headers = { authorization: `Bearer ${secret}`, "content-type": "text/csv" };
  const outgoing = request({ port, host: "127.0.0.1", path: "/imports/leads?fileName=bench.csv", method: "POST", headers });
  const answered = once(outgoing, "response");
  await pipeline(Readable.from(csv(rows), { objectMode: false }), outgoing);
  const [response] = await answered;
  return (await text(response)).trim();
}

function* csv(rows: number): Generator<Buffer> {
  yield Buffer.from("phone,name,niche,trigger,city\n");
  for (let from = 0; from < rows; from += ROWS_PER_PIECE) {
    const count = Math.min(ROWS_PER_PIECE, rows - from);
    const piece = Array.from({ length: count }, (_, index) => `+6011${10_000_000 + from + index},Name Number ${from + index},fitness,fitness_start,Kuala Lumpur\n`);
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
