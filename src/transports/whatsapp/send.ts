// One message on an open connection: is the number on WhatsApp, encrypt, write, and what WhatsApp says to it.

import type { Clock, Timer } from "../../lib/clock.ts";
import type { Deadline } from "../../lib/deadline.ts";
import type { proto } from "baileys";
import { type Outcome, type OutgoingMessage, SEND_DEADLINE_MS, type Session } from "../transport.ts";
import type { Acknowledgements } from "./acknowledgements.ts";
import type { Connection } from "./connection.ts";

/** A connection, and what is on the wire there. */
export type Line = { readonly connection: Connection; readonly acknowledgements: Acknowledgements };

export type SendOptions = {
  readonly clock: Clock;
  /** The one that is there now. */
  readonly line: () => Line | null;
  /** Whether a number is on WhatsApp. */
  readonly isPresent: (phone: string, connection: Connection) => Promise<boolean>;
  /** A message could not be got ready, and why. */
  readonly onProblem: (error: unknown) => void;
};

export const CUT = "The connection ended before the message was acknowledged.";

const DISCONNECTED: Outcome = { kind: "refused", code: "DEVICE_DISCONNECTED", message: "The device was disconnected before the message could be written." };
const MISSED: Outcome = { kind: "refused", code: "DEADLINE_MISSED", message: "It could not be written within the send deadline." };
const ABSENT: Outcome = { kind: "refused", code: "NOT_ON_WHATSAPP", message: "The number is not on WhatsApp." };
const NO_KEYS: Outcome = { kind: "refused", code: "REJECTED", message: "It could not be encrypted for this person: there were no keys for it, from WhatsApp or from the database." };

export function createSend({ clock, line, isPresent, onProblem }: SendOptions): Session["send"] {
  /** What has not been written by the deadline never will be: it need not be waited for. */
  const untilDeadline = async <T>(work: Promise<T>): Promise<T | undefined> => {
    let timer: Timer | undefined;
    const late = new Promise<undefined>((resolve) => (timer = clock.setTimeout(() => resolve(undefined), SEND_DEADLINE_MS)));
    try {
      return await Promise.race([work, late]);
    } finally {
      timer?.cancel();
    }
  };

  const whyNot = (connection: Connection, deadline: Deadline, error: unknown): Outcome => {
    if (deadline.hasPassed()) return MISSED;
    if (!connection.isOpen()) return DISCONNECTED;
    onProblem(error);
    return NO_KEYS;
  };

  /** Null where nothing keeps it from being written to. */
  const hindrance = async (phone: string, connection: Connection, deadline: Deadline): Promise<Outcome | null> => {
    try {
      const present = await untilDeadline(isPresent(phone, connection));
      if (present === undefined) return whyNot(connection, deadline, new Error("WhatsApp did not answer in time"));
      return present ? null : ABSENT;
    } catch (error) {
      return whyNot(connection, deadline, error);
    }
  };

  return async (message: OutgoingMessage, deadline: Deadline): Promise<Outcome> => {
    const on = line();
    if (!on?.connection.isOpen()) return DISCONNECTED;
    const { connection, acknowledgements } = on;
    const hindered = await hindrance(message.phone, connection, deadline);
    if (hindered) return hindered;
    const { outcome, forget } = acknowledgements.expect(message.messageId);
    const uploaded: proto.IMessage | null = message.media?.content ?? null;
    const write = connection.write({ ...message, uploaded }, deadline);
    let failure: unknown;
    await untilDeadline(write.done.catch((error: unknown) => (failure = error)));
    if (!write.isWritten()) {
      forget();
      return whyNot(connection, deadline, failure);
    }
    // What fails after the write, such as the storing of a key, changes nothing: the bytes have left.
    if (line() !== on) return Promise.race([outcome, Promise.resolve<Outcome>({ kind: "unknown", message: CUT })]);
    acknowledgements.written(message.messageId);
    return outcome;
  };
}
