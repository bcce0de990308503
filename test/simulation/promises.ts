// What is promised, asserted of every message in the moment that it is written, and of the rows ever so often. The names are those of ARCHITECTURE.md.

import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { ACKNOWLEDGEMENT_MS, SEND_DEADLINE_MS } from "../../src/transports/transport.ts";
import type { Campaigns } from "./campaigns.ts";
import type { Troubles } from "./faults.ts";
import type { Deeds } from "./operators.ts";
import type { Server } from "./pool.ts";
import type { Restrictions } from "./restrictions.ts";
import type { Scenario, Workspace } from "./scenario.ts";
import type { OpenSession, Wire } from "./wire.ts";
import { createMessageCheck } from "./written.ts";
import type { Process, World } from "./world.ts";

type FlowRow = {
  id: string;
  enrollment_id: string | null;
  step_id: string | null;
  retry_of: string | null;
  status: string;
  queued: boolean;
  attempt_id: string | null;
  device_id: string | null;
  failure_code: string | null;
  attempted_at: Date | null;
  settled_at: Date | null;
};

const FLOWS = `SELECT f.id, f.enrollment_id, f.step_id, to_jsonb(f)->>'retry_of' AS retry_of, f.status, f.queued, f.attempt_id, f.device_id, f.failure_code, f.attempted_at, f.settled_at
                 FROM flows f ORDER BY f.enrollment_id, f.id`;

export interface Promises {
  /** Looks at what the last event has done. */
  checkEvent(): Promise<void>;
  /** Looks at all rows. */
  checkRows(): Promise<void>;
  /** Looks at everything, when all has come to its end. */
  checkEnd(): Promise<void>;
  /** Nothing is left lying that could be sent. Asked when no node has found anything to do. */
  checkIdle(): Promise<void>;
}

export type PromisesOptions = {
  readonly world: World;
  readonly server: Server;
  readonly wire: Wire;
  readonly scenario: Scenario;
  readonly workspaces: readonly Workspace[];
  readonly deeds: Deeds;
  readonly restrictions: Restrictions;
  readonly campaigns: Campaigns;
  readonly troubles: Troubles;
  readonly fail: (problem: string) => void;
};

export function createPromises(options: PromisesOptions): Promises {
  const { server, wire, fail } = options;
  const seen = new Map<string, FlowRow>();
  let hasAttempted = false;
  const { after } = server;
  server.after = (process, statement, result) => {
    hasAttempted ||= statement.name?.endsWith("attempt") ?? false;
    after(process, statement, result);
  };
  watchWire(options);

  const checkRows = async () => {
    const rows = await server.look<FlowRow>(FLOWS);
    for (const row of rows) {
      const before = seen.get(row.id);
      if (before) checkChange(before, row, fail);
      seen.set(row.id, row);
    }
    if (rows.length < seen.size) fail("P2: a flow is gone");
    checkOrder(rows, fail);
    checkUnsettled(rows, options);
  };

  return {
    async checkEvent() {
      if (!hasAttempted) return;
      hasAttempted = false;
      const [stray] = await server.look<{ id: string }>(WITHOUT_LEASE);
      if (stray) fail(`P7: flow ${stray.id} was attempted by a node that is not the device's owner`);
    },
    checkRows,
    checkIdle: () => checkIdle(options),
    async checkEnd() {
      await checkRows();
      for (const row of await server.look<FlowRow>(FLOWS)) checkOutcome(row, wire, fail);
      await checkEnrollments(options);
      await checkCounts(options);
      await options.campaigns.checkEnd();
    },
  };
}

/** In the very moment of the attempt: afterwards its node may die. */
const WITHOUT_LEASE = `
  SELECT f.id FROM device_attempts t JOIN flows f ON f.id = t.flow_id JOIN devices d ON d.id = f.device_id
   WHERE abs(extract(epoch FROM t.at - now())) <= 0.001 AND NOT EXISTS (SELECT FROM nodes n WHERE n.id = f.node_id AND n.id = d.node_id)`;

function watchWire({ wire, troubles, fail, ...options }: PromisesOptions): void {
  const checkMessage = createMessageCheck({ ...options, fail });

  const checkOpen = (session: OpenSession) => {
    const others = (wire.sessions.get(session.deviceId) ?? []).filter((other) => other !== session && other.isOpen && other.process.state() === "running");
    // Who cannot reach Postgres has let go by itself; who was suspended does so as soon as it runs.
    const other = others.find(({ process }) => !troubles.wasSuspended(process, 4 * SECOND_MS));
    if (other) fail(`P7: ${session.process.name} opened a session of ${session.deviceId}, of which ${other.process.name} has one`);
  };

  wire.onWrite = (message) => {
    checkMessage(message);
    troubles.atWrite(message.process);
  };
  wire.onOpen = checkOpen;
}

/** P1, as the rows tell it: one attempt, one end. */
function checkChange(before: FlowRow, row: FlowRow, fail: (problem: string) => void): void {
  if (before.attempt_id !== null && row.attempt_id !== before.attempt_id) fail(`P1: flow ${row.id} has another attempt than before`);
  if (before.attempted_at !== null && row.queued) fail(`P1: flow ${row.id} is back in the queue after its attempt`);
  if (before.settled_at === null) return;
  if (row.settled_at?.getTime() !== before.settled_at.getTime()) fail(`P1: flow ${row.id} was settled twice`);
  const isCorrected = before.failure_code === "OUTCOME_UNKNOWN" && row.status === "SENT";
  if (row.status !== before.status && !isCorrected) fail(`P3: flow ${row.id} was ${before.status} and is ${row.status}`);
}

/** P1 and P6: each step of an enrolment once, and none before the one before it was settled. Rows come by enrolment, in order of their making. */
function checkOrder(rows: readonly FlowRow[], fail: (problem: string) => void): void {
  const steps = new Set<string>();
  for (const [index, row] of rows.entries()) {
    if (row.retry_of !== null || row.enrollment_id === null) continue; // a campaign's has none before it
    const step = `${row.enrollment_id} ${row.step_id}`;
    if (steps.has(step)) fail(`P1: enrolment ${row.enrollment_id} has step ${row.step_id} twice`);
    steps.add(step);
    const last = rows[index - 1];
    if (last?.enrollment_id !== row.enrollment_id || last.retry_of !== null) continue;
    if (last.settled_at === null) fail(`P6: flow ${row.id} was made before ${last.id} had ended`);
    else if (row.attempted_at !== null && row.attempted_at < last.settled_at) fail(`P6: flow ${row.id} was attempted before ${last.id} had ended`);
  }
}

/** P2: an attempt ends within five minutes and a cycle, where somebody is there to see to it. */
function checkUnsettled(rows: readonly FlowRow[], { world, scenario, troubles, fail }: PromisesOptions): void {
  const mostMs = 5 * MINUTE_MS + 2 * scenario.dispatchIntervalMs + 30 * SECOND_MS;
  if (world.now() - troubles.lastAt() < mostMs) return;
  const overdue = rows.find((row) => row.attempted_at !== null && row.settled_at === null && world.now() - row.attempted_at.getTime() > mostMs);
  if (overdue) fail(`P2: flow ${overdue.id} was attempted at ${overdue.attempted_at?.toISOString()} and has not ended`);
}

const SENDABLE = `
  SELECT f.id, d.id AS device_id
    FROM flows f JOIN lanes a ON a.id = f.lane_id LEFT JOIN enrollments e ON e.id = f.enrollment_id
    JOIN devices d ON d.workspace_id = f.workspace_id AND d.paused_at IS NULL AND d.id = ANY ($2::uuid[])
    JOIN workspaces w ON w.id = f.workspace_id AND w.hourly_ceiling IS NULL AND w.cap_messages IS NULL
   WHERE f.queued AND a.open_from < now() - make_interval(secs => $1) AND a.open_until > now() + interval '15 seconds' AND (f.bound_device_id IS NULL OR f.bound_device_id = d.id) AND a.paused_at IS NULL AND (e.status = 'ACTIVE' OR f.campaign_id IS NOT NULL) AND f.due_at + a.pause_offset < now() - make_interval(secs => $1)
     AND (d.id <> ALL ($4::uuid[])                                                                   -- restricted: those who have written to it
          OR f.bound_device_id = d.id AND f.retry_of IS NULL AND EXISTS (SELECT FROM leads l WHERE l.id = f.lead_id AND l.replied_device_id = d.id))
     AND NOT EXISTS (SELECT FROM flows WHERE attempted_at IS NOT NULL AND settled_at IS NULL)        -- which the others may stand in line for
     AND NOT EXISTS (SELECT FROM device_attempts WHERE at > now() - make_interval(secs => $3))       -- and for those that a receipt has settled before their acknowledgement
     AND NOT EXISTS (SELECT FROM device_attempts t WHERE t.device_id = d.id AND t.at > now() - interval '1 minute')
     AND (SELECT count(*) FROM device_attempts t WHERE t.device_id = d.id AND t.at > now() - interval '1:00:10' - make_interval(secs => $1)) < d.hourly_limit
     AND (SELECT count(*) FROM device_attempts t WHERE t.device_id = d.id AND t.at > now() - interval '24:00:10' - make_interval(secs => $1)) < d.daily_limit
   LIMIT 1`;

/** Where there are few places: until one whose acknowledgement never comes has given its own back. */
const LINE_SECONDS = (SEND_DEADLINE_MS + ACKNOWLEDGEMENT_MS) / SECOND_MS;

async function checkIdle({ world, server, wire, scenario, troubles, deeds, restrictions, fail }: PromisesOptions): Promise<void> {
  const sessions = [...wire.sessions.values()].flatMap((all) => all.at(-1) ?? []);
  // An attempt of which no answer came counts for the limits, though Postgres may know nothing of it.
  const isUntouched = (process: Process) => process.state() === "running" && !troubles.wasDisturbed(process, DAY_MS + HOUR_MS);
  const lately = restrictions.lately();
  const ready = sessions.filter(({ deviceId, onlineSince, process }) => world.now() - onlineSince > MINUTE_MS && isUntouched(process) && !lately.includes(deviceId));
  // A device whose pause has ended just now is given nothing before the next cycle.
  if (ready.length === 0 || world.now() - Math.max(troubles.lastAt(), deeds.unpausedAt) < MINUTE_MS) return;
  const patienceSeconds = (2 * scenario.dispatchIntervalMs) / SECOND_MS + 5;
  const [left] = await server.look<{ id: string; device_id: string }>(SENDABLE, [patienceSeconds, ready.map(({ deviceId }) => deviceId), scenario.sendConcurrency < 100 ? LINE_SECONDS : 0, restrictions.now()]);
  if (left) fail(`P2: flow ${left.id} is due, device ${left.device_id} could send it, and nobody does anything`);
}

/** P3: sent is what the witness has, refused what it has not; what was heard of late is no longer unknown. */
function checkOutcome(row: FlowRow, wire: Wire, fail: (problem: string) => void): void {
  const isWritten = wire.written.some(({ flowId }) => flowId === row.id);
  if (row.settled_at === null) fail(`P2: flow ${row.id} has not ended`);
  if (row.status === "SENT" && !isWritten) fail(`P3: flow ${row.id} is SENT, and was never written`);
  if (row.status !== "SENT" && row.failure_code !== "OUTCOME_UNKNOWN" && isWritten) fail(`P3: flow ${row.id} is ${row.status} ${row.failure_code}, and was written`);
  const heard = wire.heardLate.get(row.id);
  if (heard?.process.state() === "running" && row.status !== "SENT") fail(`P3: flow ${row.id} was heard of late, and is ${row.status} ${row.failure_code}`);
}

const LEFT = `
  SELECT (SELECT count(*) FROM enrollments WHERE status IN ('ACTIVE', 'PAUSED'))::int AS open,
         (SELECT count(*) FROM enrollment_queue)::int AS words,
         (SELECT count(*) FROM leads l JOIN sequence_steps st ON st.workspace_id = l.workspace_id AND st.is_entry_point AND st.trigger = ANY (trigger_words(l.trigger))
           JOIN sequences s ON s.id = st.sequence_id AND s.is_active AND s.is_sound WHERE l.opted_out_at IS NULL)::int AS carriers`;

/** P2 and P11: every enrolment ends; nobody is enrolled more often than was asked for, or not at all. */
async function checkEnrollments({ server, deeds, workspaces, fail }: PromisesOptions): Promise<void> {
  const [left] = await server.look<{ open: number; words: number; carriers: number }>(LEFT);
  if (left?.open !== 0) fail(`P2: ${left?.open} enrolments have not ended`);
  if (left?.words !== 0) fail(`P11: ${left?.words} words are still in the queue`);
  if (left?.carriers !== 0) fail(`P11: ${left?.carriers} leads carry an entry trigger, and are not enrolled`);
  const counted = await server.look<{ lead_id: string; trigger: string; enrolments: number }>(
    "SELECT lead_id, trigger, count(*)::int AS enrolments FROM enrollments GROUP BY lead_id, trigger",
  );
  const led = new Set(workspaces.flatMap((workspace) => workspace.sequences.slice(1).map((sequence) => sequence.steps[0]?.trigger)));
  for (const { lead_id, trigger, enrolments } of counted) {
    const asked = deeds.triggered.get(`${lead_id} ${trigger}`) ?? 0;
    if (!led.has(trigger) && enrolments > asked) fail(`P11: lead ${lead_id} was enrolled ${enrolments} times by '${trigger}', which it was given ${asked} times`);
  }
}

const COUNTS = `
  SELECT t.sequence_id FROM sequence_totals t
   WHERE (t.enrolled, t.active, t.completed, t.stopped, t.sent, t.failed) IS DISTINCT FROM
         ((SELECT count(*) FROM enrollments e WHERE e.sequence_id = t.sequence_id), 0::bigint,
          (SELECT count(*) FROM enrollments e WHERE e.sequence_id = t.sequence_id AND e.status = 'COMPLETED'),
          (SELECT count(*) FROM enrollments e WHERE e.sequence_id = t.sequence_id AND e.status = 'STOPPED'),
          (SELECT count(*) FROM flows f WHERE f.sequence_id = t.sequence_id AND f.status = 'SENT'),
          (SELECT count(*) FROM flows f WHERE f.sequence_id = t.sequence_id AND f.status = 'FAILED'))`;

/** What was added up in the course of it is what counting gives, and each flow has an event for its making and one for its end. */
async function checkCounts({ server, fail }: PromisesOptions): Promise<void> {
  for (const { sequence_id } of await server.look<{ sequence_id: string }>(COUNTS)) fail(`the counts of sequence ${sequence_id} are wrong`);
  const untold = await server.look<{ id: string }>(
    `SELECT f.id FROM flows f LEFT JOIN events e ON e.flow_id = f.id GROUP BY f.id
     HAVING count(*) FILTER (WHERE e.type = 'FLOW_ACTIVATED') <> 1 OR count(*) FILTER (WHERE e.type = 'FLOW_' || f.status) <> 1`,
  );
  if (untold[0]) fail(`P10: the events of flow ${untold[0].id} are not one for each change`);
}
