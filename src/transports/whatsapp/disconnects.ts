// What the end of a connection means, and what to do about it. As data: WhatsApp's codes, as its client reports them.

import { MINUTE_MS, SECOND_MS } from "../../lib/clock.ts";
import type { Backoff } from "../../lib/backoff.ts";
import type { SessionStatus } from "../transport.ts";

export type Reaction = {
  readonly status: Extract<SessionStatus, "OFFLINE" | "LOGGED_OUT" | "REPLACED" | "BANNED">;
  /** In words that an operator can act on. */
  readonly reason: string;
  /** At once, after a wait that grows, or never by itself. */
  readonly reconnect: "at once" | Backoff | "never";
  /** No device of this process can connect: none tries until the process is started anew. */
  readonly isForAll?: true;
};

/** A network that went away comes back in seconds, and with it three thousand devices: none waits longer than this for its turn. */
const NETWORK: Backoff = { firstMs: 2 * SECOND_MS, longestMs: 30 * SECOND_MS };
const SERVICE: Backoff = { firstMs: 15 * SECOND_MS, longestMs: 5 * MINUTE_MS };
const TOO_MANY: Backoff = { firstMs: 2 * MINUTE_MS, longestMs: 30 * MINUTE_MS };

const REACTIONS: Readonly<Record<number, Reaction>> = {
  400: { status: "OFFLINE", reason: "What answered does not prove that it is WhatsApp: its certificate was refused. Look at proxies and DNS.", reconnect: SERVICE },
  401: { status: "LOGGED_OUT", reason: "WhatsApp has logged this device out; it may have been removed on the phone. Pair it again.", reconnect: "never" },
  402: { status: "OFFLINE", reason: "WhatsApp has banned this number for a time. It is tried again by itself.", reconnect: { firstMs: 30 * MINUTE_MS, longestMs: 240 * MINUTE_MS } },
  403: { status: "BANNED", reason: "WhatsApp has banned this number. Ask WhatsApp for a review on the phone, or pair another number.", reconnect: "never" },
  405: { status: "OFFLINE", reason: "WhatsApp no longer accepts this version of the client. Update Rentak; no device connects until then.", reconnect: "never", isForAll: true },
  406: { status: "LOGGED_OUT", reason: "WhatsApp has logged this device out. Pair it again.", reconnect: "never" },
  408: { status: "OFFLINE", reason: "WhatsApp did not answer in time. It is tried again by itself.", reconnect: NETWORK },
  411: { status: "LOGGED_OUT", reason: "The phone is not set up for linked devices. Update WhatsApp on it, and pair it again.", reconnect: "never" },
  428: { status: "OFFLINE", reason: "The connection broke. It is tried again by itself.", reconnect: NETWORK },
  429: { status: "OFFLINE", reason: "WhatsApp asks this device to connect less often. It is tried again by itself, after a longer wait.", reconnect: TOO_MANY },
  440: { status: "REPLACED", reason: "Another connection took its session over. Make sure that nothing else uses its credentials, then pair it again to take it back.", reconnect: "never" },
  500: { status: "OFFLINE", reason: "WhatsApp reported a fault of its own. It is tried again by itself; the pairing is kept.", reconnect: SERVICE },
  503: { status: "OFFLINE", reason: "WhatsApp's service is not available. It is tried again by itself; the pairing is kept.", reconnect: SERVICE },
  515: { status: "OFFLINE", reason: "WhatsApp asked to connect anew.", reconnect: "at once" },
};

/** A code that nobody has seen yet is taken for a fault of WhatsApp's: tried again slowly, and nothing is thrown away. */
export function reactionTo(code: number): Reaction {
  return REACTIONS[code] ?? { status: "OFFLINE", reason: `The connection ended with WhatsApp's code ${code}. It is tried again by itself.`, reconnect: SERVICE };
}

/** WhatsApp may ask to connect anew a few times in a row, as after pairing. One that asks forever is waited for like a service that has gone. */
export const CONNECTS_AT_ONCE = 3;

export const AFTER_TOO_MANY_AT_ONCE = SERVICE;
