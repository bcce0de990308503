// What a device that is logged in says, and who deals with it.

import { receiveMessage, type MessageOptions } from "./messages.ts";
import { answerQuery, type QueryOptions } from "./queries.ts";
import type { Replies } from "./replies.ts";
import { confirmationKey, type Session } from "./sessions.ts";
import { type BinaryNode, child, children, element } from "./stanza.ts";

export type StanzaOptions = MessageOptions & QueryOptions & { readonly replies: Replies };

/** By which a device says that it has asked for the message again: it is not done with it. */
const ASKED_AGAIN = "500";

export async function receiveStanza(session: Session, node: BinaryNode, options: StanzaOptions): Promise<void> {
  switch (node.tag) {
    case "iq":
      return answerQuery(session, node, options);
    case "message":
      return receiveMessage(session, node, options);
    case "receipt":
      return receiveReceipt(session, node, options);
    case "ack":
      return receiveAck(session, node, options);
    default:
      // Presence and telemetry, which want no answer.
      return undefined;
  }
}

async function receiveReceipt(session: Session, node: BinaryNode, { replies, witness }: StanzaOptions): Promise<void> {
  const { companion, connection, account } = session;
  const { id = "", type = "", to } = node.attrs;
  if (type === "retry") await replies.sendAgain(session, node);
  const ids = type === "retry" ? [] : [id, ...children(child(node, "list"), "item").map(({ attrs }) => attrs["id"] ?? "")];
  for (const confirmed of ids) companion.unconfirmed.delete(confirmationKey("message", confirmed, undefined));
  witness.record({ kind: "confirmed", account, messageId: id, type: type || "delivered" });
  connection.send(element("ack", { class: "receipt", id, type: type || undefined, from: to }));
}

function receiveAck({ companion, account }: Session, node: BinaryNode, { witness }: StanzaOptions): void {
  const { class: tag = "", id, type, error } = node.attrs;
  if (tag === "message" && error === ASKED_AGAIN) return;
  companion.unconfirmed.delete(confirmationKey(tag, id, type));
  if (tag === "message") witness.record({ kind: "confirmed", account, messageId: id ?? "", type: error === undefined ? "ack" : `nack ${error}` });
}
