// What every transport has to keep, whatever it carries messages by.

import { afterEach, describe, expect, test } from "vitest";
import { type Clock, SECOND_MS } from "../../src/lib/clock.ts";
import { createDeadline } from "../../src/lib/deadline.ts";
import { type Outcome, type OutgoingMessage, type Receipt, SEND_DEADLINE_MS, type Session, type SessionStatus } from "../../src/transports/transport.ts";
import { eventually } from "./eventually.ts";

/** What becomes of a message: refused before the other side has it, on the wire and not acknowledged within the time for that, or not at all. */
export type Fate = "accepted" | "refused" | "unknown" | "unanswered";

/** A session whose messages have one fate, and a clock that the test moves. */
export type Rig = {
  readonly session: Session;
  readonly clock: Clock & { advance(ms: number): Promise<void>; setWall(byMs: number): void };
  readonly statuses: readonly (readonly [SessionStatus, string | null])[];
  readonly receipts: readonly Receipt[];
  /** The message ids that reached the wire, by the transport's own account. */
  readonly wire: () => Promise<string[]>;
  readonly message: OutgoingMessage;
  readonly stop?: () => Promise<void>;
};

export const messageOf = (n = 1): OutgoingMessage => ({ flowId: `0190f000-0000-7000-8000-${String(n).padStart(12, "0")}`, messageId: `3EB0${n}`, phone: "60123456789", text: `Hello ${n}`, media: null });

/** The outcome of a send, however much of the rig's time that takes. */
export async function outcomeOf({ clock }: Rig, sending: Promise<Outcome>): Promise<Outcome> {
  let outcome: Outcome | undefined;
  void sending.then((ended) => (outcome = ended));
  return eventually(async () => (await clock.advance(SECOND_MS), outcome), "the send ends");
}
export const send = (rig: Rig, deadline = createDeadline(rig.clock, SEND_DEADLINE_MS)) => rig.session.send(rig.message, deadline);
export const isWritten = (rig: Rig) => eventually(async () => (await rig.wire()).length === 1, "it is written");

export function describeTransport(name: string, open: (fate: Fate) => Promise<Rig> | Rig): void {
  let opened: Rig | undefined;

  const begin = async (fate: Fate): Promise<Rig> => {
    opened = await open(fate);
    return opened;
  };

  afterEach(async () => {
    await opened?.stop?.();
    opened = undefined;
  });

  describe.each([name])("%s", () => {
    test("comes online by itself, and says so", async () => {
      const rig = await begin("accepted");
      await eventually(() => rig.statuses.some(([status]) => status === "ONLINE"), "it is online");
    });

    test("accepts a message that is on the wire", async () => {
      const rig = await begin("accepted");
      const outcome = await outcomeOf(rig, send(rig));
      expect(outcome).toEqual({ kind: "accepted", at: expect.any(Date) });
      expect(await rig.wire()).toEqual([rig.message.messageId]);
    });

    test("refuses without a byte of it on the wire, with a code and a reason", async () => {
      const rig = await begin("refused");
      expect(await outcomeOf(rig, send(rig))).toMatchObject({ kind: "refused", code: "REJECTED", message: expect.stringMatching(/\w+\.$/) });
      expect(await rig.wire()).toEqual([]);
    });

    test("knows nothing of a message that is on the wire and was not acknowledged", async () => {
      const rig = await begin("unknown");
      expect(await outcomeOf(rig, send(rig))).toMatchObject({ kind: "unknown" });
      expect(await rig.wire()).toHaveLength(1);
    });

    test.each([
      ["the monotonic clock", (rig: Rig) => rig.clock.advance(SEND_DEADLINE_MS)],
      ["the wall clock alone, as after a suspension", async (rig: Rig) => rig.clock.setWall(SEND_DEADLINE_MS)],
    ])("writes nothing once the deadline has passed, by %s", async (_clock, pass) => {
      const rig = await begin("accepted");
      const deadline = createDeadline(rig.clock, SEND_DEADLINE_MS);
      await pass(rig);
      expect(await outcomeOf(rig, send(rig, deadline))).toMatchObject({ kind: "refused", code: "DEADLINE_MISSED" });
      expect(await rig.wire()).toEqual([]);
    });

    test("ends what is being sent as unknown when it is closed, at once", async () => {
      const rig = await begin("unanswered");
      const sending = send(rig);
      await isWritten(rig);
      await rig.session.close();
      expect(await sending).toMatchObject({ kind: "unknown" });
      expect(rig.statuses.at(-1)?.[0]).toBe("OFFLINE");
    });

    test("writes nothing after it was closed, however often that is asked of it", async () => {
      const rig = await begin("accepted");
      await rig.session.close();
      await rig.session.close();
      expect(await outcomeOf(rig, send(rig))).toMatchObject({ kind: "refused", code: "DEVICE_DISCONNECTED" });
      expect(await rig.wire()).toEqual([]);
      expect(rig.statuses.filter(([status]) => status === "OFFLINE")).toHaveLength(1);
    });
  });
}
