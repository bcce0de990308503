// What every transport keeps to. The dispatcher knows nothing else of them.

import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SECOND_MS } from "../../src/lib/clock.ts";
import { createDeadline } from "../../src/lib/deadline.ts";
import { createSimulator } from "../../src/transports/simulator.ts";
import { ACKNOWLEDGEMENT_MS, type Outcome, type OutgoingMessage, type Receipt, SEND_DEADLINE_MS, type Session, type SessionDevice, type SessionStatus } from "../../src/transports/transport.ts";
import { createManualClock, type ManualClock } from "../support/clocks.ts";
import { eventually } from "../support/eventually.ts";
import { createPuppet } from "../support/puppet.ts";
import { readWitness } from "../support/witness.ts";

/** How a message shall fare. */
type Fate = "accepted" | "refused" | "unknown" | "unanswered";

type Rig = {
  readonly session: Session;
  readonly clock: ManualClock;
  readonly statuses: [SessionStatus, string | null][];
  readonly receipts: Receipt[];
  /** The message ids that reached the wire, by the transport's own account. */
  readonly wire: () => Promise<string[]>;
  readonly message: OutgoingMessage;
};

const messageOf = (n = 1): OutgoingMessage => ({ flowId: `0190f000-0000-7000-8000-${String(n).padStart(12, "0")}`, messageId: `3EB0${n}`, phone: "60123456789", text: `Hello ${n}` });

function openSimulator(fate: Fate): Rig {
  const clock = createManualClock();
  const logFile = join(tmpdir(), `rentak-contract-${crypto.randomUUID()}.log`);
  const latency = { accepted: 200, refused: 200, unknown: ACKNOWLEDGEMENT_MS + 5 * SECOND_MS, unanswered: 20 * SECOND_MS }[fate];
  const device: SessionDevice = { id: crypto.randomUUID(), simulatedLatencyMs: latency, simulatedFailureRate: fate === "refused" ? 1 : 0 };
  const rig = listen();
  const session = createSimulator({ clock, logFile }).open(() => device, rig.listener);
  return { ...rig, session, clock, wire: async () => (await readWitness(logFile)).map(({ messageId }) => messageId), message: messageOf() };
}

function openPuppet(fate: Fate): Rig {
  const clock = createManualClock();
  const puppet = createPuppet(clock);
  puppet.setFate(() => ({ accepted: "accept", refused: "refuse", unknown: "lose", unanswered: "hold" }) [fate] as "accept");
  const rig = listen();
  const session = puppet.open(() => ({ id: "device", simulatedLatencyMs: 0, simulatedFailureRate: 0 }), rig.listener);
  return { ...rig, session, clock, wire: async () => puppet.wire.map(({ messageId }) => messageId), message: messageOf() };
}

function listen() {
  const statuses: [SessionStatus, string | null][] = [];
  const receipts: Receipt[] = [];
  return { statuses, receipts, listener: { status: (status: SessionStatus, reason: string | null) => void statuses.push([status, reason]), receipt: (receipt: Receipt) => void receipts.push(receipt) } };
}

/** The outcome of a send, however much of the rig's time that takes. */
async function outcomeOf({ clock }: Rig, sending: Promise<Outcome>): Promise<Outcome> {
  let outcome: Outcome | undefined;
  void sending.then((ended) => (outcome = ended));
  return eventually(async () => (await clock.advance(SECOND_MS), outcome), "the send ends");
}
const send = (rig: Rig, deadline = createDeadline(rig.clock, SEND_DEADLINE_MS)) => rig.session.send(rig.message, deadline);
const isWritten = (rig: Rig) => eventually(async () => (await rig.wire()).length === 1, "it is written");

describe.each([
  ["simulator", openSimulator],
  ["puppet", openPuppet],
])("the %s", (_name, open) => {
  test("comes online by itself, and says so", async () => {
    const { statuses } = open("accepted");
    await eventually(() => statuses.some(([status]) => status === "ONLINE"), "it is online");
  });

  test("accepts a message that is on the wire", async () => {
    const rig = open("accepted");
    const outcome = await outcomeOf(rig, send(rig));
    expect(outcome).toEqual({ kind: "accepted", at: expect.any(Date) });
    expect(await rig.wire()).toEqual([rig.message.messageId]);
  });

  test("refuses without a byte of it on the wire, with a code and a reason", async () => {
    const rig = open("refused");
    expect(await outcomeOf(rig, send(rig))).toMatchObject({ kind: "refused", code: "REJECTED", message: expect.stringMatching(/\w+\.$/) });
    expect(await rig.wire()).toEqual([]);
  });

  test("knows nothing of a message that is on the wire and was not acknowledged", async () => {
    const rig = open("unknown");
    expect(await outcomeOf(rig, send(rig))).toMatchObject({ kind: "unknown" });
    expect(await rig.wire()).toHaveLength(1);
  });

  test.each([
    ["the monotonic clock", (rig: Rig) => rig.clock.advance(SEND_DEADLINE_MS)],
    ["the wall clock alone, as after a suspension", async (rig: Rig) => rig.clock.setWall(SEND_DEADLINE_MS)],
  ])("writes nothing once the deadline has passed, by %s", async (_clock, pass) => {
    const rig = open("accepted");
    const deadline = createDeadline(rig.clock, SEND_DEADLINE_MS);
    await pass(rig);
    expect(await outcomeOf(rig, send(rig, deadline))).toMatchObject({ kind: "refused", code: "DEADLINE_MISSED" });
    expect(await rig.wire()).toEqual([]);
  });

  test("ends what is being sent as unknown when it is closed, at once", async () => {
    const rig = open("unanswered");
    const sending = send(rig);
    await isWritten(rig);
    await rig.session.close();
    expect(await sending).toMatchObject({ kind: "unknown" });
    expect(rig.statuses.at(-1)?.[0]).toBe("OFFLINE");
  });

  test("writes nothing after it was closed, however often that is asked of it", async () => {
    const rig = open("accepted");
    await rig.session.close();
    await rig.session.close();
    expect(await outcomeOf(rig, send(rig))).toMatchObject({ kind: "refused", code: "DEVICE_DISCONNECTED" });
    expect(await rig.wire()).toEqual([]);
    expect(rig.statuses.filter(([status]) => status === "OFFLINE")).toHaveLength(1);
  });
});

describe("the simulator", () => {
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
    const device = { id: "device", simulatedLatencyMs: 0, simulatedFailureRate: 0.3 };
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
    const device = { id: "device", simulatedLatencyMs: 0, simulatedFailureRate: 0 };
    const session = createSimulator({ clock, logFile: "/nowhere/at/all.log" }).open(() => device, listen().listener);
    expect(await session.send(messageOf(), createDeadline(clock, SEND_DEADLINE_MS))).toMatchObject({ kind: "unknown", message: expect.stringContaining("log could not be written") });
  });

  test("follows what is changed in its settings from the next message on", async () => {
    const clock = createManualClock();
    let device = { id: "device", simulatedLatencyMs: 0, simulatedFailureRate: 0 };
    const session = createSimulator({ clock, logFile: undefined }).open(() => device, listen().listener);
    device = { ...device, simulatedFailureRate: 1 };
    expect(await session.send(messageOf(), createDeadline(clock, SEND_DEADLINE_MS))).toMatchObject({ kind: "refused" });
  });
});
