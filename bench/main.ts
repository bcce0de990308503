// `npm run bench -- <name>`: measures one thing, on a real server in a process of its own, and prints the figures.

import { benchApi } from "./api.ts";
import { benchDispatch } from "./dispatch.ts";
import { benchFleet } from "./fleet.ts";
import { benchImport } from "./import.ts";
import { benchLanes } from "./lanes.ts";
import { benchLeads } from "./leads.ts";
import { benchStatus } from "./status.ts";
import { benchWhatsapp } from "./whatsapp.ts";
import { OperatorError } from "../src/lib/errors.ts";

const BENCHES: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = { api: benchApi, dispatch: benchDispatch, fleet: benchFleet, import: () => benchImport(), lanes: benchLanes, leads: benchLeads, status: benchStatus, whatsapp: benchWhatsapp };

const [name = "", ...args] = process.argv.slice(2);
const bench = BENCHES[name];
if (!bench) {
  console.error(`Usage: npm run bench -- <${Object.keys(BENCHES).join(" | ")}>`);
  process.exit(1);
}
try {
  await bench(args);
} catch (error) {
  if (!(error instanceof OperatorError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
