// Which promises a run has broken, from its evidence alone: the rows, and what was on the wire by the witness's own account.

import type { DeviceEvidence, Evidence, FlowEvidence } from "./evidence.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** From a fault until all are served again; and so long may an unsettled attempt outlive its time, when its node has died. */
export const RECOVERY_MS = 30_000;

/** What was broken, each time in words that lead to it. All empty: everything was kept. */
export type Verdict = {
  /** A message, or a step of somebody's enrolment, more than once. */
  readonly duplicates: string[];
  /** Leads and flows that came to no end, and steps that were left out. */
  readonly lost: string[];
  /** Rows that say other than the wire does. */
  readonly untrue: string[];
  /** Outcomes that are unknown though no fault explains it. */
  readonly unexplained: string[];
  readonly overLimit: string[];
  /** Messages of a device, or steps of a person, closer together than is allowed, or in the wrong order. */
  readonly tooEarly: string[];
  /** A device that two nodes had at a time. */
  readonly twoOwners: string[];
  /** Changes without their event, events without a change, and counts that are not so. */
  readonly events: string[];
  /** Workspaces that were not served again in time. */
  readonly silence: string[];
};

type Line = Evidence["lines"][number];

export function judge(evidence: Evidence): Verdict {
  return {
    duplicates: duplicates(evidence),
    lost: lost(evidence),
    untrue: untrue(evidence),
    unexplained: unexplained(evidence),
    overLimit: overLimit(evidence),
    tooEarly: [...tooClose(evidence), ...outOfOrder(evidence)],
    twoOwners: twoOwners(evidence),
    events: [...eventsAmiss(evidence), ...countsAmiss(evidence)],
    silence: silences(evidence).filter(({ ms }) => ms > RECOVERY_MS).map(({ workspace, ms }) => `${workspace}: ${Math.round(ms)} ms without a message`),
  };
}

function duplicates({ flows, lines }: Evidence): string[] {
  const flowOf = new Map(flows.map((flow) => [flow.id, flow]));
  const stepOf = (flow: FlowEvidence | undefined) => flow && `step ${flow.stepId} of enrolment ${flow.enrollmentId}`;
  return [
    ...repeated(lines.map(({ messageId }) => messageId)).map((id) => `message ${id} on the wire`),
    ...repeated(lines.flatMap(({ flowId }) => stepOf(flowOf.get(flowId ?? "")) ?? [])).map((step) => `${step} on the wire`),
    ...repeated(flows.map((flow) => stepOf(flow) ?? "")).map((step) => `${step} in the rows`),
  ];
}

function lost({ leads, flows, enrollments, steps, stuckMs, isPlayed }: Evidence): string[] {
  const enrolled = new Set(enrollments.map(({ leadId }) => leadId)).size;
  const flowsOf = Map.groupBy(flows, ({ enrollmentId }) => enrollmentId);
  const stepsOf = Map.groupBy(steps, ({ sequenceId }) => sequenceId);
  return [
    ...(isPlayed ? [] : ["it came to a standstill before all faults had been"]),
    ...(enrolled === leads ? [] : [`${leads - enrolled} leads were never enrolled`]),
    ...enrollments.filter(({ status }) => status !== "COMPLETED").map(({ id, status }) => `enrolment ${id} is ${status}`),
    ...enrollments.flatMap(({ id, sequenceId }) => {
      const [has, wants] = [flowsOf.get(id)?.length ?? 0, stepsOf.get(sequenceId)?.length ?? 0];
      return has === wants ? [] : [`enrolment ${id} has ${has} flows for ${wants} steps`];
    }),
    ...flows.filter(({ settledAt, queued }) => settledAt === null || queued).map(({ id, status }) => `flow ${id} is ${status}`),
    ...flows.flatMap(({ id, attemptedAt, settledAt }) => {
      const ms = (settledAt ?? 0) - (attemptedAt ?? settledAt ?? 0);
      return ms > stuckMs + RECOVERY_MS ? [`flow ${id} was settled ${Math.round(ms)} ms after its attempt`] : [];
    }),
  ];
}

function untrue({ flows, lines }: Evidence): string[] {
  const lineOf = new Map(lines.map((line) => [line.flowId, line]));
  const known = new Set(flows.map(({ id }) => id));
  return [
    ...lines.filter(({ flowId }) => flowId === null || !known.has(flowId)).map(({ messageId }) => `message ${messageId} has no flow`),
    ...flows.flatMap((flow) => {
      const line = lineOf.get(flow.id);
      if (flow.status === "SENT") return isSame(flow, line) ? [] : [`flow ${flow.id} is SENT; on the wire: ${line === undefined ? "nothing" : "another message"}`];
      if (flow.failureCode === "OUTCOME_UNKNOWN") return line === undefined || isSame(flow, line) ? [] : [`flow ${flow.id} is unknown; on the wire: another message`];
      return line === undefined ? [] : [`flow ${flow.id} is ${flow.status} ${flow.failureCode}, and was on the wire`];
    }),
  ];
}

const isSame = (flow: FlowEvidence, line: Line | undefined) => line?.phone === flow.phone && line.text === flow.text && line.deviceId === flow.deviceId;

function unexplained({ flows, faults }: Evidence): string[] {
  const inFlight = new Set(faults.flatMap((fault) => fault.inFlight));
  return flows.filter(({ id, failureCode }) => failureCode === "OUTCOME_UNKNOWN" && !inFlight.has(id)).map(({ id }) => `flow ${id} was in no fault's way`);
}

function overLimit({ devices, lines }: Evidence): string[] {
  const linesOf = byDevice(lines);
  return devices.flatMap(({ id, hourlyLimit, dailyLimit }) => {
    const times = (linesOf.get(id) ?? []).map(({ wireAt }) => wireAt);
    return [
      { most: mostInAnyWindow(times, HOUR_MS), limit: hourlyLimit, window: "an hour" },
      { most: mostInAnyWindow(times, DAY_MS), limit: dailyLimit, window: "a day" },
    ].flatMap(({ most, limit, window }) => (most > limit ? [`device ${id}: ${most} within ${window}, of ${limit}`] : []));
  });
}

/** The most of `times` (in order) that lie in any window of this length. */
function mostInAnyWindow(times: readonly number[], windowMs: number): number {
  let first = 0;
  return times.reduce((most, time, index) => {
    while ((times[first] ?? time) <= time - windowMs) first += 1;
    return Math.max(most, index - first + 1);
  }, 0);
}

/** Surely so: the first as early and the second as late as can be. */
function tooClose({ devices, lines }: Evidence): string[] {
  const linesOf = byDevice(lines);
  const closest = ({ id }: DeviceEvidence) =>
    (linesOf.get(id) ?? []).reduce((least, line, index, all) => Math.min(least, line.wireAt - (all[index - 1]?.wireFrom ?? -Infinity)), Infinity);
  return devices.flatMap((device) => {
    const ms = closest(device);
    return ms < device.minDelayMs ? [`device ${device.id}: ${Math.round(ms)} ms between two messages, of ${device.minDelayMs}`] : [];
  });
}

function outOfOrder({ flows, steps, lines }: Evidence): string[] {
  const dayOf = new Map(steps.map(({ id, day }) => [id, day]));
  const lineOf = new Map(lines.map((line) => [line.flowId, line]));
  return [...Map.groupBy(flows, ({ enrollmentId }) => enrollmentId).values()].flatMap((own) => {
    const inOrder = own.toSorted((a, b) => (dayOf.get(a.stepId) ?? 0) - (dayOf.get(b.stepId) ?? 0));
    return inOrder.flatMap((flow, index) => {
      const before = inOrder[index - 1];
      if (before === undefined) return [];
      const isAttempted = flow.attemptedAt !== null && (before.settledAt === null || flow.attemptedAt < before.settledAt);
      const isOnWire = (lineOf.get(flow.id)?.wireAt ?? Infinity) <= (lineOf.get(before.id)?.wireFrom ?? -Infinity);
      return isAttempted || isOnWire ? [`flow ${flow.id} came before ${before.id} had ended`] : [];
    });
  });
}

/** Each attempt, on the wire or not, belongs to a tenure of its device, and to the node whose tenure it is. Once a tenure's first message is out, none
 *  of an earlier one may follow. */
function twoOwners({ flows, lines, owners }: Evidence): string[] {
  const ownersOf = Map.groupBy(owners, ({ deviceId }) => deviceId);
  const tenureOf = (flow: FlowEvidence | undefined) => ownersOf.get(flow?.deviceId ?? "")?.findLastIndex(({ at }) => at <= (flow?.attemptedAt ?? 0)) ?? -1;
  const isOwner = (flow: FlowEvidence) => ownersOf.get(flow.deviceId ?? "")?.[tenureOf(flow)]?.nodeId === flow.nodeId;
  const flowOf = new Map(flows.map((flow) => [flow.id, flow]));
  const late = [...byDevice(lines).values()].flatMap((own) => {
    const tenures = own.map((line) => ({ line, tenure: tenureOf(flowOf.get(line.flowId ?? "")) }));
    // From the last tenure to the first: when the earliest message of any later one was surely out.
    let nextBeganAt = Infinity;
    return [...Map.groupBy(tenures, ({ tenure }) => tenure)].toSorted(([a], [b]) => b - a).flatMap(([, group]) => {
      const after = group.filter(({ line }) => line.wireFrom >= nextBeganAt);
      nextBeganAt = Math.min(nextBeganAt, ...group.map(({ line }) => line.wireAt));
      return after.map(({ line }) => `flow ${line.flowId} went out on ${line.deviceId} after the next owner had begun`);
    });
  });
  const unowned = flows.filter((flow) => flow.attemptedAt !== null && !isOwner(flow));
  return [...unowned.map((flow) => `flow ${flow.id} was attempted on ${flow.deviceId} by a node that did not have it`), ...late];
}

/** It was made, and it ended as it did; what was unknown may have been corrected. */
const HISTORIES: Record<string, readonly string[]> = {
  SENT: ["FLOW_ACTIVATED,FLOW_SENT", "FLOW_ACTIVATED,FLOW_FAILED,FLOW_SENT"],
  FAILED: ["FLOW_ACTIVATED,FLOW_FAILED"],
};

const eventsAmiss = ({ flows }: Evidence): string[] =>
  flows.filter(({ status, events }) => !HISTORIES[status]?.includes(events.join(","))).map(({ id, status, events }) => `flow ${id} is ${status}; its events: ${events.join(", ")}`);

const countsAmiss = ({ counts }: Evidence): string[] =>
  counts.filter(({ kept, counted }) => kept.join() !== counted.join()).map(({ sequenceId, kept, counted }) => `sequence ${sequenceId} counts ${kept.join(" ")}; there are ${counted.join(" ")}`);

/** The longest time without a message of each workspace, from when the work was there to its last one. A fault in it begins the time anew:
 *  recovery counts from the last one. */
export function silences({ flows, lines, faults, startedAt }: Pick<Evidence, "flows" | "lines" | "faults" | "startedAt">): { readonly workspace: string; readonly ms: number }[] {
  const workspaceOf = new Map(flows.map((flow) => [flow.id, flow.workspace]));
  const workspaces = Map.groupBy(lines, ({ flowId }) => workspaceOf.get(flowId ?? "") ?? "none");
  return [...workspaces].map(([workspace, own]) => {
    const waits = own.map(({ wireAt }, index) => {
      const from = own[index - 1]?.wireAt ?? startedAt;
      return wireAt - Math.max(from, ...faults.map(({ at }) => at).filter((at) => at < wireAt));
    });
    return { workspace, ms: Math.max(0, ...waits) };
  });
}

const byDevice = (lines: readonly Line[]) => Map.groupBy(lines, ({ deviceId }) => deviceId);

function repeated(values: readonly string[]): string[] {
  const seen = new Set<string>();
  return [...new Set(values.filter((value) => seen.has(value) || !seen.add(value)))];
}
