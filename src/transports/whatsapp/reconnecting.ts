// When a device may connect again: after how its last connection ended, and when it is its turn.

import { backoffMs } from "../../lib/backoff.ts";
import { type Clock, SECOND_MS, type Timer } from "../../lib/clock.ts";
import type { Random } from "../../lib/random.ts";
import type { ConnectGate } from "./connect-gate.ts";
import { AFTER_TOO_MANY_AT_ONCE, CONNECTS_AT_ONCE, type Reaction } from "./disconnects.ts";

/** One that has stood for so long was a success: what comes after it is a first failure again. */
const STANDS_AFTER_MS = 30 * SECOND_MS;

export interface Reconnecting {
  /** It is connected now. */
  opened(): void;
  /** It has ended, and is to be tried again. Returns how long that is waited for, in ms. */
  again(reconnect: Exclude<Reaction["reconnect"], "never">): number;
  /** As soon as it is its turn. */
  now(): void;
  /** Not any more. */
  cancel(): void;
}

export type ReconnectingOptions = { readonly clock: Clock; readonly random: Random; readonly gate: ConnectGate; readonly connect: () => void };

export function createReconnecting({ clock, random, gate, connect }: ReconnectingOptions): Reconnecting {
  let failures = 0;
  let atOnce = 0;
  let openedAt: number | null = null;
  let timer: Timer | undefined;
  let leaveLine = () => {};

  const cancel = () => {
    timer?.cancel();
    leaveLine();
    leaveLine = () => {};
  };
  const enter = () => {
    leaveLine = gate.enter(connect);
  };
  const waitFor = (reconnect: Exclude<Reaction["reconnect"], "never">): number => {
    if (reconnect === "at once" && ++atOnce <= CONNECTS_AT_ONCE) return 0;
    failures += 1;
    return backoffMs(reconnect === "at once" ? AFTER_TOO_MANY_AT_ONCE : reconnect, failures, random);
  };

  return {
    opened() {
      openedAt = clock.monotonic();
    },
    again(reconnect) {
      if (openedAt !== null && clock.monotonic() - openedAt >= STANDS_AFTER_MS) {
        failures = 0;
        atOnce = 0;
      }
      openedAt = null;
      cancel();
      const ms = waitFor(reconnect);
      // What WhatsApp itself asks for does not stand in line: a person waits for the end of a pairing.
      if (ms === 0) timer = clock.setTimeout(connect, 0);
      else timer = clock.setTimeout(enter, ms);
      return ms;
    },
    now() {
      cancel();
      enter();
    },
    cancel,
  };
}
