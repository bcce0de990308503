// A transport that does what a test says, and remembers what reached the wire.

import type { Clock } from "../../src/lib/clock.ts";
import type { Deadline } from "../../src/lib/deadline.ts";
import type { Outcome, OutgoingMedia, OutgoingMessage, Preparation, Session, SessionDevice, SessionListener, Transport } from "../../src/transports/transport.ts";

export type Written = { readonly at: number; readonly deviceId: string; readonly phone: string; readonly messageId: string; readonly flowId: string; readonly text: string; readonly media: OutgoingMedia | null };

/** What becomes of a message: "accept", "refuse" before a byte leaves, "lose" (written, and never heard of), or "hold" until `answer`. */
export type Fate = "accept" | "refuse" | "lose" | "hold";

export interface Puppet extends Transport {
  /** What was written, in order: the witness. */
  readonly wire: Written[];
  /** What is held, to be answered. */
  readonly held: { readonly message: OutgoingMessage; readonly deviceId: string; answer(outcome: Outcome): void }[];
  /** Sessions that are open, by device. */
  readonly sessions: ReadonlyMap<string, SessionListener>;
  /** How many sessions were ever opened. */
  opened(): number;
  /** What becomes of media that are to be got ready. */
  setPreparation(prepare: (media: OutgoingMedia, deviceId: string) => Promise<Preparation>): void;
  setFate(fate: (message: OutgoingMessage, deviceId: string) => Fate): void;
}

const CLOSED: Outcome = { kind: "refused", code: "DEVICE_DISCONNECTED", message: "The device was disconnected before the message could be written." };
const CUT: Outcome = { kind: "unknown", message: "The device was disconnected before the message was acknowledged." };
const LATE: Outcome = { kind: "refused", code: "DEADLINE_MISSED", message: "It could not be written within the send deadline." };

export function createPuppet(clock: Clock): Puppet {
  const wire: Written[] = [];
  const held: Puppet["held"][number][] = [];
  const sessions = new Map<string, SessionListener>();
  let opened = 0;
  let preparationOf = async (media: OutgoingMedia, _deviceId: string): Promise<Preparation> => ({ kind: "ready", media: { media, content: null } });
  let fateOf: (message: OutgoingMessage, deviceId: string) => Fate = () => "accept";

  const open = (device: () => SessionDevice, listener: SessionListener): Session => {
    const { id: deviceId } = device();
    const ends = new Set<() => void>();
    let closed = false;
    opened += 1;
    sessions.set(deviceId, listener);
    listener.status("ONLINE", null);

    const send = async (message: OutgoingMessage, deadline: Deadline): Promise<Outcome> => {
      if (closed) return CLOSED;
      if (deadline.hasPassed()) return LATE;
      const fate = fateOf(message, deviceId);
      if (fate === "refuse") return { kind: "refused", code: "REJECTED", message: "The puppet refused it." };
      wire.push({ at: clock.now(), deviceId, phone: message.phone, messageId: message.messageId, flowId: message.flowId, text: message.text, media: message.media?.media ?? null });
      if (fate === "accept") return { kind: "accepted", at: new Date(clock.now()) };
      if (fate === "lose") return { kind: "unknown", message: "The puppet lost it." };
      return new Promise<Outcome>((resolve) => {
        const end = () => resolve(CUT);
        ends.add(end);
        held.push({ message, deviceId, answer: (outcome) => (ends.delete(end), resolve(outcome)) });
      });
    };

    return {
      prepare: (media) => preparationOf(media, deviceId),
      send,
      refresh() {},
      async close() {
        if (closed) return;
        closed = true;
        for (const end of ends) end();
        sessions.delete(deviceId);
        listener.status("OFFLINE", "The server has disconnected it.");
      },
    };
  };

  return { wire, held, sessions, opened: () => opened, setPreparation: (prepare) => (preparationOf = prepare), setFate: (fate) => (fateOf = fate), open };
}
