// Segments of a million leads: how long a page of fifty takes, and its count, for each field of LeadFilter alone and for every two of them; then what an
// import of a million rows takes. npm run bench -- leads [--leads 1000000] [--rounds 3] [--no-import]; docs/performance.md tells of the figures.

import { parseArgs } from "node:util";
import { once, startBenchPostgres } from "./dispatch/postgres.ts";
import { table, whole } from "./dispatch/table.ts";
import { benchImport } from "./import.ts";
import { filtersOf, type Known } from "./leads/filters.ts";
import { addLeads, WORKSPACE_ID } from "./leads/rows.ts";
import { createPool } from "../src/db/client.ts";
import { migrate } from "../src/db/migrate.ts";
import { workspaceDb, type WorkspaceDb } from "../src/db/workspace.ts";
import type { LeadFilter } from "../src/leads/filter.ts";
import { countLeads, leadOrder, listLeads } from "../src/leads/list.ts";
import { DAY_MS, HOUR_MS } from "../src/lib/clock.ts";
import { OperatorError, type Result } from "../src/lib/errors.ts";

const OPTIONS = {
  leads: { type: "string", default: "1000000" },
  rounds: { type: "string", default: "3" },
  "no-import": { type: "boolean", default: false },
} as const;

const GOAL_MS = 200;
const LISTED = 500;
const FIRST_PAGE = { limit: 50, backward: false, after: null, before: null };

type Measured = {
  readonly what: string;
  /** Of the slower of the two directions. */
  readonly pageMs: number;
  readonly countMs: number;
  readonly total: number;
  readonly isExact: boolean;
};

const say = (line: string) => console.log(line);

/** The process ends with exit code 1 where a goal is missed. */
export async function benchLeads(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const [leads, rounds] = [Number(values.leads), Number(values.rounds)];
  if (!(leads >= 1000) || !(rounds >= 1)) throw new OperatorError("--leads is a count of 1,000 at least, --rounds one of 1 at least");
  const postgres = await startBenchPostgres(say);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void postgres.stop()); // what runs fails, and clears up behind itself
  try {
    let address = "";
    await postgres.template("leads", async (url) => {
      address = url;
      const pool = createPool(url, { max: 1, idle: 0, lifetimeSeconds: 0, onError: () => {} });
      await migrate(pool);
      await pool.end();
      await addLeads(url, leads);
    });
    await measureSegments(address, rounds);
  } finally {
    await postgres.stop();
  }
  if (!values["no-import"]) await benchImport(leads);
}

async function measureSegments(url: string, rounds: number): Promise<void> {
  const pool = createPool(url, { max: 1, idle: 1, lifetimeSeconds: 0, onError: () => {} });
  try {
    const db = workspaceDb(pool, WORKSPACE_ID);
    const filters = filtersOf(await knownLeads(url));
    const alone: Measured[] = [];
    for (const [what, filter] of filters) alone.push(await measure(db, what, filter, rounds));
    say(`\nEach field alone:\n${table(HEAD, alone.map(rowOf))}`);
    const pairs: Measured[] = [];
    for (const [index, [one, first]] of filters.entries()) {
      for (const [other, second] of filters.slice(index + 1)) {
        if (isBoth(first, second)) pairs.push(await measure(db, `${one} + ${other}`, { ...first, ...second }, rounds));
      }
    }
    say(`\nEvery two of them, the slowest first:\n${table(HEAD, pairs.toSorted((a, b) => slowerOf(b) - slowerOf(a)).map(rowOf))}`);
    judge("a page and its count, each field alone", alone);
    judge("a page and its count, every two fields", pairs);
  } finally {
    await pool.end();
  }
}

async function knownLeads(url: string): Promise<Known> {
  const rows = await once(url, "SELECT id::text, phone FROM leads WHERE workspace_id = $1 AND phone LIKE '%77' ORDER BY id LIMIT $2", [WORKSPACE_ID, LISTED]);
  const now = Date.now();
  return {
    ids: rows.map(({ id }) => String(id)),
    phones: rows.map(({ phone }) => `+${String(phone)}`),
    middle: new Date(now - 45 * DAY_MS),
    lastDay: new Date(now - HOUR_MS),
  };
}

/** Not twice the same field; of a sequence's states only in that sequence. */
const isBoth = (first: LeadFilter, second: LeadFilter) => Object.keys(first).every((field) => !(field in second));

async function measure(db: WorkspaceDb, what: string, filter: LeadFilter, rounds: number): Promise<Measured> {
  const page = (descending: boolean) => {
    const order = leadOrder("CREATED_AT", descending);
    return medianMs(rounds, async () => valueOf(await listLeads(db, filter, FIRST_PAGE, order)));
  };
  const pageMs = Math.max(await page(false), await page(true));
  const countMs = await medianMs(rounds, async () => valueOf(await countLeads(db, filter)));
  return { what, pageMs, countMs, ...valueOf(await countLeads(db, filter)) };
}

async function medianMs(rounds: number, run: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now();
    await run();
    times.push(performance.now() - startedAt);
  }
  return times.toSorted((a, b) => a - b)[Math.floor((rounds - 1) / 2)] ?? NaN;
}

function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.errors.map(({ message }) => message).join(" "));
  return result.value;
}

const HEAD = ["filter", "page of 50, ms", "count, ms", "leads", "counted", `goal: ${GOAL_MS} ms each`];

const slowerOf = ({ pageMs, countMs }: Measured) => Math.max(pageMs, countMs);
const holds = (measured: Measured) => slowerOf(measured) <= GOAL_MS;

const rowOf = (measured: Measured) => [
  measured.what,
  measured.pageMs.toFixed(1),
  measured.countMs.toFixed(1),
  whole(measured.total),
  measured.isExact ? "exactly" : "estimated",
  holds(measured) ? "held" : "not held",
];

function judge(what: string, all: readonly Measured[]): void {
  const missed = all.filter((measured) => !holds(measured));
  const slowest = Math.max(...all.map(slowerOf));
  say(`\n${what}: ${all.length - missed.length} of ${all.length} within ${GOAL_MS} ms, the slowest ${whole(slowest)} ms: ${missed.length === 0 ? "held" : "not held"}`);
  if (missed.length > 0) process.exitCode = 1;
}
