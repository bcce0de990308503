// The directory (usync): who is on WhatsApp, with which devices, and under which hidden id.

import type { Accounts } from "./accounts.ts";
import { type Address, addressOf, lidJid, phoneJid } from "./addresses.ts";
import type { People } from "./people.ts";
import { type BinaryNode, bytesOf, child, children, element, seconds } from "./stanza.ts";

type Options = { readonly accounts: Accounts; readonly people: People };

export type Lookup = { readonly answer: BinaryNode; readonly of: "contact" | "devices"; readonly phones: string[] };

export function lookUp(query: BinaryNode, { accounts, people }: Options): Lookup {
  const usync = child(query, "usync");
  const asked = new Set(children(child(usync, "query")).map(({ tag }) => tag));
  const users = children(child(usync, "list"), "user").map((user) => ({ user, address: addressOf(user.attrs["jid"]) ?? addressOfContact(user) }));
  const list = users.flatMap(({ user, address }) => {
    if (!address) return [];
    const isThere = accounts.find(address.phone) !== undefined || people.find(address.phone) !== undefined;
    const parts: BinaryNode[] = [];
    if (asked.has("contact")) parts.push(element("contact", { type: isThere ? "in" : "out" }, bytesOf(child(user, "contact"))));
    if (asked.has("devices")) parts.push(element("devices", {}, isThere ? [deviceList(address.phone, accounts, people)] : []));
    if (asked.has("lid") && isThere && !address.isLid) parts.push(element("lid", { val: lidJid(address.phone) }));
    return [element("user", { jid: address.isLid ? lidJid(address.phone) : phoneJid(address.phone) }, parts)];
  });
  return {
    answer: element("usync", { ...usync?.attrs, index: 0, last: "true" }, [element("result"), element("list", {}, list)]),
    of: asked.has("contact") ? "contact" : "devices",
    phones: users.flatMap(({ address }) => (address ? [address.phone] : [])),
  };
}

/** Numbers are asked for with a plus sign in front. */
function addressOfContact(user: BinaryNode): Address | undefined {
  const phone = bytesOf(child(user, "contact")).toString().replace(/^\+/, "");
  return /^\d{1,15}$/.test(phone) ? { phone, device: 0, isLid: false } : undefined;
}

function deviceList(phone: string, accounts: Accounts, people: People): BinaryNode {
  const companions = [...(accounts.find(phone)?.companions.keys() ?? [])];
  const devices = [...(people.find(phone)?.devices.keys() ?? [0]), ...companions];
  const listed = devices.map((id) => element("device", { id, "key-index": id === 0 ? undefined : id }));
  return element("device-list", { hash: "2:fake", ts: seconds() }, listed);
}
