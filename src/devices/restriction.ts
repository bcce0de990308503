// WhatsApp restricts a device that has written to too many people who do not know it: for a while it may write to those who have written to it, and to
// nobody else.

import type { SessionStatus } from "../transports/transport.ts";

export type Restrictable = { readonly status: SessionStatus; readonly restrictedUntil: Date | null };

/** Also while it is away: a connection that breaks ends no restriction, and to move its people to others then would be getting round it. */
export const isRestricted = ({ status, restrictedUntil }: Restrictable, now: number): boolean =>
  status === "RESTRICTED" || ((status === "CONNECTING" || status === "OFFLINE") && restrictedUntil !== null && restrictedUntil.getTime() > now);

/** SQL: the same of device `d`. Every other state takes the time away. */
export const IS_RESTRICTED = "(d.status = 'RESTRICTED' OR d.restricted_until > statement_timestamp())";
