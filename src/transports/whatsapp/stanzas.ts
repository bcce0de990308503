// What WhatsApp's stanzas say, in our own terms. Pure.

import { areJidsSameUser, type BinaryNode, type Contact, getBinaryNodeChildren, jidDecode } from "baileys";
import type { Receipt } from "../transport.ts";
import type { Envelope } from "./inbox-entry.ts";

/** False of groups, status, channels and broadcasts. */
export const isOfOnePerson = (jid: string): boolean => ["s.whatsapp.net", "lid", "hosted", "hosted.lid"].includes(jidDecode(jid)?.server ?? "");

const KINDS: Readonly<Record<string, Receipt["kind"]>> = { "": "delivered", inactive: "delivered", read: "read", played: "read" };

/** What a receipt says of messages of ours. Those of the account's own other devices, and requests to send again, say nothing of the recipient. `now`: ms since
 *  the epoch, for one that has no time. */
export function receiptsOf({ attrs, content }: BinaryNode, now: number): Receipt[] {
  const { id, type = "", recipient, t } = attrs;
  const kind = KINDS[type];
  if (kind === undefined || recipient !== undefined || !id) return [];
  const at = new Date(Number(t) > 0 ? Number(t) * 1000 : now);
  const list = Array.isArray(content) ? content[0] : undefined;
  const ids = [id, ...getBinaryNodeChildren(list, "item").map((item) => item.attrs["id"])];
  return ids.flatMap((messageId) => (messageId ? [{ messageId, kind, at }] : []));
}

/** WhatsApp's own have some thirty characters; a longer one is chosen by the sender to do harm, and would not fit into an index. */
const MAX_ID_LENGTH = 200;

/** Who wrote a message to account `me`, and when. Undefined of what people do not write: what the account sent itself by another of its devices, and what
 *  its phone tells its linked devices. */
export function envelopeOf({ attrs }: BinaryNode, me: Contact | undefined): Envelope | undefined {
  const { id: messageId, from, t, category } = attrs;
  if (!messageId || messageId.length > MAX_ID_LENGTH || !from || category === "peer" || !isOfOnePerson(from)) return undefined;
  if (areJidsSameUser(from, me?.id) || areJidsSameUser(from, me?.lid)) return undefined;
  const alternate = attrs["sender_pn"] ?? attrs["sender_lid"] ?? attrs["participant_pn"] ?? attrs["participant_lid"] ?? null;
  return { messageId, from, alternate, sentAt: Number(t) };
}
