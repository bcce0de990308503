// Queries about keys: what devices upload of their own, and whose they ask for.

import type { Companion, PublicPreKey, SignedPreKey } from "./accounts.ts";
import { addressOf } from "./addresses.ts";
import type { People } from "./people.ts";
import type { Bundle } from "./signal-device.ts";
import { bigEndian, type BinaryNode, bytesOf, child, children, element, numberOf } from "./stanza.ts";

const KEY_TYPE = Buffer.from([5]);

/** Of a device: what an upload brings; how many one-time keys. */
export function storeUploaded(companion: Companion, query: BinaryNode): number {
  const uploaded = children(child(query, "list"), "key").map(publicPreKey);
  companion.preKeys = [...companion.preKeys, ...uploaded];
  const signed = child(query, "skey");
  if (signed) companion.signedPreKey = signedPreKey(signed);
  return uploaded.length;
}

export function storeRotated(companion: Companion, query: BinaryNode): void {
  const signed = child(child(query, "rotate"), "skey");
  if (signed) companion.signedPreKey = signedPreKey(signed);
}

export const preKeyCount = ({ preKeys }: Companion): BinaryNode => element("count", { value: preKeys.length });

export function digest({ keys, signedPreKey, preKeys }: Companion): BinaryNode {
  return element("digest", {}, [
    element("registration", {}, bigEndian(keys.registrationId, 4)),
    element("type", {}, KEY_TYPE),
    element("identity", {}, keys.identityKey),
    signedKeyElement(signedPreKey),
    element("list", {}, preKeys.map(({ id }) => element("id", {}, bigEndian(id, 3)))),
  ]);
}

export const askedFor = (query: BinaryNode): string[] => children(child(query, "key"), "user").map((user) => user.attrs["jid"] ?? "");

export function bundles(jids: readonly string[], people: People, bundleOfCompanion: (phone: string, device: number) => Bundle | undefined): BinaryNode {
  const users = jids.map((jid) => {
    const address = addressOf(jid);
    // The phone of a linked account is there, whoever is said to be absent: its own devices write to it.
    const own = address && bundleOfCompanion(address.phone, address.device);
    const bundle = own ?? (address && people.find(address.phone)?.devices.get(address.device)?.bundle());
    return bundle ? element("user", { jid }, bundleElements(bundle)) : element("user", { jid }, [element("error", { code: 404, text: "item-not-found" })]);
  });
  return element("list", {}, users);
}

/** Also what a person's retry receipt carries. */
export function bundleElements({ registrationId, identityKey, signedPreKey, preKey }: Bundle): BinaryNode[] {
  return [
    element("registration", {}, bigEndian(registrationId, 4)),
    element("type", {}, KEY_TYPE),
    element("identity", {}, identityKey),
    signedKeyElement(signedPreKey),
    ...(preKey ? [element("key", {}, [element("id", {}, bigEndian(preKey.id, 3)), element("value", {}, preKey.publicKey)])] : []),
  ];
}

/** One-time keys are given out once, until there are none; the conversation then begins without. */
export function takeBundle(companion: Companion): Bundle {
  const { registrationId, identityKey } = companion.keys;
  return { registrationId, identityKey, signedPreKey: companion.signedPreKey, preKey: companion.preKeys.shift() };
}

const publicPreKey = (key: BinaryNode): PublicPreKey => ({ id: numberOf(child(key, "id")), publicKey: bytesOf(child(key, "value")) });

export const signedPreKey = (key: BinaryNode): SignedPreKey => ({ ...publicPreKey(key), signature: bytesOf(child(key, "signature")) });

function signedKeyElement({ id, publicKey, signature }: SignedPreKey): BinaryNode {
  return element("skey", {}, [element("id", {}, bigEndian(id, 3)), element("value", {}, publicKey), element("signature", {}, signature)]);
}
