// What people's phones say of a message: that it has come, that it was read, or that it could not be read and is to be sent again.

import { type Address, jidLike } from "./addresses.ts";
import type { Accounts } from "./accounts.ts";
import type { Behaviours } from "./behaviour.ts";
import { bundleElements } from "./key-queries.ts";
import type { People } from "./people.ts";
import { NOT_TRIED, type Reading } from "./reading.ts";
import type { Session, Sessions } from "./sessions.ts";
import { bigEndian, type BinaryNode, element, seconds } from "./stanza.ts";
import type { Timers } from "./timers.ts";
import type { ReceiptType, Witness } from "./witness.ts";

export type Received = { readonly messageId: string; readonly to: Address };

export interface Receipts {
  /** The server has taken a message: what the person's phone does with it. */
  follow(session: Session, message: Received, readings: readonly Reading[]): void;
  /** How often this message was asked for again. */
  asked(account: string, messageId: string): number;
  /** By hand, for a message that was received before. */
  send(account: string, messageId: string, type: "delivered" | "read"): void;
}

type Options = {
  readonly accounts: Accounts;
  readonly people: People;
  readonly sessions: Sessions;
  readonly behaviours: Behaviours;
  readonly timers: Timers;
  readonly witness: Witness;
  /** A person has received a message and answers what it always answers. */
  readonly answered: (account: string, phone: string) => void;
};

/** Of so many messages it is known to whom they went. */
const REMEMBERED = 100_000;

export function createReceipts({ accounts, people, sessions, behaviours, timers, witness, answered }: Options): Receipts {
  const received = new Map<string, { readonly session: Session; readonly message: Received; asked: number }>();
  const keyOf = (account: string, messageId: string) => `${account}:${messageId}`;

  const send = ({ companion, account }: Session, { messageId, to }: Received, type: ReceiptType, device = 0, content?: BinaryNode[]) => {
    const word = type === "delivered" ? undefined : type;
    witness.record({ kind: "receipt", account, messageId, phone: to.phone, type });
    // To whoever has linked the account since, where the device that sent it is gone.
    if (accounts.companion(account, companion.device) !== companion) return;
    sessions.deliver(companion, element("receipt", { from: jidLike(to, device), id: messageId, type: word, t: seconds() }, content));
  };

  const askAgain = (session: Session, message: Received, count: number, { copy }: Reading) => {
    const { device: number } = copy.address;
    const device = people.find(message.to.phone)?.devices.get(number);
    if (!device) return;
    const registration = element("registration", {}, bigEndian(device.registrationId, 4));
    // As WhatsApp's own clients do it: the keys for a new conversation come with the second request.
    const keys = count > 1 ? [element("keys", {}, bundleElements(device.bundle()).filter(({ tag }) => tag !== "registration"))] : [];
    send(session, message, "retry", number, [element("retry", { count, id: message.messageId, t: seconds(), v: 1 }), registration, ...keys]);
  };

  return {
    follow(session, message, readings) {
      const { asksAgain, deliverAfterMs, readAfterMs, reply } = behaviours.of(session.account);
      const key = keyOf(session.account, message.messageId);
      const before = received.get(key)?.asked ?? 0;
      const unread = readings.filter(({ undecrypted }) => (undecrypted !== null && undecrypted !== NOT_TRIED) || before < asksAgain);
      received.set(key, { session, message, asked: unread.length > 0 ? before + 1 : before });
      if (received.size > REMEMBERED) received.delete(received.keys().next().value ?? "");
      for (const reading of unread) askAgain(session, message, before + 1, reading);
      if (unread.length > 0) return;
      if (deliverAfterMs !== null) timers.after(deliverAfterMs, () => send(session, message, "delivered"));
      if (readAfterMs !== null) timers.after(readAfterMs, () => send(session, message, "read"));
      if (reply) timers.after(reply.afterMs, () => answered(session.account, message.to.phone));
    },
    asked: (account, messageId) => received.get(keyOf(account, messageId))?.asked ?? 0,
    send(account, messageId, type) {
      const known = received.get(keyOf(account, messageId));
      if (!known) throw new Error("no such message was received");
      send(known.session, known.message, type);
    },
  };
}
