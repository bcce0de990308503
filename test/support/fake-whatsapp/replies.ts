// People write: each linked device of the account gets the message, encrypted for itself.

import { randomBytes } from "node:crypto";
import { encodeWAMessage } from "baileys";
import type { Accounts, Companion } from "./accounts.ts";
import { addressOf, lidJid, phoneJid } from "./addresses.ts";
import { signedPreKey, takeBundle } from "./key-queries.ts";
import type { People } from "./people.ts";
import { conversation } from "./reading.ts";
import type { Bundle } from "./signal-device.ts";
import { confirmationKey, type Session, type Sessions } from "./sessions.ts";
import { type BinaryNode, bytesOf, child, element, numberOf, seconds, SERVER } from "./stanza.ts";
import type { Witness } from "./witness.ts";

export type Reply = {
  readonly account: string;
  readonly phone: string;
  readonly text: string;
  /** By which of its names the person is called in the stanza: `lid` shows the number in an attribute only. */
  readonly from?: "pn" | "lid" | undefined;
  /** False: not even in an attribute, so that only who knows the LID already knows who it is. */
  readonly showsPhone?: boolean | undefined;
};

export interface Replies {
  /** Resolves with the message's id once it is on its way, or waits for the device's next login. */
  send(reply: Reply): Promise<string>;
  /** A device could not read a message: it gets it again. */
  sendAgain(session: Session, receipt: BinaryNode): Promise<void>;
}

type Options = {
  readonly accounts: Accounts;
  readonly people: People;
  readonly sessions: Sessions;
  readonly witness: Witness;
  readonly changed: () => void;
};

/** Below so many keys a device is asked to upload more. */
const FEW_PRE_KEYS = 5;

export function createReplies({ accounts, people, sessions, witness, changed }: Options): Replies {
  const encrypted = async (companion: Companion, phone: string, text: string, bundle: () => Bundle): Promise<BinaryNode> => {
    const plaintext = encodeWAMessage({ conversation: text });
    const { type, bytes } = await people.phoneOf(phone).encrypt(conversation(companion), plaintext, bundle);
    return element("enc", { v: 2, type }, bytes);
  };

  const bundleOf = (companion: Companion) => () => {
    const bundle = takeBundle(companion);
    if (companion.preKeys.length < FEW_PRE_KEYS) sessions.deliver(companion, fewPreKeys(companion.preKeys.length));
    changed();
    return bundle;
  };

  return {
    async send({ account: accountPhone, phone, text, from = "pn", showsPhone = true }) {
      const account = accounts.find(accountPhone);
      if (!account) throw new Error("no such account is linked");
      const messageId = `3A${randomBytes(9).toString("hex").toUpperCase()}`;
      account.correspondents.add(phone);
      const names = namesOf(phone, from, showsPhone);
      witness.record({ kind: "reply", account: accountPhone, messageId, phone, from, text });
      for (const companion of account.companions.values()) {
        const enc = await encrypted(companion, phone, text, bundleOf(companion));
        sessions.deliver(companion, element("message", { ...names, id: messageId, type: "text", t: seconds(), notify: `Person ${phone.slice(-4)}` }, [enc]));
      }
      changed();
      return messageId;
    },
    async sendAgain({ companion, account }, receipt) {
      const messageId = receipt.attrs["id"];
      const key = confirmationKey("message", messageId, undefined);
      const before = companion.unconfirmed.get(key);
      const phone = addressOf(receipt.attrs["to"])?.phone;
      const written = witness.of("reply").findLast((entry) => entry.messageId === messageId && entry.account === account);
      if (!before || phone === undefined || !written) return;
      // A conversation that the device cannot follow is given up for a new one.
      people.phoneOf(phone).forget(conversation(companion));
      const enc = await encrypted(companion, phone, written.text, () => bundleIn(receipt, companion) ?? bundleOf(companion)());
      const count = Number(child(receipt, "retry")?.attrs["count"] ?? 1);
      sessions.deliver(companion, { ...before, content: [{ ...enc, attrs: { ...enc.attrs, count: String(count) } }] });
    },
  };
}

function namesOf(phone: string, from: "pn" | "lid", showsPhone: boolean) {
  if (from === "pn") return { from: phoneJid(phone), sender_lid: lidJid(phone) };
  return { from: lidJid(phone), addressing_mode: "lid", sender_pn: showsPhone ? phoneJid(phone) : undefined };
}

function fewPreKeys(count: number): BinaryNode {
  return element("notification", { from: SERVER, type: "encrypt", id: `few-${randomBytes(6).toString("hex")}`, t: seconds() }, [element("count", { value: count })]);
}

function bundleIn(receipt: BinaryNode, companion: Companion): Bundle | undefined {
  const keys = child(receipt, "keys");
  const signed = child(keys, "skey");
  if (!signed) return undefined;
  const oneTime = child(keys, "key");
  return {
    registrationId: companion.keys.registrationId,
    identityKey: companion.keys.identityKey,
    signedPreKey: signedPreKey(signed),
    preKey: oneTime && { id: numberOf(child(oneTime, "id")), publicKey: bytesOf(child(oneTime, "value")) },
  };
}
