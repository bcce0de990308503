// What every transport keeps to. The dispatcher knows nothing else of them.

import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SECOND_MS } from "../../src/lib/clock.ts";
import { createDeadline } from "../../src/lib/deadline.ts";
import { createSimulator } from "../../src/transports/simulator.ts";
import { ACKNOWLEDGEMENT_MS, type Outcome, type Receipt, SEND_DEADLINE_MS, type SessionDevice, type SessionStatus } from "../../src/transports/transport.ts";
import { createManualClock, type ManualClock } from "../support/clocks.ts";
import { eventually } from "../support/eventually.ts";
import { createPuppet } from "../support/puppet.ts";
import { describeTransport, type Fate, isWritten, messageOf, type Rig, send } from "../support/transport-contract.ts";
import { readWitness } from "../support/witness.ts";

const anyDevice = (settings: Partial<SessionDevice>): SessionDevice => ({
  id: "device",
  workspaceId: "workspace",
  nodeId: "node",
  status: "OFFLINE",
  statusReason: null,
  restrictedUntil: null,
  pairingRequestedAt: null,
  pairingPhone: null,
  logoutRequestedAt: null,
  simulatedLatencyMs: 0,
  simulatedFailureRate: 0,
  ...settings,
});

function openSimulator(fate: Fate): Rig & { readonly clock: ManualClock } {
  const clock = createManualClock();
  const logFile = join(tmpdir(), `rentak-contract-${crypto.randomUUID()}.log`);
  const latency = { accepted: 200, refused: 200, unknown: ACKNOWLEDGEMENT_MS + 5 * SECOND_MS, unanswered: 20 * SECOND_MS }[fate];
  const device = anyDevice({ id: crypto.randomUUID(), simulatedLatencyMs: latency, simulatedFailureRate: fate === "refused" ? 1 : 0 });
  const rig = listen();
  const session = createSimulator({ clock, logFile }).open(() => device, rig.listener);
  return { ...rig, session, clock, wire: async () => (await readWitness(logFile)).map(({ messageId }) => messageId), message: messageOf() };
}

function openPuppet(fate: Fate): Rig {
  const clock = createManualClock();
  const puppet = createPuppet(clock);
  puppet.setFate(() => ({ accepted: "accept", refused: "refuse", unknown: "lose", unanswered: "hold" }) [fate] as "accept");
  const rig = listen();
  const session = puppet.open(() => anyDevice({}), rig.listener);
  return { ...rig, session, clock, wire: async () => puppet.wire.map(({ messageId }) => messageId), message: messageOf() };
}

function listen() {
  const statuses: [SessionStatus, string | null][] = [];
  const receipts: Receipt[] = [];
  return { statuses, receipts, listener: { status: (status: SessionStatus, reason: string | null) => void statuses.push([status, reason]), receipt: (receipt: Receipt) => void receipts.push(receipt), mayAnswer: () => true } };
}

describeTransport("the simulator", openSimulator);
describeTransport("the puppet", openPuppet);

describe("the simulator, as it is set", () => {
  test("logs a message before it answers", async () => {
    const rig = openSimulator("unanswered");
    let answered = false;
    const sending = send(rig).then(() => (answered = true));
    await isWritten(rig);
    expect(answered).toBe(false);
    await rig.clock.advance(20 * SECOND_MS);
    await sending;
  });

  test("answers after its latency, and not before", async () => {
    const rig = openSimulator("accepted");
    let outcome: Outcome | undefined;
    void send(rig).then((ended) => (outcome = ended));
    await eventually(() => rig.clock.pending() > 0, "it waits");
    await rig.clock.advance(199);
    expect(outcome).toBeUndefined();
    await rig.clock.advance(1);
    expect(outcome).toEqual({ kind: "accepted", at: new Date(rig.clock.now()) });
  });

  test("gives an acknowledgement that comes too late as a receipt of its message", async () => {
    const rig = openSimulator("unknown");
    const sending = send(rig);
    await eventually(() => rig.clock.pending() > 0, "it waits");
    await rig.clock.advance(ACKNOWLEDGEMENT_MS);
    expect(await sending).toMatchObject({ kind: "unknown" });
    expect(rig.receipts).toEqual([]);
    await rig.clock.advance(5 * SECOND_MS);
    expect(rig.receipts).toEqual([{ messageId: rig.message.messageId, kind: "accepted", at: new Date(rig.clock.now()) }]);
  });

  test("gives no receipt any more once it is closed", async () => {
    const rig = openSimulator("unknown");
    const sending = send(rig);
    await eventually(() => rig.clock.pending() > 0, "it waits");
    await rig.clock.advance(ACKNOWLEDGEMENT_MS);
    await sending;
    await rig.session.close();
    await rig.clock.advance(60 * SECOND_MS);
    expect(rig.receipts).toEqual([]);
  });

  test("refuses the share that is asked for, and the same ones each time", async () => {
    const clock = createManualClock();
    const device = anyDevice({ simulatedFailureRate: 0.3 });
    const session = createSimulator({ clock, logFile: undefined }).open(() => device, listen().listener);
    const run = async () => {
      const outcomes = Array.from({ length: 1000 }, (_, n) => session.send(messageOf(n), createDeadline(clock, SEND_DEADLINE_MS)));
      await clock.advance(1);
      return (await Promise.all(outcomes)).map(({ kind }) => kind);
    };
    const first = await run();
    expect(await run()).toEqual(first);
    expect(first.filter((kind) => kind === "refused").length).toBeGreaterThan(250);
    expect(first.filter((kind) => kind === "refused").length).toBeLessThan(350);
  });

  test("does not know whether a message is out whose line could not be written", async () => {
    const clock = createManualClock();
    const device = anyDevice({});
    const session = createSimulator({ clock, logFile: "/nowhere/at/all.log" }).open(() => device, listen().listener);
    expect(await session.send(messageOf(), createDeadline(clock, SEND_DEADLINE_MS))).toMatchObject({ kind: "unknown", message: expect.stringContaining("log could not be written") });
  });

  test("follows what is changed in its settings from the next message on", async () => {
    const clock = createManualClock();
    let device = anyDevice({});
    const session = createSimulator({ clock, logFile: undefined }).open(() => device, listen().listener);
    device = { ...device, simulatedFailureRate: 1 };
    expect(await session.send(messageOf(), createDeadline(clock, SEND_DEADLINE_MS))).toMatchObject({ kind: "refused" });
  });
});
