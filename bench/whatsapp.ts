// Linked devices in numbers: real Baileys clients in the whole server, against the fake WhatsApp in another process. What they hold, what a message costs,
// and how a fleet comes back after the network was cut. npm run bench -- whatsapp [options]; docs/performance.md tells of each option and of the figures.

import { parseArgs } from "node:util";
import { startBenchPostgres } from "./dispatch/postgres.ts";
import { BrokenPromise } from "./dispatch/rentak-checks.ts";
import { table } from "./dispatch/table.ts";
import { figuresOf } from "./whatsapp/figures.ts";
import { type Plan, run } from "./whatsapp/run.ts";
import { OperatorError } from "../src/lib/errors.ts";

const OPTIONS = {
  sizes: { type: "string", default: "100,1000,3000" },
  minutes: { type: "string" },
  leads: { type: "string" },
  idle: { type: "string" },
  quick: { type: "boolean", default: false },
  "cpu-prof": { type: "string" },
} as const;

/** Each device has several people, and a small fleet enough of them to send for a while. */
const LEADS_PER_DEVICE = 10;
const LEAST_LEADS = 5000;

const say = (line: string) => console.log(line);

/** The process ends with exit code 1 where log and rows do not agree, or a goal is missed. */
export async function benchWhatsapp(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const sizes = values.sizes.split(",").map(count);
  const knownSeconds = values.minutes === undefined ? (values.quick ? 20 : 60) : 60 * count(values.minutes);
  const postgres = await startBenchPostgres(say);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void postgres.stop()); // what runs fails, and clears up behind itself
  try {
    const columns: string[][] = [];
    for (const devices of sizes) {
      const plan: Plan = {
        devices,
        leads: values.leads === undefined ? Math.max(LEAST_LEADS, devices * LEADS_PER_DEVICE) : count(values.leads),
        idleSeconds: values.idle === undefined ? (values.quick ? 30 : 60) : count(values.idle),
        newSeconds: values.quick ? 30 : 60,
        knownSeconds,
        profileDir: values["cpu-prof"],
      };
      const figures = figuresOf(plan, await run(postgres, plan, say));
      if (figures.some(({ holds }) => holds === false)) process.exitCode = 1;
      columns.push(figures.map(({ measured, holds }) => (holds === false ? `${measured} (NO)` : measured)));
      if (devices === sizes.at(-1)) say(table(["devices", ...sizes.map((size) => size.toLocaleString("en")), "goal"], figures.map(({ what, goal = "" }, row) => [what, ...columns.map((column) => column[row] ?? ""), goal])));
    }
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error;
    console.error(`This run is void. ${error.message}`);
    process.exitCode = 1;
  } finally {
    await postgres.stop();
  }
}

function count(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new OperatorError(`"${text}" is no count`);
  return Number(text);
}
