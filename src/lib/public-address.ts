// Whether an address belongs to the public internet: whatever else a URL may lead to (this machine, its network, a cloud's metadata service) is none of
// the caller's business.

import { lookup, type LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
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

/** Whether the URL itself names an address that is not public: no name is looked up where there is none. URL has made 127.0.0.1 of 0x7f.1 and 2130706433 by now. */
export function isPrivateLiteral({ hostname }: URL): boolean {
  const address = hostname.replace(/^\[|\]$/g, "");
  return isIP(address) > 0 && !isPublicAddress(address);
}

/** Whether a URL is of one of these servers, each written host:port. */
export const isOfHosts = ({ protocol, hostname, port }: URL, hosts: readonly string[]): boolean => hosts.includes(`${hostname}:${port || (protocol === "https:" ? 443 : 80)}`);
