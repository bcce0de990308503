// Whether an address belongs to the public internet: whatever else a URL may lead to (this machine, its network, a cloud's metadata service) is none of
// the caller's business.

import { lookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";

export class PrivateAddressError extends Error {
  override name = "PrivateAddressError";
}

/** Unicast, and not set apart for anything; 10.0.0.1 written as ::ffff:10.0.0.1 is 10.0.0.1, and what tunnels or translates (6to4, NAT64, Teredo) is refused. */
export function isPublicAddress(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === "unicast";
}

/** A `lookup` for sockets: the address that was looked at is the one that is connected to, whatever the name leads to a moment later. Fails with a
 *  PrivateAddressError where any address of the name is none of the public internet. */
export const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error) return callback(error, []);
    if (!addresses.every(({ address }) => isPublicAddress(address))) return callback(new PrivateAddressError(hostname), []);
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    return first ? callback(null, first.address, first.family) : callback(new Error(`${hostname} has no address`), []);
  });
};
