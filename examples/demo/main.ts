// `npm run demo`: a thousand leads, four sequences and twenty simulated devices, from nothing to the last message, while you look on.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Listr } from "listr2";
import { type Client, createApiClient } from "./client.ts";
import { createDevices, createSequences, isUnderWay, type Progress, readProgress, setTriggers, type Totals, UserErrorsError, watchSequence } from "./run.ts";
import { DEMO_ENTRIES, DEMO_SEQUENCES } from "./sequences.ts";
import { type DemoServer, findServer, startServer } from "./server.ts";
import { readWitness } from "./witness.ts";

const LEADS_FILE = join(import.meta.dirname, "../leads.csv");

/** A running server is used where it allows the demo's short delays; else the demo starts one of its own, beside it. */
async function chooseServer(): Promise<{ server: DemoServer; client: Client }> {
  const running = await findServer(process.env);
  if (running) {
    const client = createApiClient(running.url, running.token);
    try {
      await createSequences(client);
      console.log(`Using the server that runs at ${running.url}.`);
      return { server: running, client };
    } catch (error) {
      if (!(error instanceof UserErrorsError)) throw error;
      console.log(`The server that runs at ${running.url} asks for longer delays between steps than a demo has time for (RENTAK_MIN_STEP_DELAY_HOURS).`);
    }
  }
  const dataDir = join(process.env["RENTAK_DATA_DIR"] ?? ".rentak", "demo");
  console.log(`Starting a server of the demo's own, with its data in ${dataDir}.`);
  const server = await startServer(process.env, dataDir);
  return { server, client: createApiClient(server.url, server.token) };
}

const titleOf = (name: string, { enrolled, finished, sent, failed }: Totals) => `${name}: ${finished} of ${enrolled} leads through, ${sent} sent, ${failed} failed`;

async function run(server: DemoServer, client: Client): Promise<void> {
  const startedAt = Date.now();
  const results = new Map<string, Totals>();
  let leads: ReadonlyMap<string, number> = new Map();
  let events = 0;
  await createSequences(client);
  const present = await readProgress(client);
  const goesOn = isUnderWay(present);
  if (goesOn) console.log("Leads of an earlier run are still on their way: going on with them.");
  // Who goes on is told of all there ever was; a new run, of what it adds.
  const before: Progress = goesOn ? new Map() : present;
  const stopEvents = client.onFlowEvent(() => (events += 1));
  try {
    const tasks = new Listr(
      [
        {
          title: "Simulated devices",
          task: async (_, task) => createDevices(client, (count) => (task.title = `Simulated devices: ${count}`)),
        },
        {
          title: "Leads",
          enabled: !goesOn,
          task: async (_, task) => {
            const imported = await client.importCsv(new Uint8Array(await readFile(LEADS_FILE)), "leads.csv");
            leads = await setTriggers(client, imported);
            const begun = DEMO_ENTRIES.reduce((sum, { sequences: [first] }) => sum + (leads.get(first) ?? 0), 0);
            task.title = `Leads: ${begun} imported, and their triggers set`;
          },
        },
        {
          title: "Sequences",
          task: (_, task) =>
            task.newListr(
              DEMO_ENTRIES.flatMap((entry) => entry.sequences).map((name) => ({
                title: name,
                task: async (_context, inner) => {
                  const totals = await watchSequence(client, name, leads.get(name) ?? 0, before, (now) => (inner.title = titleOf(name, now)));
                  results.set(name, totals);
                },
              })),
              { concurrent: true },
            ),
        },
      ],
      { rendererOptions: { collapseSubtasks: false }, fallbackRenderer: "verbose", fallbackRendererCondition: () => !process.stdout.isTTY },
    );
    await tasks.run();
  } finally {
    await stopEvents();
  }
  await printTotals(server, [...results.values()], events, Date.now() - startedAt, startedAt);
}

async function printTotals(server: DemoServer, results: readonly Totals[], events: number, ms: number, startedAt: number): Promise<void> {
  const sum = (count: (totals: Totals) => number) => results.reduce((total, totals) => total + count(totals), 0);
  console.log(`\nAll through after ${(ms / 1000).toFixed(1)} s, over ${DEMO_SEQUENCES.length} sequences:`);
  console.log(`  enrolments  ${sum((totals) => totals.enrolled)}`);
  console.log(`  flows       ${sum((totals) => totals.expected)}`);
  console.log(`  sent        ${sum((totals) => totals.sent)}`);
  console.log(`  failed      ${sum((totals) => totals.failed)}`);
  console.log(`  unsettled   ${sum((totals) => totals.expected - totals.sent - totals.failed)}`);
  console.log(`  live events ${events}`);
  if (server.simulatorLog === undefined) return;
  const { messages, duplicates } = await readWitness(server.simulatorLog, startedAt);
  console.log(`The simulator's log, ${server.simulatorLog}, has ${messages} messages, ${duplicates} of them twice.`);
}

const { server, client } = await chooseServer();
process.once("SIGINT", () => {
  console.log("\nStopped. `npm run demo` goes on from here.");
  void server.stop().then(() => process.exit(130));
});
try {
  await run(server, client);
} finally {
  await server.stop();
}
