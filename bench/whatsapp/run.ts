// One size: database, fake server and Rentak's own, all phases, and what the fake server's log says of them.

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchPostgres, connect } from "../dispatch/postgres.ts";
import { type Server, startServer } from "../dispatch/rentak.ts";
import { whole } from "../dispatch/table.ts";
import { type BenchFake, startFake } from "./fake.ts";
import { look, type Spent, type Subject } from "./meter.ts";
import { connecting, type Cut, cutting, idling, type Sending, sending } from "./phases.ts";
import { addRows, addSequence } from "./rows.ts";
import { compareWithRows, loginsSince, readTestimony } from "./witness.ts";

export type Plan = {
  readonly devices: number;
  readonly leads: number;
  readonly idleSeconds: number;
  readonly newSeconds: number;
  readonly knownSeconds: number;
  /** Where a V8 profile of Rentak's process goes. */
  readonly profileDir: string | undefined;
};

export type Run = {
  readonly connecting: Spent;
  readonly idle: Spent;
  readonly toNew: Sending;
  readonly toKnown: Sending;
  readonly cut: Cut;
  readonly logins: { readonly first: ReturnType<typeof loginsSince>; readonly afterCut: ReturnType<typeof loginsSince> };
  readonly compared: { readonly sent: number; readonly failed: string };
};

/** Enough messages for each person that nobody runs out of them. */
const STEPS = 100;

/** As a new installation has them, but for the cycle: without a pause between messages, a device is through with what it was given long before the next one
 *  that comes ten seconds later. */
const SETTINGS = { RENTAK_DISPATCH_INTERVAL_MS: "2500", RENTAK_CLAIM_BATCH: "", RENTAK_SEND_CONCURRENCY: "", RENTAK_MAX_DEVICES: "", RENTAK_MIN_STEP_DELAY_HOURS: "0" };

const PRELOADS = ["--import", import.meta.resolve("../fleet/event-loop.ts"), "--import", import.meta.resolve("./own-people.ts")];

type Say = (line: string) => void;

/** Throws BrokenPromise where the fake server's log and the rows do not agree. */
export async function run(postgres: BenchPostgres, plan: Plan, say: Say): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), "rentak-whatsapp-"));
  const [log, eventLoopFile] = [join(folder, "witness"), join(folder, "event-loop")];
  const fake = await startFake(log);
  const environment = { ...SETTINGS, RENTAK_ENCRYPTION_KEY: randomBytes(32).toString("base64"), WHATSAPP_URL: fake.url, WHATSAPP_ROOT_KEY: fake.rootKey, BENCH_EVENT_LOOP_FILE: eventLoopFile };
  Object.assign(process.env, environment);
  try {
    const template = await prepare(postgres, plan, fake);
    return await postgres.withCopy(template, async (url) => {
      const phases = await allPhases(postgres, { url, plan, fake, eventLoopFile, say });
      await fake.stop();
      const testimony = await readTestimony(log);
      const compared = await compareWithRows(url, testimony);
      say(`${whole(plan.devices)} devices: ${whole(compared.sent)} flows sent, one message each`);
      return { ...phases, compared, logins: { first: loginsSince({ ...testimony, logins: testimony.logins.slice(0, plan.devices) }, 0), afterCut: loginsSince(testimony, phases.cut.mendedAt) } };
    });
  } finally {
    await fake.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function prepare(postgres: BenchPostgres, { devices, leads }: Plan, fake: BenchFake): Promise<string> {
  const [name, load] = [`whatsapp_${devices}`, { devices, leads, steps: STEPS }];
  await postgres.template(name, async (url) => {
    const server = await startServer(url); // it makes the tables
    try {
      await addSequence(url, load);
    } finally {
      await server.stop();
    }
    await addRows(url, load, fake);
  });
  return name;
}

type Stage = { readonly url: string; readonly plan: Plan; readonly fake: BenchFake; readonly eventLoopFile: string; readonly say: Say };

async function allPhases(postgres: BenchPostgres, { url, plan, fake, eventLoopFile, say }: Stage): Promise<Omit<Run, "compared" | "logins">> {
  const { devices, profileDir } = plan;
  const client = await connect(url);
  const profile = profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profileDir];
  let server: Server | undefined;
  try {
    // Of a server that is not there yet: all that it uses from its start on goes into connecting.
    const before = await look({ pid: 0, postmaster: postgres.postmaster, fakePid: fake.pid, client, eventLoopFile });
    server = await startServer(url, [...PRELOADS, ...profile]);
    const subject: Subject = { pid: server.pid, postmaster: postgres.postmaster, fakePid: fake.pid, client, eventLoopFile };
    const told = <T extends Spent>(what: string, figures: T): T => {
      say(`  ${what}: ${describe(figures)}`);
      return figures;
    };
    return {
      connecting: told("all online", await connecting(subject, devices, before)),
      idle: told("idle", await idling(subject, plan.idleSeconds)),
      toNew: told("to new contacts", await sending(subject, "new", plan.newSeconds)),
      toKnown: withMemory(told("to known contacts", await sending(subject, "known", plan.knownSeconds)), say),
      cut: told("all back after a cut", await cutting(subject, devices, fake)),
    };
  } finally {
    await client.end();
    await server?.stop();
  }
}

/** Tells what was held at the end of each minute. */
function withMemory(sent: Sending, say: Say): Sending {
  const from = sent.looks[0]?.at ?? 0;
  const minutes = Map.groupBy(sent.looks, ({ at }) => Math.floor((at - from) / 60_000));
  say(`    memory, minute by minute: ${Array.from(minutes.values(), (looks) => whole(looks.at(-1)?.rssMb ?? NaN)).join(", ")} MB`);
  return sent;
}

const describe = ({ seconds, messages, serverMs, postgresMs, fakeMs, rssMb, lagP99Ms, lagLongestMs, othersPercent }: Spent): string =>
  `${seconds.toFixed(1)} s, ${messages > 0 ? `${whole(messages / seconds)} messages/s, ` : ""}CPU of a core: server ${whole(serverMs / seconds / 10)} %, Postgres ${whole(postgresMs / seconds / 10)} %, ` +
  `fake server ${whole(fakeMs / seconds / 10)} %${messages > 0 ? `; a message ${(serverMs / messages).toFixed(2)} + ${(postgresMs / messages).toFixed(2)} ms` : ""}; ` +
  `${whole(rssMb)} MB; lag p99 ${lagP99Ms.toFixed(1)} ms, longest ${whole(lagLongestMs)} ms; others had ${whole(othersPercent)} % of the machine`;
