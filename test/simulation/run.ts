// One run of one seed: trouble for a while, then all is mended, and everything must come to its end.

import { createMessageIds } from "../../src/flows/message-id.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { type Campaigns, createCampaigns } from "./campaigns.ts";
import type { SimulatedDatabase } from "./database.ts";
import { createTroubles, type Troubles } from "./faults.ts";
import { createNodes, type Nodes } from "./nodes.ts";
import { createOperators, type Operators } from "./operators.ts";
import { createServer, type Server } from "./pool.ts";
import { createPromises, type Promises } from "./promises.ts";
import { createQuiet } from "./quiet.ts";
import { createRestrictions, type Restrictions } from "./restrictions.ts";
import { type Db, drawScenario, populate, type Scenario, type Workspace } from "./scenario.ts";
import { createWire, type Wire } from "./wire.ts";
import { createWorld, type World } from "./world.ts";

export type Run = {
  readonly seed: number;
  /** Of all that happened: two runs of a seed have the same. */
  readonly hash: string;
  /** What was promised and not kept; null where all was. */
  readonly problem: string | null;
  readonly written: number;
  readonly events: number;
  readonly hours: number;
  readonly lastEvents: string[];
};

export type RunOptions = {
  /** Changes the statements: a deliberately broken variant. */
  readonly rewrite?: (text: string) => string;
};

/** The message ids' key, which each installation makes for itself. */
const KEY = Buffer.from("simulated keys ~");

/** In which a run must have come to its end. */
const LONGEST_MS = 90 * DAY_MS;
const MOST_EVENTS = 120_000;
/** Rows are looked at every so many events. */
const LOOK_EVERY = 500;

/** All that a run is made of. */
export type Stage = {
  readonly world: World;
  readonly server: Server;
  readonly wire: Wire;
  readonly nodes: Nodes;
  readonly workspaces: readonly Workspace[];
  readonly operators: Operators;
  readonly campaigns: Campaigns;
  readonly troubles: Troubles;
  readonly restrictions: Restrictions;
  readonly promises: Promises;
  readonly fail: (problem: string) => void;
  readonly problem: () => string | null;
};

export type StageOptions = RunOptions & {
  readonly database: SimulatedDatabase;
  readonly seed: number;
  readonly scenario: Scenario;
  readonly fill: (db: Db, world: World) => Promise<Workspace[]>;
};

export async function setStage({ database, seed, scenario, fill, rewrite }: StageOptions): Promise<Stage> {
  const world = createWorld({ seed, startAt: scenario.startAt, loopsMs: [SECOND_MS, 2 * SECOND_MS, MINUTE_MS, scenario.dispatchIntervalMs] });
  await database.reset(scenario.startAt, seed);
  const workspaces = await fill({ query: (text: string, values: unknown[]) => database.execute(world.now(), { text, values }) } as Db, world);
  const server = createServer(world, database, rewrite);
  const wire = createWire(world, scenario.faults.wire);
  let problem: string | null = null;
  const fail = (what: string) => {
    problem ??= what;
    world.trace.add(`PROBLEM ${what}`);
  };
  const wasDisturbed: Troubles["wasDisturbed"] = (process, withinMs) => troubles.wasDisturbed(process, withinMs);
  const nodes = createNodes({ world, server, wire, scenario, messageIds: createMessageIds(KEY), wasDisturbed, fail });
  const operator = server.connect(world.spawn("operator"));
  const operators = createOperators({ world, pool: operator, workspaces, ring: nodes.ring, minStepDelayHours: scenario.minStepDelayHours, fail });
  const troubles = createTroubles({ world, server, nodes, scenario });
  const restrictions = createRestrictions({ world, pool: operator, wire, workspaces, scenario });
  const campaigns = createCampaigns({ world, pool: operator, server, workspaces, scenario, perform: operators.perform, fail });
  const promises = createPromises({ world, server, wire, scenario, workspaces, deeds: operators.deeds, restrictions, campaigns, troubles, fail });
  for (let n = 0; n < scenario.nodes; n++) world.after(n * 300, null, "a start", () => nodes.start(`node${n}`));
  return { world, server, wire, nodes, workspaces, operators, campaigns, troubles, restrictions, promises, fail, problem: () => problem };
}

export async function runSeed(database: SimulatedDatabase, seed: number, options: RunOptions = {}): Promise<Run> {
  const scenario = drawScenario(seededRandom(`${seed} scenario`));
  const stage = await setStage({ ...options, database, seed, scenario, fill: (db, world) => populate(db, world.random("population")) });
  const { world, server, wire, nodes, operators, campaigns, troubles, restrictions, promises, fail, problem } = stage;
  schedule(stage, scenario);
  let isMended = false;
  world.after(scenario.troubleMs, null, "all is mended", () => {
    troubles.mend();
    wire.mend();
    restrictions.mend();
    void operators.mend().then(campaigns.mend).then(() => (isMended = true));
  });

  let lookedAt = -Infinity;
  const onStill = async () => {
    if (lookedAt < world.lastNews()) await promises.checkRows();
    lookedAt = world.now();
    await promises.checkIdle();
  };
  const quiet = createQuiet({ world, server, nodes, scenario, troubles, onStill });
  let events = 0;
  while (problem() === null) {
    if (!(await world.step())) fail("nothing is left to happen");
    events += 1;
    await promises.checkEvent();
    if (events % LOOK_EVERY === 0 && !server.isBusy()) await promises.checkRows();
    if ((await quiet()) && isMended) break;
    if (events > MOST_EVENTS || world.now() - scenario.startAt > LONGEST_MS) fail("P2: it does not come to an end");
  }
  if (problem() === null) await promises.checkEnd();
  const hours = (world.now() - scenario.startAt) / HOUR_MS;
  return { seed, hash: world.trace.hash(), problem: problem(), written: wire.written.length, events, hours, lastEvents: world.trace.last(300) };
}

/** What operators do, and when: most of it while the first messages go out. */
function schedule({ world, operators, campaigns, workspaces }: Stage, { troubleMs }: Scenario): void {
  const random = world.random("schedule");
  // Not awaited by the event that begins it: its statements are events of their own.
  const act = (ms: number, what: string, run: () => Promise<void>) => world.after(ms, null, what, () => void run());
  for (const workspace of workspaces) act(10_000 * random(), "triggers are set", () => operators.begin(workspace));
  campaigns.schedule();
  const count = Math.floor(14 * random());
  for (let n = 0; n < count; n++) act(troubleMs * random() ** 3, "an operator", operators.act);
}
