// What a million waiting flows cost while they may not be sent: to pause and resume their sequence, and to the claims of the other sequences.
// npm run bench -- lanes [--flows 1000000] [--rounds 31]; docs/performance.md tells of the figures.

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type BenchPostgres, once, startBenchPostgres } from "./dispatch/postgres.ts";
import { startServer } from "./dispatch/rentak.ts";
import { addRows, addSequences } from "./dispatch/rentak-rows.ts";
import { table, whole } from "./dispatch/table.ts";
import { pauseAndResume, type Switched } from "./lanes/pause.ts";
import { createPool } from "../src/db/client.ts";
import { claimFlows, type Keepers } from "../src/dispatcher/claim.ts";
import { WHOLE } from "../src/dispatcher/slices.ts";
import { OperatorError } from "../src/lib/errors.ts";

const OPTIONS = { flows: { type: "string", default: "1000000" }, rounds: { type: "string", default: "31" } } as const;

/** What is open in all databases: half of it bound to devices, and half of those devices busy. */
const OPEN = { flows: 20_000, devices: 3000, sequences: 10, zones: 3, toEnrol: 0 };
const CLAIMED = 1500;

const GOAL_MS = 100;
const GOAL_PERCENT = 10;

type Crowd = { readonly what: string; readonly isBound: boolean; readonly hold: string };

const BIND = `
  UPDATE flows SET bound_device_id = (ARRAY(SELECT id FROM devices ORDER BY id))[1 + abs(hashtext(id::text)) % $1::int] WHERE hashtext(id::text) % 2 = 0`;
const CROWD_STEP = `
  INSERT INTO sequence_steps (sequence_id, day_number, trigger, is_entry_point, message_text)
  SELECT id, 1, 'crowd_1', true, 'Hi' FROM sequences WHERE name = 'crowd'`;
const CROWD_FLOWS = `
  INSERT INTO flows (workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, due_at, bound_device_id)
  SELECT s.workspace_id, l.id, uuid_v7(), uuid_v7(), s.id, st.id, now() - interval '1 hour' - n * interval '1 millisecond',
         CASE WHEN $2 THEN d.ids[1 + n % cardinality(d.ids)] END
    FROM sequences s JOIN lanes l ON l.sequence_id = s.id JOIN sequence_steps st ON st.sequence_id = s.id
   CROSS JOIN (SELECT array_agg(id) AS ids FROM devices) AS d CROSS JOIN generate_series(1, $1::int) AS n
   WHERE s.name = 'crowd'`;
const PAUSE = "UPDATE sequences SET is_active = false WHERE name = 'crowd'";
/** Its leads' zone is UTC: their window opens in six hours. */
const CLOSE = "UPDATE sequences SET schedule_time = (now() AT TIME ZONE 'UTC' + interval '6 hours')::time WHERE name = 'crowd'";
const CROWDS: Readonly<Record<string, Crowd>> = {
  paused: { what: "of a paused sequence, unbound", isBound: false, hold: PAUSE },
  paused_bound: { what: "of a paused sequence, bound to devices", isBound: true, hold: PAUSE },
  closed: { what: "of a closed window", isBound: false, hold: CLOSE },
};

const say = (line: string) => console.log(line);

/** The process ends with exit code 1 where a goal is missed. */
export async function benchLanes(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const [flows, rounds] = [Number(values.flows), Number(values.rounds)];
  if (!(flows >= 1) || !(rounds >= 1)) throw new OperatorError("--flows and --rounds are counts, of 1 at least");
  const postgres = await startBenchPostgres(say);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void postgres.stop()); // what runs fails, and clears up behind itself
  try {
    const alone = await prepare(postgres, "alone", async () => {});
    const crowded = new Map<string, string>();
    const switches: Switched[] = [];
    for (const [name, { isBound, hold }] of Object.entries(CROWDS)) {
      const url = await prepare(postgres, name, (url) => addCrowd(url, flows, isBound));
      if (name !== "closed") switches.push(...(await pauseAndResume(url, isBound ? "bound" : "unbound")));
      await once(url, hold);
      crowded.set(name, url);
    }
    say(switchTable(switches, flows));
    say(claimTable(await compareClaims(alone, crowded, rounds), flows));
  } finally {
    await postgres.stop();
  }
}

/** Returns the address of a database that holds what is open, and what `fill` adds. */
async function prepare(postgres: BenchPostgres, name: string, fill: (url: string) => Promise<void>): Promise<string> {
  let address = "";
  await postgres.template(`lanes_${name}`, async (url) => {
    address = url;
    const server = await startServer(url); // it makes the tables
    try {
      await addSequences(url, OPEN);
    } finally {
      await server.stop();
    }
    await addRows(url, OPEN);
    // Paused, so that a server that runs here sends nothing; what claims look at is whether they spill.
    await once(url, "UPDATE devices SET spills = false, paused_at = now()");
    await once(url, BIND, [OPEN.devices]);
    await fill(url);
  });
  return address;
}

/** Waiting flows of one more sequence, all of them due before those of the others. */
async function addCrowd(url: string, flows: number, isBound: boolean): Promise<void> {
  await once(url, "INSERT INTO sequences (name, trigger_delay_hours) VALUES ('crowd', 24)");
  await once(url, CROWD_STEP);
  await once(url, "UPDATE sequences SET is_active = true WHERE name = 'crowd'");
  await once(url, "SELECT lane_of(id, 'UTC') FROM sequences WHERE name = 'crowd'");
  await once(url, CROWD_FLOWS, [flows, isBound]);
}

type Claims = { readonly name: string; readonly wallMs: number[]; readonly cpuMs: number[] };

/** In turns, so that what else the machine does meets all of them alike. */
async function compareClaims(alone: string, crowded: ReadonlyMap<string, string>, rounds: number): Promise<Claims[]> {
  const claimers: { readonly claims: Claims; readonly claim: () => Promise<void>; readonly end: () => Promise<void> }[] = [];
  try {
    for (const [name, url] of [["alone", alone] as const, ...crowded]) claimers.push(await claimer(name, url));
    for (let round = 0; round < rounds; round++) for (const { claim } of claimers) await claim();
  } finally {
    for (const { end } of claimers) await end();
  }
  return claimers.map(({ claims }) => claims);
}

async function claimer(name: string, url: string) {
  const pool = createPool(url, { max: 1, idle: 1, lifetimeSeconds: 0, onError: () => {} });
  const about = "SELECT id AS workspace, pg_backend_pid() AS backend FROM workspaces";
  const [{ workspace, backend } = { workspace: "", backend: 0 }] = (await pool.query<{ workspace: string; backend: number }>(about)).rows;
  const ids = (await pool.query<{ id: string }>("SELECT id FROM devices ORDER BY id")).rows.map(({ id }) => id);
  const keepers: Keepers = { free: ids.filter((_, index) => index % 2 === 0), busy: ids.filter((_, index) => index % 2 === 1) };
  const claims: Claims = { name, wallMs: [], cpuMs: [] };
  const claim = async () => {
    const [from, cpuFrom] = [performance.now(), await cpuMsOf(backend)];
    const { flows } = await claimFlows(pool, [{ workspaceId: workspace, flows: CLAIMED, slice: WHOLE }], keepers, []);
    // Those of the crowd are due before the others, and have no lead.
    const open = flows.filter(({ lead }) => lead !== null).length;
    if (open !== CLAIMED) throw new Error(`${name}: ${open} of ${flows.length} claimed flows are open, instead of ${CLAIMED}`);
    claims.wallMs.push(performance.now() - from);
    claims.cpuMs.push((await cpuMsOf(backend)) - cpuFrom);
  };
  for (let warmUp = 0; warmUp < 6; warmUp++) await claim(); // Postgres plans a prepared statement anew the first five times
  claims.wallMs.length = claims.cpuMs.length = 0;
  return { claims, claim, end: () => pool.end() };
}

/** In nanoseconds in the kernel's books: /proc/<pid>/stat counts in hundredths of a second, which is a claim or two. */
const cpuMsOf = async (pid: number): Promise<number> => Number((await readFile(`/proc/${pid}/schedstat`, "utf8")).split(" ")[0]) / 1e6;

function switchTable(switches: readonly Switched[], flows: number): string {
  const rows = switches.map(({ what, ms, walBytes, rewritten }) => {
    const holds = ms <= GOAL_MS && rewritten === 0;
    if (!holds) process.exitCode = 1;
    return [what, `${ms.toFixed(1)} ms`, whole(walBytes), whole(rewritten), `≤ ${GOAL_MS} ms, 0`, holds ? "yes" : "NO"];
  });
  return table([`a sequence with ${whole(flows)} waiting flows`, "took", "WAL bytes", "flows rewritten", "goal", "holds"], rows);
}

function claimTable(all: readonly Claims[], flows: number): string {
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
  const alone = median(all.find(({ name }) => name === "alone")?.cpuMs ?? []);
  const rows = all.map(({ name, wallMs, cpuMs }) => {
    const percent = (median(cpuMs) / alone - 1) * 100;
    const holds = percent < GOAL_PERCENT;
    if (!holds) process.exitCode = 1;
    const crowd = CROWDS[name];
    const verdict = crowd ? [`${percent >= 0 ? "+" : ""}${percent.toFixed(1)} %`, `< ${GOAL_PERCENT} %`, holds ? "yes" : "NO"] : ["", "", ""];
    const what = crowd ? `and ${whole(flows)} ${crowd.what}` : `${whole(OPEN.flows)} flows that are open`;
    return [what, `${median(wallMs).toFixed(1)} ms`, `${median(cpuMs).toFixed(1)} ms`, ...verdict];
  });
  return table([`a claim of ${whole(CLAIMED)}, medians`, "took", "Postgres's CPU time", "to alone", "goal", "holds"], rows);
}
