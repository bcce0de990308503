// `npm run bench -- <name>`: measures one thing, on a real server in a process of its own, and prints the figures.

import { benchImport } from "./import.ts";

const BENCHES: Readonly<Record<string, () => Promise<void>>> = { import: () => benchImport() };

const [name = ""] = process.argv.slice(2);
const bench = BENCHES[name];
if (!bench) {
  console.error(`Usage: npm run bench -- <${Object.keys(BENCHES).join(" | ")}>`);
  process.exit(1);
}
await bench();
