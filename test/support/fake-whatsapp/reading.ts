// What a person's devices read in a message: each decrypts its own copy.

import { proto, unpadRandomMax16 } from "baileys";
import type { Companion } from "./accounts.ts";
import { type Address, addressOf } from "./addresses.ts";
import type { MediaServer, SeenMedia } from "./media.ts";
import type { Person } from "./people.ts";
import { type BinaryNode, bytesOf, child, children } from "./stanza.ts";

/** One device's copy. */
export type Copy = { readonly address: Address; readonly type: string; readonly bytes: Buffer };
export type Reading = { readonly copy: Copy; readonly text: string | null; readonly media: SeenMedia | null; readonly undecrypted: string | null };

/** Why a message was left encrypted that is none the worse for it. */
export const NOT_TRIED = "not tried";

/** Each device gets a copy of its own. A companion that asks again gets it alone, a phone that does so together with all others. */
export function copiesFor(node: BinaryNode, to: Address): Copy[] {
  const alone = child(node, "enc");
  const list = alone
    ? [{ jid: node.attrs["to"], enc: alone }]
    : children(child(node, "participants"), "to").map((participant) => ({ jid: participant.attrs["jid"], enc: child(participant, "enc") }));
  return list.flatMap(({ jid, enc }) => {
    const address = addressOf(jid);
    if (!enc || address?.phone !== to.phone) return [];
    return [{ address, type: enc.attrs["type"] ?? "", bytes: bytesOf(enc) }];
  });
}

export type ReadOptions = { readonly decrypts: boolean; readonly media: MediaServer };

export async function read(companion: Companion, person: Person, copy: Copy, { decrypts, media }: ReadOptions): Promise<Reading> {
  const device = person.devices.get(copy.address.device);
  if (!decrypts) return { copy, text: null, media: null, undecrypted: NOT_TRIED };
  if (!device) return { copy, text: null, media: null, undecrypted: "no such device" };
  try {
    const plaintext = await device.decrypt(conversation(companion), copy.type, copy.bytes);
    const message = proto.Message.decode(unpadRandomMax16(plaintext));
    return { copy, text: textOf(message), media: media.see(message), undecrypted: null };
  } catch (error) {
    return { copy, text: null, media: null, undecrypted: error instanceof Error ? error.message : "unreadable" };
  }
}

/** By which a person's phone knows a device. */
export const conversation = ({ account, device }: Companion): string => `${account}:${device}`;

function textOf(message: proto.IMessage): string {
  const { conversation: plain, extendedTextMessage, imageMessage, videoMessage, documentMessage } = message;
  return plain ?? extendedTextMessage?.text ?? imageMessage?.caption ?? videoMessage?.caption ?? documentMessage?.caption ?? "";
}
