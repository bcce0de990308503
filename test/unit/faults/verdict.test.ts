// The verdict of the fault tests must be able to fall: each case doctors the evidence of a run that kept everything.

import { describe, expect, test } from "vitest";
import type { DeviceEvidence, Evidence, FlowEvidence } from "../../support/evidence.ts";
import { judge, RECOVERY_MS, silences, type Verdict } from "../../support/verdict.ts";

const START = Date.UTC(2030, 0, 1);
const STUCK_MS = 12_000;
const STEPS = 2;
const LEADS = 4;
const HOUR_MS = 3_600_000;

type Line = Evidence["lines"][number];

/** Four people, two steps each, a second apart, on two devices: the first has moved from one node to another half-way. */
function keptEvidence(): Evidence {
  const flows = Array.from({ length: LEADS * STEPS }, (_, index): FlowEvidence => {
    const [lead, step] = [index % LEADS, Math.floor(index / LEADS)];
    const attemptedAt = START + 1000 * index;
    return {
      id: `flow-${lead}-${step}`,
      workspace: "w",
      enrollmentId: `enrollment-${lead}`,
      stepId: `step-${step}`,
      phone: `6011000000${lead}`,
      status: "SENT",
      failureCode: null,
      text: `text ${step}`,
      deviceId: `device-${lead % 2}`,
      nodeId: step === 0 ? "node-a" : "node-b",
      queued: false,
      attemptedAt,
      settledAt: attemptedAt + 200,
      events: ["FLOW_ACTIVATED", "FLOW_SENT"],
    };
  });
  const device = { workspace: "w", hourlyLimit: 5, dailyLimit: 8, minDelayMs: 1000 };
  return {
    leads: LEADS,
    flows,
    enrollments: Array.from({ length: LEADS }, (_, lead) => ({ id: `enrollment-${lead}`, leadId: `lead-${lead}`, sequenceId: "sequence", status: "COMPLETED" })),
    steps: Array.from({ length: STEPS }, (_, step) => ({ id: `step-${step}`, sequenceId: "sequence", day: step + 1 })),
    devices: [{ ...device, id: "device-0" }, { ...device, id: "device-1" }],
    owners: ["device-0", "device-1"].flatMap((deviceId) => [
      { deviceId, nodeId: "node-a", at: START - 1 },
      { deviceId, nodeId: null, at: START + 3900 },
      { deviceId, nodeId: "node-b", at: START + 3950 },
    ]),
    counts: [{ sequenceId: "sequence", kept: [4, 0, 4, 0, 8, 0], counted: [4, 0, 4, 0, 8, 0] }],
    lines: flows.map((flow) => lineOf(flow)),
    startedAt: START - 1000,
    faults: [],
    isPlayed: true,
    stuckMs: STUCK_MS,
  };
}

const lineOf = (flow: FlowEvidence): Line => ({
  at: new Date(flow.attemptedAt ?? 0).toISOString(),
  wireFrom: (flow.attemptedAt ?? 0) + 9,
  wireAt: (flow.attemptedAt ?? 0) + 10,
  node: "node1",
  deviceId: flow.deviceId ?? "",
  phone: flow.phone,
  messageId: `message of ${flow.id}`,
  text: flow.text ?? "",
  flowId: flow.id,
});

const changeFlow = (evidence: Evidence, id: string, change: Partial<FlowEvidence>): Evidence => ({
  ...evidence,
  flows: evidence.flows.map((flow) => (flow.id === id ? { ...flow, ...change } : flow)),
});

const changeLine = (evidence: Evidence, flowId: string, { wireAt, ...change }: Partial<Line>): Evidence => ({
  ...evidence,
  lines: evidence.lines.map((line) => (line.flowId === flowId ? { ...line, ...change, ...(wireAt && { wireFrom: wireAt - 1, wireAt }) } : line)).toSorted((a, b) => a.wireAt - b.wireAt),
});

const changeDevices = (evidence: Evidence, change: Partial<DeviceEvidence>): Evidence => ({ ...evidence, devices: evidence.devices.map((device) => ({ ...device, ...change })) });

const withoutLine = (evidence: Evidence, flowId: string): Evidence => ({ ...evidence, lines: evidence.lines.filter((line) => line.flowId !== flowId) });

const unknown = (evidence: Evidence, id: string): Evidence =>
  changeFlow(evidence, id, { status: "FAILED", failureCode: "OUTCOME_UNKNOWN", events: ["FLOW_ACTIVATED", "FLOW_FAILED"] });

/** Everything from the second half on comes so much later: in the rows, on the wire and in the owners' list. */
const later = (evidence: Evidence, ms: number): Evidence => {
  const from = START + 3900;
  const shift = (at: number) => (at >= from ? at + ms : at);
  return {
    ...evidence,
    flows: evidence.flows.map((flow) => ({ ...flow, attemptedAt: shift(flow.attemptedAt ?? 0), settledAt: shift(flow.settledAt ?? 0) })),
    lines: evidence.lines.map((line) => ({ ...line, wireFrom: shift(line.wireFrom), wireAt: shift(line.wireAt) })),
    owners: evidence.owners.map((owner) => ({ ...owner, at: shift(owner.at) })),
  };
};

const promisesBroken = (evidence: Evidence) => Object.entries(judge(evidence)).filter(([, cases]) => cases.length > 0).map(([promise]) => promise);

type Doctored = readonly [what: string, doctor: (evidence: Evidence) => Evidence, promises: readonly (keyof Verdict)[]];

const DOCTORED: readonly Doctored[] = [
  ["a message is on the wire twice", (e) => ({ ...e, lines: [...e.lines, { ...lineOf(e.flows.at(-1) as FlowEvidence), wireAt: START + 20_000 }] }), ["duplicates"]],
  ["a step is sent again as another message", (e) => changeFlow(e, "flow-2-1", { stepId: "step-0" }), ["duplicates"]],
  ["a lead was never enrolled", (e) => ({ ...e, leads: LEADS + 1 }), ["lost"]],
  ["an enrolment is still active", (e) => ({ ...e, enrollments: e.enrollments.map((one, index) => (index === 0 ? { ...one, status: "ACTIVE" } : one)) }), ["lost"]],
  ["a flow is missing", (e) => withoutLine({ ...e, flows: e.flows.filter(({ id }) => id !== "flow-1-1") }, "flow-1-1"), ["lost"]],
  ["a flow is not settled", (e) => withoutLine(changeFlow(e, "flow-3-1", { status: "PROCESSING", settledAt: null, events: ["FLOW_ACTIVATED"] }), "flow-3-1"), ["lost", "events"]],
  ["an attempt was settled far too late", (e) => changeFlow(e, "flow-3-1", { settledAt: START + 7000 + STUCK_MS + RECOVERY_MS + 1 }), ["lost"]],
  ["the run came to a standstill", (e) => ({ ...e, isPlayed: false }), ["lost"]],
  ["what is sent was not on the wire", (e) => withoutLine(e, "flow-3-1"), ["untrue"]],
  ["another text was on the wire", (e) => changeLine(e, "flow-3-1", { text: "another" }), ["untrue"]],
  ["what was refused was on the wire", (e) => changeFlow(e, "flow-3-1", { status: "FAILED", failureCode: "REJECTED", events: ["FLOW_ACTIVATED", "FLOW_FAILED"] }), ["untrue"]],
  ["a message has no flow", (e) => ({ ...e, lines: [...e.lines, { ...lineOf(e.flows[0] as FlowEvidence), messageId: "stray", flowId: null, deviceId: "device-2" }] }), ["untrue"]],
  ["an outcome is unknown without a fault", (e) => unknown(e, "flow-3-1"), ["unexplained"]],
  ["a device is over its limit of the hour", (e) => changeDevices(e, { hourlyLimit: 3 }), ["overLimit"]],
  ["a device is over its limit of the day", (e) => changeDevices(later(e, HOUR_MS), { hourlyLimit: 2, dailyLimit: 3 }), ["overLimit", "silence"]],
  ["two messages of a device are too close", (e) => changeDevices(e, { minDelayMs: 2002 }), ["tooEarly"]],
  ["a step was attempted before the one before had ended", (e) => changeFlow(e, "flow-0-0", { settledAt: START + 4001 }), ["tooEarly"]],
  ["a step was on the wire before the one before", (e) => changeDevices(changeLine(e, "flow-0-0", { wireAt: START + 4012 }), { minDelayMs: 0 }), ["tooEarly", "twoOwners"]],
  ["a node wrote after the next had begun", (e) => changeDevices(changeLine(e, "flow-2-0", { wireAt: START + 4100 }), { minDelayMs: 0 }), ["twoOwners"]],
  ["a node attempted on a device that it did not have", (e) => changeFlow(e, "flow-2-1", { nodeId: "node-a" }), ["twoOwners"]],
  [
    "an attempt came after the node had lost the device, though nothing was written",
    (e) => withoutLine(changeFlow(e, "flow-3-1", { status: "FAILED", failureCode: "DEADLINE_MISSED", nodeId: "node-a", events: ["FLOW_ACTIVATED", "FLOW_FAILED"] }), "flow-3-1"),
    ["twoOwners"],
  ],
  ["a change has no event", (e) => changeFlow(e, "flow-2-1", { events: ["FLOW_ACTIVATED"] }), ["events"]],
  ["a change has two events", (e) => changeFlow(e, "flow-2-1", { events: ["FLOW_ACTIVATED", "FLOW_SENT", "FLOW_SENT"] }), ["events"]],
  ["a count is wrong", (e) => ({ ...e, counts: [{ sequenceId: "sequence", kept: [4, 0, 4, 0, 8, 0], counted: [4, 0, 4, 0, 7, 1] }] }), ["events"]],
  ["a workspace was not served for too long at the start", (e) => ({ ...e, startedAt: START - RECOVERY_MS }), ["silence"]],
  ["a workspace was not served for too long", (e) => later(e, RECOVERY_MS + 1), ["silence"]],
];

describe("the verdict", () => {
  test("finds nothing where everything was kept", () => {
    expect(promisesBroken(keptEvidence())).toEqual([]);
  });

  test.each(DOCTORED)("falls when %s", (_, doctor, promises) => {
    expect(promisesBroken(doctor(keptEvidence()))).toEqual(promises);
  });

  test("gives the benefit of the doubt to messages of which the witness does not know which was first", () => {
    const vague = (evidence: Evidence): Evidence => ({ ...evidence, lines: evidence.lines.map((line) => ({ ...line, wireFrom: line.wireFrom - 1000 })) });
    expect(promisesBroken(changeDevices(vague(keptEvidence()), { minDelayMs: 3001 }))).toEqual([]);
    expect(promisesBroken(vague(changeDevices(changeLine(keptEvidence(), "flow-2-0", { wireAt: START + 4100 }), { minDelayMs: 0 })))).toEqual([]);
  });

  test("forgives an unknown outcome of what was in flight at a fault, on the wire or not", () => {
    const fault = { what: "kill -9", at: START + 6500, inFlight: ["flow-3-1", "flow-2-1"] };
    expect(promisesBroken({ ...withoutLine(unknown(unknown(keptEvidence(), "flow-3-1"), "flow-2-1"), "flow-2-1"), faults: [fault] })).toEqual([]);
  });

  test("knows of an unknown outcome that was corrected", () => {
    expect(promisesBroken(changeFlow(keptEvidence(), "flow-2-1", { events: ["FLOW_ACTIVATED", "FLOW_FAILED", "FLOW_SENT"] }))).toEqual([]);
  });

  test("allows a limit's messages again an hour later, and not a moment sooner", () => {
    // Each device: two at 0 and 2 s, two an hour or less after them.
    expect(promisesBroken(changeDevices(later(keptEvidence(), HOUR_MS), { hourlyLimit: 2 }))).toEqual(["silence"]);
    expect(promisesBroken(changeDevices(later(keptEvidence(), HOUR_MS - 4001), { hourlyLimit: 2 }))).toEqual(["overLimit", "silence"]);
  });

  test("counts the time until a workspace is served again from the last fault", () => {
    const fault = (at: number) => ({ what: "kill -9", at, inFlight: [] });
    const evidence = later(keptEvidence(), 40_000);
    expect(silences(evidence)).toEqual([{ workspace: "w", ms: 41_000 }]);
    expect(silences({ ...evidence, faults: [fault(START + 5010), fault(START + 21_010), fault(START + 90_000)] })).toEqual([{ workspace: "w", ms: 23_000 }]);
  });
});
