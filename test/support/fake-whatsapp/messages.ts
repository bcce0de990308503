// A device has sent a message: who it is for, what the person reads, and what server and person say to it.

import { addressOf, lidJid } from "./addresses.ts";
import type { Behaviour, Behaviours } from "./behaviour.ts";
import type { Accounts } from "./accounts.ts";
import type { MediaServer } from "./media.ts";
import type { People } from "./people.ts";
import { type Copy, copiesFor, read, type Reading } from "./reading.ts";
import type { Receipts } from "./receipts.ts";
import type { Session, Sessions } from "./sessions.ts";
import { type BinaryNode, element, seconds } from "./stanza.ts";
import type { Timers } from "./timers.ts";
import type { Message, Witness } from "./witness.ts";

export type MessageOptions = {
  readonly accounts: Accounts;
  readonly people: People;
  readonly behaviours: Behaviours;
  readonly sessions: Sessions;
  readonly receipts: Receipts;
  readonly timers: Timers;
  readonly witness: Witness;
  readonly media: MediaServer;
  /** False: what is sent stays encrypted. */
  readonly decrypts: boolean;
};

const NOT_FOUND = 404;
const RESTRICTED = 463;

export async function receiveMessage(session: Session, node: BinaryNode, options: MessageOptions): Promise<void> {
  const { accounts, people, behaviours, witness } = options;
  const to = addressOf(node.attrs["to"]);
  const messageId = node.attrs["id"] ?? "";
  // To the account's own phone: requests and copies between its devices.
  if (!to || to.phone === session.account) return acknowledge(session, node, to?.phone ?? "", null, options);
  const behaviour = behaviours.of(session.account);
  const person = people.find(to.phone);
  const copies = copiesFor(node, to);
  const companions = accounts.find(to.phone)?.companions;
  const own = copies.filter(({ address }) => !companions?.has(address.device));
  const readings = person ? await Promise.all(own.map((copy) => read(session.companion, person, copy, options))) : [];
  const isKnown = accounts.find(session.account)?.correspondents.has(to.phone) ?? false;
  const error = person ? errorOf(behaviour, isKnown) : NOT_FOUND;
  const retries = options.receipts.asked(session.account, messageId);
  witness.record(sight(session, { messageId, phone: to.phone, retries, error }, copies[0], readings));
  acknowledge(session, node, to.phone, error, options);
  if (error !== null) return;
  options.receipts.follow(session, { messageId, to }, readings);
  for (const copy of copies) {
    const companion = companions?.get(copy.address.device);
    if (companion) options.sessions.deliver(companion, passedOn(session, messageId, copy));
  }
}

/** To a device that is linked here too. */
function passedOn({ account, companion, device }: Session, messageId: string, { type, bytes }: Copy): BinaryNode {
  const names = { from: device, sender_lid: lidJid(account, companion.device), id: messageId };
  return element("message", { ...names, type: "text", t: seconds() }, [element("enc", { v: 2, type }, bytes)]);
}

function errorOf({ ack, isRestricted }: Behaviour, isKnown: boolean): number | null {
  if (isRestricted && !isKnown) return RESTRICTED;
  return typeof ack === "object" ? ack.refuse : null;
}

function acknowledge({ connection, account }: Session, node: BinaryNode, phone: string, error: number | null, { behaviours, timers, witness }: MessageOptions): void {
  const { ack, ackAfterMs } = behaviours.of(account);
  if (ack === "drop") return;
  const say = () => {
    const messageId = node.attrs["id"] ?? "";
    const isSaid = connection.send(element("ack", { class: "message", id: messageId, from: node.attrs["to"], t: seconds(), error: error ?? undefined }));
    if (isSaid) witness.record({ kind: "ack", connection: connection.id, account, messageId, phone, error });
  };
  if (ackAfterMs === 0) say();
  else timers.after(ackAfterMs, say);
}

type Sent = Pick<Message, "messageId" | "phone" | "retries" | "error">;

function sight({ connection, account, device }: Session, sent: Sent, copy: Copy | undefined, readings: readonly Reading[]): Message {
  const first = readings.find(({ text }) => text !== null) ?? readings[0];
  return {
    kind: "message",
    connection: connection.id,
    account,
    device,
    ...sent,
    type: copy?.type ?? "none",
    text: first?.text ?? null,
    media: first?.media ?? null,
    undecrypted: first ? first.undecrypted : copy ? "nobody there" : "no copy for this person",
  };
}
